"""The measures of spectral shape that librosa lacks or that have a closed form."""

from itertools import pairwise

import numpy as np
import pytest

from serkit import features

RATE = 16_000
N_FFT = 1024
KHZ = np.arange(N_FFT // 2 + 1) * RATE / N_FFT / 1000.0


def shape_of(power):
    rows = features.spectral_shape(np.asarray(power, np.float32))
    assert rows.dtype == np.float32
    return dict(zip(features.SHAPE_NAMES, rows, strict=True))


@pytest.fixture(scope="module")
def power():
    """Spectra of noise that swells, filtered by a moving average, with a tone."""
    rng = np.random.default_rng(4)
    t = np.arange(RATE) / RATE
    noise = np.convolve(rng.standard_normal(RATE), np.ones(5) / 5, mode="same")
    samples = 0.1 * noise * (0.1 + t) + 0.05 * np.sin(2 * np.pi * (500 * t + 800 * t**2))
    return features.power_spectrum(samples.astype(np.float32), n_fft=N_FFT, hop=320)


@pytest.mark.parametrize("db_per_khz", [-6.0, 0.0, 2.5])
@pytest.mark.parametrize("level_db", [-30.0, 0.0])
def test_the_slope_of_a_straight_line_in_db(db_per_khz, level_db):
    power = 10.0 ** ((level_db + db_per_khz * KHZ) / 10.0)
    assert shape_of(power[:, None])["slope"] == pytest.approx(db_per_khz, abs=1e-4)


def test_the_slope_is_that_of_a_fitted_line(power):
    decibels = 10.0 * np.log10(np.maximum(power.astype(np.float64), 1e-10))
    slope, _ = np.polyfit(KHZ, decibels, 1)
    np.testing.assert_allclose(shape_of(power)["slope"], slope, rtol=1e-4)


def test_the_flux_of_two_known_frames():
    """Magnitudes 1 and 3 in two bins, then 1 and 1 at another level: shares move by a quarter."""
    power = np.zeros((513, 3))
    power[[100, 200]] = [[1.0, 4.0, 4.0], [9.0, 4.0, 4.0]]
    # The floor under the other bins takes a share of 511 * 1e-5 / 4.
    np.testing.assert_allclose(
        shape_of(power)["flux"], [0.0, np.hypot(0.25, 0.25), 0.0], rtol=3e-3, atol=1e-6
    )


def test_the_flux_is_the_distance_of_normalised_magnitudes(power):
    magnitudes = [np.sqrt(np.maximum(frame.astype(np.float64), 1e-10)) for frame in power.T]
    shares = [magnitude / sum(magnitude) for magnitude in magnitudes]
    expected = [0.0] + [np.linalg.norm(b - a) for a, b in pairwise(shares)]
    np.testing.assert_allclose(shape_of(power)["flux"], expected, rtol=1e-3, atol=1e-6)


def test_the_flux_ignores_the_level(power):
    levels = np.geomspace(1.0, 100.0, power.shape[1]).astype(np.float32)
    np.testing.assert_allclose(
        shape_of(power * levels)["flux"], shape_of(power)["flux"], rtol=1e-3, atol=1e-6
    )


def test_silence_has_the_measures_of_a_flat_spectrum():
    silent, flat = shape_of(np.zeros((513, 2))), shape_of(np.ones((513, 2)))
    for name in features.SHAPE_NAMES:
        np.testing.assert_allclose(silent[name], flat[name], rtol=1e-4, atol=1e-4)
    assert flat["centroid"] == pytest.approx(4000.0, rel=1e-5)
    assert flat["bandwidth"] == pytest.approx(8000.0 / 12**0.5, rel=5e-3)
    assert flat["flatness"] == pytest.approx(1.0)


def test_a_few_frames_at_a_time_give_the_same_flux(monkeypatch):
    rng = np.random.default_rng(0)
    samples = rng.standard_normal(RATE).astype(np.float32)
    recipe = features.FeatureRecipe("shape", (features.Descriptor("shape", functionals=()),))
    whole = features.extract(recipe, samples)
    monkeypatch.setattr("serkit.features.spectrum._MOST_HELD", 3 * 1025)
    np.testing.assert_allclose(features.extract(recipe, samples), whole, rtol=1e-4, atol=1e-6)
    assert (whole[features.SHAPE_NAMES.index("flux"), 1:] > 1e-3).all()
