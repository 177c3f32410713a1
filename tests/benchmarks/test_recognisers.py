import json

import numpy as np
import pytest
import torch
from transformers import (
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

from serkit.codec import log_mel_of, normalised

from peers.recognisers import padded, whisper_text


@pytest.fixture(scope="module")
def sound():
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(24_000)).astype(np.float32)


def small(folder, n_mels=80):
    """A Whisper of a few random weights, with a vocabulary of 30 words."""
    vocabulary = {chr(ord("a") + i): i for i in range(26)} | {"<|endoftext|>": 26}
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    WhisperTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=30, num_mel_bins=n_mels, d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, max_target_positions=12, pad_token_id=26, bos_token_id=26,
        eos_token_id=26, decoder_start_token_id=26, init_std=1.0,
    )  # fmt: skip
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    return folder


def test_the_frames_are_those_of_whispers_own_front_end(sound):
    theirs = WhisperFeatureExtractor()(sound, sampling_rate=16_000, return_tensors="np")
    ours = padded(normalised(log_mel_of(sound)))
    assert ours.shape == theirs.input_features[0].shape
    # Only at the end do they differ, where ours mirrors the sound and theirs goes on with silence.
    same = np.r_[:148, 152:3000]
    np.testing.assert_allclose(ours[:, same], theirs.input_features[0][:, same], atol=2e-4)


def test_whisper_says_what_transformers_makes_it_say(sound, tmp_path):
    folder = small(tmp_path / "whisper")
    log_mel = normalised(log_mel_of(sound))
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    tokens = model.generate(torch.from_numpy(padded(log_mel))[None], num_beams=1)
    said = "".join(chr(ord("a") + token) for token in tokens[0].tolist() if token < 26)
    assert said and whisper_text(log_mel, folder) == said
    assert whisper_text(log_mel, folder) == said


def test_what_whisper_cannot_take_is_said(sound, tmp_path):
    log_mel = normalised(log_mel_of(sound))
    with pytest.raises(SystemExit, match="does not hold a Whisper model"):
        whisper_text(log_mel, tmp_path / "nothing")
    with pytest.raises(SystemExit, match="takes 128 mels; 80 are sent"):
        whisper_text(log_mel, small(tmp_path / "large", n_mels=128))
    with pytest.raises(SystemExit, match="3001 frames; Whisper takes at most 3000"):
        padded(np.zeros((80, 3001), np.float32))
