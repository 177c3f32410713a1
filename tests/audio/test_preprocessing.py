import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serkit.audio import fit_length, normalise_peak, pre_emphasis, trim, windows

signals = arrays(np.float32, st.integers(0, 5000), elements=st.floats(-1, 1, width=32))


@pytest.mark.parametrize("top_db", [20, 40])
@pytest.mark.parametrize(("lead", "tail"), [(0, 0), (4000, 9000), (16_000, 100)])
def test_trim_is_librosa(top_db, lead, tail):
    rng = np.random.default_rng(lead)
    voiced = rng.standard_normal(16_000) * np.hanning(16_000)
    samples = np.concatenate((np.zeros(lead), voiced, 1e-4 * rng.standard_normal(tail)))
    samples = samples.astype(np.float32)
    theirs, _ = librosa.effects.trim(samples, top_db=top_db)
    np.testing.assert_array_equal(trim(samples, top_db=top_db), theirs)


def test_trim_keeps_digital_silence_whole():
    np.testing.assert_array_equal(trim(np.zeros(5000, np.float32)), np.zeros(5000))
    assert len(trim(np.zeros(0, np.float32))) == 0


def test_pre_emphasis_by_hand():
    samples = np.array([1.0, 1.0, 0.0, -2.0], np.float32)
    expected = [1.0, 1.0 - 0.97, -0.97, -2.0]
    np.testing.assert_allclose(pre_emphasis(samples), expected, rtol=1e-6)
    np.testing.assert_array_equal(pre_emphasis(samples, 0.0), samples)


@given(signals)
def test_peak(samples):
    scaled = normalise_peak(samples)
    if not samples.any():
        np.testing.assert_array_equal(scaled, samples)
    elif np.abs(samples).max() > 1e-30:
        assert np.abs(scaled).max() == pytest.approx(0.95, rel=1e-5)


@given(signals, st.floats(0.01, 0.5))
def test_fit_length(samples, seconds):
    fitted = fit_length(samples, seconds)
    n = round(seconds * 16_000)
    assert len(fitted) == n
    kept = min(n, len(samples))
    np.testing.assert_array_equal(fitted[:kept], samples[:kept])
    assert not fitted[kept:].any()


@given(st.lists(st.integers(1, 100_000), max_size=8))
def test_windows_are_the_stream_again(lengths):
    rng = np.random.default_rng(0)
    blocks = [rng.random(n).astype(np.float32) for n in lengths]
    cut = list(windows(blocks))
    whole = np.concatenate([np.zeros(0, np.float32), *blocks])
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.float32), *cut]), whole)
    assert all(len(window) == 8 * 16_000 for window in cut[:-1])
    assert all(len(window) < 10 * 16_000 for window in cut[-1:])
    if len(whole) >= 2 * 16_000:
        assert all(len(window) >= 2 * 16_000 for window in cut)
