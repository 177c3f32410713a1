"""Networks on waveforms: against transformers and NumPy, and padding has no influence."""

import numpy as np
import pytest
import torch
from transformers import HubertForSequenceClassification

from audio_toys import make_classifier
from serkit.errors import ModelError
from serkit.features import mel_filter_bank
from serkit.networks import LogMelEncoder, SpeechClassifier, TransformerEncoder
from serkit.training.audio_configuration import TRAINED_FAMILIES
from serkit.training.pretrained_audio import load_encoder

from transformers_toys import make_hubert


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    return {
        "group": make_hubert(root / "group"),
        "layer": make_hubert(root / "layer", group_norm=False),
    }


def networks(folders):
    yield LogMelEncoder(n_mels=32, width=16, blocks=2, kernel=5)
    for folder in folders.values():
        yield TransformerEncoder(load_encoder(str(folder)))


def sounds():
    rng = np.random.default_rng(0)
    return [0.1 * rng.standard_normal(n).astype(np.float32) for n in (1600, 9000, 16_001, 24_000)]


def test_padding_has_no_influence(folders):
    recordings = sounds()
    lengths = torch.tensor([len(one) for one in recordings])
    padded = torch.zeros(len(recordings), 30_000)
    for row, one in zip(padded, recordings, strict=True):
        row[: len(one)] = torch.from_numpy(one)
    for encoder in networks(folders):
        torch.manual_seed(0)
        network = SpeechClassifier(encoder, 4, hidden=8).eval()
        with torch.no_grad():
            together = network(padded, lengths)
            for i, one in enumerate(recordings):
                alone = network(torch.from_numpy(one)[None])
                for several, single in zip(together, alone, strict=True):
                    torch.testing.assert_close(several[i], single[0], atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # of WavLM
@pytest.mark.parametrize("family", TRAINED_FAMILIES)
def test_padding_has_no_influence_in_any_family(tmp_path, family):
    folder = make_classifier(tmp_path / family, family, use_weighted_layer_sum=True)
    network = SpeechClassifier(TransformerEncoder(load_encoder(str(folder))), 4).eval()
    assert not [one for one in network.modules() if isinstance(one, torch.nn.BatchNorm1d)]
    one = torch.from_numpy(sounds()[1])[None]
    padded = torch.cat((one, torch.zeros(1, 7000)), 1)
    longer = torch.from_numpy(sounds()[2])[None, : padded.shape[1]]
    with torch.no_grad():
        together, _ = network(torch.cat((longer, padded)), torch.tensor([16_000, 9000]))
        alone, _ = network(one)
    torch.testing.assert_close(together[1], alone[0], atol=1e-5, rtol=1e-4)


def test_families_that_padding_has_an_influence_in_are_refused(tmp_path):
    folder = make_classifier(tmp_path / "sew", "sew")
    with pytest.raises(ModelError, match="model_type is 'sew'; expected a model of sound of one"):
        load_encoder(str(folder))


def test_it_is_the_classifier_of_transformers(folders):
    """Projection, mean and classifier, as `HubertForSequenceClassification` without a mask."""
    theirs = HubertForSequenceClassification.from_pretrained(
        folders["group"], num_labels=4, classifier_proj_size=12
    ).eval()
    ours = SpeechClassifier(
        TransformerEncoder(load_encoder(str(folders["group"]))), 4, hidden=12
    ).eval()
    ours.projection.load_state_dict(theirs.projector.state_dict())
    ours.output.load_state_dict(theirs.classifier.state_dict())
    for one in sounds():
        samples = torch.from_numpy(one)[None]
        with torch.no_grad():
            logits, _ = ours(samples)
            torch.testing.assert_close(logits, theirs(samples).logits, atol=1e-5, rtol=1e-4)


def test_log_mel_is_that_of_numpy():
    samples = sounds()[3]
    samples[8000:] = 0.0
    encoder = LogMelEncoder(n_mels=40, hop=200, range_db=30)
    levels, inside = encoder.log_mel(torch.from_numpy(samples)[None])
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    starts = range(0, len(samples) - 511, 200)
    power = [np.abs(np.fft.rfft(samples[i : i + 512] * window)) ** 2 for i in starts]
    mel = np.array(power) @ mel_filter_bank(40, n_fft=512).T
    decibels = 10 * np.log10(np.maximum(mel / mel.max(), 1e-3))
    assert inside is None
    np.testing.assert_allclose(levels[0].numpy(), 2 + decibels * 4 / 30, atol=1e-3)
    assert levels.max() == 2.0
    assert levels.min() == -2.0


def test_volume_has_no_influence_and_silence_is_at_the_bottom():
    encoder = LogMelEncoder(n_mels=32)
    samples = torch.from_numpy(sounds()[1])[None]
    loud, quiet = (encoder.log_mel(gain * samples)[0] for gain in (1.0, 0.01))
    torch.testing.assert_close(loud, quiet, atol=1e-4, rtol=0)
    assert (encoder.log_mel(torch.zeros(1, 4000))[0] == -2.0).all()


def test_random_responses_are_of_training_only():
    torch.manual_seed(0)
    encoder = LogMelEncoder(n_mels=32, range_db=100, response_db=5.0)
    samples = torch.from_numpy(np.stack([sounds()[3]] * 300))
    decibels = 25.0 * encoder.log_mel(samples)[0]
    plain = 25.0 * encoder.eval().log_mel(samples)[0]
    changes = decibels - plain
    # A response is the same in all frames; the loudest level is 50 again.
    torch.testing.assert_close(changes, changes[:, :1].expand_as(changes), atol=1e-2, rtol=0)
    ends = changes[:, 0, 0] - changes[:, 0, -1]
    assert abs(ends.std().item() - 5.0 * 2**0.5) < 1.0


@pytest.mark.parametrize(
    ("frozen", "still"),
    [("convolutions", {"feature_extractor"}), ("all", None), ("none", set())],
)
def test_what_is_frozen_is_not_trained(folders, frozen, still):
    encoder = TransformerEncoder(load_encoder(str(folders["group"])), frozen)
    network = SpeechClassifier(encoder, 3).train()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    steps = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1.0)
    logits, _ = network(torch.from_numpy(np.stack([sounds()[1]] * 2)))
    logits[:, 0].sum().backward()
    steps.step()
    unchanged = {n for n, p in network.named_parameters() if torch.equal(p, before[n])}
    parts = {name.split(".")[2] for name in unchanged if name.startswith("encoder.transformer")}
    assert parts - {"masked_spec_embed"} == (
        {"feature_extractor", "feature_projection", "encoder"} if still is None else still
    )
    assert "output.weight" not in unchanged
    assert encoder.transformer.training == (frozen != "all")


def test_masks_are_of_training_only():
    torch.manual_seed(0)
    encoder = LogMelEncoder(width=8, blocks=1, heads=2, masked_bands=20, masked_frames=20)
    samples = torch.from_numpy(np.stack([sounds()[3]] * 4))
    levels, _ = encoder.log_mel(samples)
    masked = encoder._masked(levels)
    hidden = masked == 0.0
    assert (masked[~hidden] == levels[~hidden]).all()
    assert 0.0 < hidden.float().mean() < 0.9
    with torch.no_grad():
        first, second = (encoder.eval()(samples)[0] for _ in range(2))
    assert torch.equal(first, second)
