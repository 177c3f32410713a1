"""`FusionModel`: ONNX equals torch, batches equal single recordings, modalities, bad input."""

import numpy as np
import onnx
import pytest
import torch

import serkit
from fusion_toys import LABELS, TEXT, TEXT_WIDTH, make_fusion_recipe
from serkit.adaptation import softmax
from serkit.compression.classifier_export import save_classifier, with_card
from serkit.compression.fusion_export import export_fusion
from serkit.container import METADATA_KEY
from serkit.errors import AudioError, ModelError
from serkit.networks.fusion import FUSIONS
from serkit.runtime import FusionModel, ModelCard, SpeechAndText
from serkit.training.fusion import TrainedFusion, build

TEMPERATURE = 1.7


@pytest.fixture(scope="module")
def trained():
    models = {}
    for kind in FUSIONS:
        network = build(make_fusion_recipe(kind)).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
        text = SpeechAndText(None if kind == "acoustic" else TEXT)
        card = ModelCard(f"toy {kind}", LABELS, text, temperature=TEMPERATURE, created_with="test")
        models[kind] = TrainedFusion(network, card)
    return models


@pytest.fixture(scope="module")
def paths(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for kind, model in trained.items():
        save_classifier(export_fusion(model), model.card, folder / f"{kind}.onnx")
    return {kind: folder / f"{kind}.onnx" for kind in trained}


def pairs():
    rng = np.random.default_rng(0)
    sizes = ((250, 3), (31, None), (None, 2), (1, 1))
    return [
        (
            None if frames is None else rng.standard_normal((80, frames)).astype(np.float32),
            None if n is None else rng.standard_normal((n, TEXT_WIDTH)).astype(np.float32),
        )
        for frames, n in sizes
    ]


def by_torch(model, log_mel, vectors):
    frames = torch.zeros(1, 80, 1) if log_mel is None else torch.from_numpy(log_mel)[None]
    text = torch.zeros(1, 1, TEXT_WIDTH) if vectors is None else torch.from_numpy(vectors)[None]
    counts = [
        0 if one is None else n for one, n in ((log_mel, frames.shape[2]), (vectors, text.shape[1]))
    ]
    with torch.no_grad():
        logits = model.network(frames, torch.tensor(counts[:1]), text, torch.tensor(counts[1:]))
    return softmax(logits.numpy() / TEMPERATURE)[0]


@pytest.mark.parametrize("kind", FUSIONS)
def test_it_gives_the_probabilities_of_torch_alone_and_in_a_batch(kind, trained, paths):
    model = FusionModel.load(paths[kind])
    inputs = [pair for pair in pairs() if kind != "acoustic" or pair[0] is not None]
    for one, pair in zip(model.batch(inputs), inputs, strict=True):
        expected = by_torch(trained[kind], *pair)
        np.testing.assert_allclose(list(one.scores.values()), expected, atol=1e-5)
        alone = model(*pair)
        np.testing.assert_allclose(list(alone.scores.values()), expected, atol=1e-5)
        assert tuple(one.scores) == LABELS
        assert one.label == LABELS[expected.argmax()] == alone.label


def test_it_says_what_it_used(paths):
    model = FusionModel.load(paths["amser"])
    found = [prediction.modalities for prediction in model.batch(pairs())]
    assert found == [("acoustic", "text"), ("acoustic",), ("text",), ("acoustic", "text")]
    assert FusionModel.load(paths["acoustic"])(*pairs()[0]).modalities == ("acoustic",)
    log_mel, vectors = pairs()[3]
    assert model(log_mel, vectors[0]) == model(log_mel, vectors)
    assert model(log_mel, vectors[:0]).modalities == ("acoustic",)
    assert model.batch([]) == []


def test_the_card_and_the_stored_precision(trained, paths, tmp_path):
    model = FusionModel.load(paths["amser"])
    assert model.card == trained["amser"].card
    assert model.input.text == TEXT
    assert model.facts == {"n_parameters": trained["amser"].n_parameters, "precision": "fp32"}
    exported = export_fusion(trained["amser"], precision="fp16")
    half = tmp_path / "half.onnx"
    assert save_classifier(exported, trained["amser"].card, half) < model.file_bytes
    first, second = (FusionModel.load(p)(*pairs()[0]).scores for p in (half, paths["amser"]))
    assert all(abs(first[label] - second[label]) < 0.02 for label in LABELS)
    assert FusionModel.load(half).digest != model.digest
    with pytest.raises(ModelError, match="precision is 'int8'; expected one of fp32, fp16"):
        export_fusion(trained["amser"], precision="int8")


@pytest.mark.parametrize(
    ("pair", "error", "message"),
    [
        ((None, None), AudioError, "was given nothing"),
        ((np.zeros((80, 0)), None), AudioError, "was given nothing"),
        ((np.zeros((64, 10)), None), AudioError, r"shape \[64, 10\]; expected \[80, n_frames\]"),
        ((np.zeros((80, 3001)), None), AudioError, "at most 3000 frames"),
        ((np.full((80, 3), np.nan), None), AudioError, "not finite"),
        ((np.zeros((80, 3)), np.zeros((2, 5))), ModelError, r"expects \[n, 6\] of the encoder toy"),
        ((np.zeros((80, 3)), np.zeros((2, 2, 6))), ModelError, r"shape \[2, 2, 6\]"),
        ((np.zeros((80, 3)), np.zeros((513, 6))), ModelError, "at most 512"),
        ((np.zeros((80, 3)), np.full((1, 6), np.inf)), ModelError, "not finite"),
    ],
)
def test_bad_input_is_refused(paths, pair, error, message):
    with pytest.raises(error, match=message):
        FusionModel.load(paths["amser"])(*pair)


def test_files_that_are_something_else_are_refused(trained, paths, tmp_path):
    with pytest.raises(ModelError, match="speech_and_text; expected a waveform"):
        serkit.load(paths["amser"])
    with pytest.raises(ModelError, match="No such file"):
        FusionModel.load(tmp_path / "none.onnx")
    # The card promises a text of another width than the graph takes.
    card = trained["acoustic"].card
    wider = ModelCard(card.name, LABELS, SpeechAndText(TEXT), created_with="test")
    (tmp_path / "liar.onnx").write_bytes(with_card(export_fusion(trained["acoustic"]), wider))
    with pytest.raises(ModelError, match=r"liar\.onnx: the inputs of the graph are"):
        FusionModel.load(tmp_path / "liar.onnx")
    bare = onnx.load(paths["amser"])
    del bare.metadata_props[:]
    onnx.save(bare, tmp_path / "bare.onnx")
    with pytest.raises(ModelError, match=METADATA_KEY):
        FusionModel.load(tmp_path / "bare.onnx")
    (tmp_path / "cut.onnx").write_bytes(paths["amser"].read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"cut\.onnx"):
        FusionModel.load(tmp_path / "cut.onnx")
