import numpy as np
from scipy.signal import lfilter

from serkit.codec import griffin_lim
from serkit.features import whisper_log_mel


def buzz():
    """Log-mel of a buzz of changing pitch through two resonances."""
    rng = np.random.default_rng(0)
    time = np.arange(32_000) / 16_000
    phase = np.cumsum(120 + 40 * np.sin(5 * time)) / 16_000
    sound = np.diff(np.floor(phase), prepend=0) + 0.02 * rng.standard_normal(32_000)
    for hertz, width in ((600, 80), (1800, 120)):
        radius = np.exp(-np.pi * width / 16_000)
        turn = 2 * np.cos(2 * np.pi * hertz / 16_000)
        sound = lfilter([1], [1, -radius * turn, radius**2], sound)
    return whisper_log_mel((0.1 * sound / np.abs(sound).max()).astype(np.float32))


def test_the_voice_guessed_has_the_log_mel_it_was_guessed_from():
    wanted = buzz()
    voice = griffin_lim(wanted)
    assert (len(voice), voice.dtype) == (32_000, np.float32)
    found = whisper_log_mel(voice)
    loud = wanted > wanted.max() - 0.75
    assert np.abs(found - wanted)[loud].mean() < 0.03
    assert np.corrcoef(found[loud], wanted[loud])[0, 1] > 0.95


def test_errors_of_coding_are_heard_no_louder_than_they_are():
    wanted = buzz()
    coded = wanted + (0.1 * np.random.default_rng(1).standard_normal(wanted.shape))
    found = whisper_log_mel(griffin_lim(coded.astype(np.float32)))
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.1


def test_silence_stays_silent():
    assert np.abs(griffin_lim(np.full((80, 50), -1.5, np.float32))).max() < 1e-3


def test_a_loud_voice_does_not_clip():
    assert np.abs(griffin_lim(np.full((80, 50), 3.0, np.float32))).max() == 1.0


def test_a_long_recording_is_guessed_in_stretches():
    frames = np.full((80, 6100), -0.5, np.float32)
    voice = griffin_lim(frames)
    assert voice.shape == (976_000,)
    assert np.abs(voice[-16_000:]).max() > 0.0
    assert griffin_lim(frames[:, :0]).shape == (0,)
