import numpy as np
import pytest

from degradation import CONDITIONS, SYNTHETIC, at_level, clipped, in_16_bits, narrowband, noisy

RATE = 16_000


def sound(seconds=2, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("db", [20, 0])
def test_white_noise_has_the_ratio_asked_for(db):
    clean = sound()
    noise = noisy(clean, np.random.default_rng(1), (), db=db, babble=False) - clean
    assert 10 * np.log10(np.mean(clean**2) / np.mean(noise**2)) == pytest.approx(db, abs=0.01)


@pytest.mark.parametrize("how", ["plain", "mu-law", "amr"])
def test_narrowband_leaves_nothing_above_4_khz(how):
    spectrum = np.abs(np.fft.rfft(narrowband(sound(), how=how))) ** 2
    edge = len(spectrum) // 2
    above, below = spectrum[round(1.05 * edge) :].sum(), spectrum[:edge].sum()
    assert above < 1e-6 * below


@pytest.mark.parametrize("level", [-30.0, -60.0])
def test_a_steady_sound_gets_the_level_asked_for(level):
    found = at_level(sound(), level)
    assert 10 * np.log10(np.mean(found**2)) == pytest.approx(level, abs=0.3)


def test_overdriving_flattens_the_peaks():
    loud = clipped(sound(), by_db=12.0)
    near = np.mean(np.abs(loud) > 0.8 * np.abs(loud).max())
    assert near > 0.1 > np.mean(np.abs(sound()) > 0.8 * np.abs(sound()).max())


def test_16_bits_are_limited_and_on_the_grid():
    found = in_16_bits(np.array([2.0, -2.0, 1e-5, 0.5], np.float32))
    np.testing.assert_array_equal(found * 32768, [32767, -32768, 0, 16384])


@pytest.mark.parametrize("name", [n for n in CONDITIONS if not n.startswith("babble")])
def test_every_condition_leaves_about_as_much_sound(name):
    spoilt = CONDITIONS[name](sound(), np.random.default_rng(0), ())
    assert len(spoilt) == pytest.approx(2 * RATE, rel=0.1)
    assert spoilt.dtype == np.float32
    assert np.isfinite(spoilt).all()


@pytest.mark.parametrize("name", SYNTHETIC)
def test_what_is_no_speech_stays_below_full_scale(name):
    found = SYNTHETIC[name](np.random.default_rng(0))
    assert 1.5 * RATE <= len(found) <= 6 * RATE
    assert 0 < np.abs(found).max() < 1
