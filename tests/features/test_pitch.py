import librosa
import numpy as np
import pytest

from serkit.features import pitch, power_spectrum

RATE = 16_000
WINDOW = 640


def pitch_of(samples):
    power = power_spectrum(samples.astype(np.float32), n_fft=1024, hop=320, window_length=WINDOW)
    return pitch(power, window_length=WINDOW)


def harmonics(hz, seconds=1.0, n=12):
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hz, round(seconds * RATE))) / RATE
    return 0.1 * sum(np.sin(k * phase) / k for k in range(1, n + 1))


@pytest.mark.parametrize("hz", [75, 100, 123.4, 180, 250, 333, 440, 550])
def test_a_steady_voice(hz):
    found = pitch_of(harmonics(hz))
    inner = slice(3, -3)
    assert found.voiced[inner].all()
    np.testing.assert_allclose(found.hz[inner], hz, rtol=0.01)
    assert found.strength[inner].min() > 0.9


def test_a_missing_fundamental():
    t = np.arange(RATE) / RATE
    samples = sum(np.sin(2 * np.pi * 150 * k * t) for k in (3, 4, 5, 6))
    np.testing.assert_allclose(pitch_of(samples).hz[3:-3], 150, rtol=0.01)


def test_noise_and_silence_are_unvoiced():
    rng = np.random.default_rng(0)
    assert pitch_of(rng.standard_normal(2 * RATE)).voiced.mean() < 0.1
    silence = pitch_of(np.zeros(RATE))
    assert not silence.voiced.any()
    assert np.isfinite(silence.hz).all()


def test_level_and_offset_do_not_matter():
    samples = harmonics(200.0)
    plain, other = pitch_of(samples), pitch_of(samples * 1e-3 + 1e-4)
    np.testing.assert_allclose(plain.hz[3:-3], other.hz[3:-3], rtol=0.01)


def test_a_glide_agrees_with_librosas_yin():
    samples = harmonics(np.geomspace(110, 320, 2 * RATE), seconds=2.0).astype(np.float32)
    theirs = librosa.yin(samples, fmin=62.5, fmax=600, sr=RATE, frame_length=1024, hop_length=320)
    np.testing.assert_allclose(pitch_of(samples).hz[4:-4], theirs[4:-4], rtol=0.03)


@pytest.mark.parametrize("n_frames", [1, 2, 50])
def test_the_power_spectra_stay_as_they_are(n_frames):
    samples = harmonics(200.0) + 0.1
    power = power_spectrum(samples.astype(np.float32), n_fft=1024, hop=320, window_length=WINDOW)
    power = np.ascontiguousarray(power[:, :n_frames])
    assert power[0].all()
    before = power.copy()
    alone = pitch(power, window_length=WINDOW)
    np.testing.assert_array_equal(power, before)
    np.testing.assert_array_equal(alone.hz, pitch(before, window_length=WINDOW).hz)


def test_a_single_frame_has_the_pitch_it_has_among_others():
    power = power_spectrum(
        harmonics(180.0).astype(np.float32), n_fft=1024, hop=320, window_length=WINDOW
    )
    every = pitch(power, window_length=WINDOW)
    for i in (0, 20, power.shape[1] - 1):
        alone = pitch(power[:, i : i + 1], window_length=WINDOW)
        assert alone.hz[0] == pytest.approx(every.hz[i], rel=1e-5)
        assert alone.strength[0] == pytest.approx(every.strength[i], abs=1e-5)
