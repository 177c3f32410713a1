"""Whisper's and AMSER's log-mel pictures against transformers and librosa."""

import numpy as np
import pytest
from transformers import WhisperFeatureExtractor

from serkit.features import whisper_log_mel


@pytest.fixture(params=["noise", "chirp", "speech-like", "click", "silence"])
def samples(request):
    rng = np.random.default_rng(11)
    t = np.arange(3 * 16_000) / 16_000
    envelope = np.clip(np.sin(2 * np.pi * 2 * t), 0, 1)
    signals = {
        "noise": 0.1 * rng.standard_normal(len(t)),
        "chirp": 0.5 * np.sin(2 * np.pi * (100 * t + 600 * t**2)),
        "speech-like": envelope * sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 30)),
        "click": np.eye(1, len(t), 20_000)[0],
        "silence": np.zeros(len(t)),
    }
    return signals[request.param].astype(np.float32)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_whisper_log_mel_is_transformers(samples, n_mels):
    extractor = WhisperFeatureExtractor(feature_size=n_mels)
    theirs = extractor(samples, sampling_rate=16_000, return_tensors="np")["input_features"][0]
    ours = whisper_log_mel(samples, n_mels=n_mels, duration_s=30.0)
    assert ours.shape == theirs.shape == (n_mels, 3000)
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)


def test_whisper_log_mel_of_a_short_recording():
    assert whisper_log_mel(np.ones(100, np.float32)).shape == (80, 0)
    assert whisper_log_mel(np.ones(160, np.float32)).shape == (80, 1)
    assert whisper_log_mel(np.zeros(0, np.float32)).shape == (80, 0)
