"""Our log-mel against each backend's own front end, on real speech."""

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from transformers import WhisperFeatureExtractor

from serkit.codec import log_mel_of, normalised
from serkit.features import whisper_log_mel
from serkit.serving.asr.transformers_whisper import padded

# Frames whose window reaches beyond the end, where the codec mirrors the sound and backends go on
# with silence.
AT_THE_END = 3


@pytest.mark.parametrize("n_mels", [80, 128])
def test_faster_whisper(speech, n_mels):
    theirs = FeatureExtractor(feature_size=n_mels)(speech)
    ours = whisper_log_mel(np.pad(speech, (0, 160)), n_mels=n_mels)
    assert ours.shape == theirs.shape == (n_mels, len(speech) // 160 + 1)
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_transformers(speech, n_mels):
    extractor = WhisperFeatureExtractor(feature_size=n_mels)
    theirs = extractor(speech, sampling_rate=16_000, return_tensors="np").input_features[0]
    ours = whisper_log_mel(speech, n_mels=n_mels, duration_s=30.0)
    assert ours.shape == theirs.shape == (n_mels, 3000)
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)


def test_frames_of_the_codec(speech):
    ours = normalised(log_mel_of(speech))
    n_frames = ours.shape[1]
    assert n_frames == len(speech) // 160
    same = slice(0, n_frames - AT_THE_END)
    theirs = FeatureExtractor()(speech)
    np.testing.assert_allclose(ours[:, same], theirs[:, same], atol=1e-4, rtol=0)
    extractor = WhisperFeatureExtractor()
    theirs = extractor(speech, sampling_rate=16_000, return_tensors="np").input_features[0]
    window = padded(ours)
    assert window.shape == theirs.shape
    np.testing.assert_allclose(window[:, same], theirs[:, same], atol=1e-4, rtol=0)
    np.testing.assert_allclose(
        window[:, n_frames + AT_THE_END :], theirs[:, n_frames + AT_THE_END :], atol=1e-4, rtol=0
    )
