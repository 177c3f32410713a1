"""Whisper's log-mel spectrogram against transformers."""

import numpy as np
import pytest
from transformers import WhisperFeatureExtractor

from serkit.features import whisper_log_mel
from serkit.features.whisper import FLOOR, clamped, log_mel_frames, normalised


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
def test_whisper_log_mel_agrees_with_transformers(samples, n_mels):
    extractor = WhisperFeatureExtractor(feature_size=n_mels)
    expected = extractor(samples, sampling_rate=16_000, return_tensors="np")["input_features"][0]
    log_mel = whisper_log_mel(samples, n_mels=n_mels, duration_s=30.0)
    assert log_mel.shape == expected.shape == (n_mels, 3000)
    np.testing.assert_allclose(log_mel, expected, atol=1e-4, rtol=0)


def test_whisper_log_mel_of_a_short_recording():
    assert whisper_log_mel(np.ones(100, np.float32)).shape == (80, 0)
    assert whisper_log_mel(np.ones(160, np.float32)).shape == (80, 1)
    assert whisper_log_mel(np.zeros(0, np.float32)).shape == (80, 0)


def test_frames_of_unpadded_samples():
    for n, n_frames in ((399, 0), (400, 1), (559, 1), (560, 2)):
        assert log_mel_frames(np.ones(n, np.float32)).shape == (80, n_frames)
    np.testing.assert_allclose(log_mel_frames(np.zeros(400, np.float32)), FLOOR, rtol=1e-6)


def test_the_clamp_and_the_mapping():
    log_mel = np.array([[-9.0, -6.5], [-2.0, 0.0]], np.float32)
    np.testing.assert_array_equal(clamped(log_mel, 1.0), [[-7.0, -6.5], [-2.0, 0.0]])
    np.testing.assert_array_equal(normalised(log_mel), [[-1.0, -0.625], [0.5, 1.0]])
    np.testing.assert_array_equal(normalised(log_mel, peak=2.0), [[-0.5, -0.5], [0.5, 1.0]])
    assert normalised(log_mel[:, :0]).shape == (2, 0)
