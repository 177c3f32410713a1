import numpy as np
from scipy.signal import lfilter

from serkit.codec import griffin_lim
from serkit.features import whisper_log_mel


def buzz():
    """Log-mel of a pulse train of varying pitch through two resonances."""
    rng = np.random.default_rng(0)
    time = np.arange(32_000) / 16_000
    phase = np.cumsum(120 + 40 * np.sin(5 * time)) / 16_000
    sound = np.diff(np.floor(phase), prepend=0) + 0.02 * rng.standard_normal(32_000)
    for hertz, width in ((600, 80), (1800, 120)):
        radius = np.exp(-np.pi * width / 16_000)
        turn = 2 * np.cos(2 * np.pi * hertz / 16_000)
        sound = lfilter([1], [1, -radius * turn, radius**2], sound)
    return whisper_log_mel((0.1 * sound / np.abs(sound).max()).astype(np.float32))


def test_the_preview_has_the_log_mel_of_its_input():
    original = buzz()
    voice = griffin_lim(original)
    assert (len(voice), voice.dtype) == (32_000, np.float32)
    log_mel = whisper_log_mel(voice)
    loud = original > original.max() - 0.75
    assert np.abs(log_mel - original)[loud].mean() < 0.03
    assert np.corrcoef(log_mel[loud], original[loud])[0, 1] > 0.95


def test_coding_errors_are_not_amplified():
    original = buzz()
    coded = original + (0.1 * np.random.default_rng(1).standard_normal(original.shape))
    log_mel = whisper_log_mel(griffin_lim(coded.astype(np.float32)))
    assert np.sqrt(np.mean((log_mel - original) ** 2)) < 0.1


def test_silence_stays_silent():
    assert np.abs(griffin_lim(np.full((80, 50), -1.5, np.float32))).max() < 1e-3


def test_a_loud_preview_does_not_clip():
    assert np.abs(griffin_lim(np.full((80, 50), 3.0, np.float32))).max() == 1.0


def test_a_long_recording_is_inverted_in_chunks():
    frames = np.full((80, 6100), -0.5, np.float32)
    voice = griffin_lim(frames)
    assert voice.shape == (976_000,)
    assert np.abs(voice[-16_000:]).max() > 0.0
    assert griffin_lim(frames[:, :0]).shape == (0,)
