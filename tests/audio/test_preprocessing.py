import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serkit.audio import normalise_peak, pre_emphasis, trim, windows
from serkit.errors import AudioError

RATE = 16_000

signals = arrays(np.float32, st.integers(0, 5000), elements=st.floats(-1, 1, width=32))


@pytest.mark.parametrize("top_db", [20, 40])
@pytest.mark.parametrize(("lead", "tail"), [(0, 0), (4000, 9000), (16_000, 100)])
def test_trim_agrees_with_librosa(top_db, lead, tail):
    rng = np.random.default_rng(lead)
    voiced = rng.standard_normal(16_000) * np.hanning(16_000)
    samples = np.concatenate((np.zeros(lead), voiced, 1e-4 * rng.standard_normal(tail)))
    samples = samples.astype(np.float32)
    theirs, _ = librosa.effects.trim(samples, top_db=top_db)
    np.testing.assert_array_equal(trim(samples, top_db=top_db), theirs)


def test_trim_of_digital_silence():
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


@given(st.lists(st.integers(1, 100_000), max_size=8), st.floats(0.5, 9.0), st.floats(0.1, 1.0))
def test_windows_cover_the_stream(lengths, window_s, share):
    rng = np.random.default_rng(0)
    blocks = [rng.random(n).astype(np.float32) for n in lengths]
    whole = np.concatenate([np.zeros(0, np.float32), *blocks])
    window, hop = round(window_s * RATE), round(window_s * share * RATE)
    cut = list(windows(blocks, window_s=window_s, hop_s=window_s * share))
    assert [start for start, _ in cut] == [i * hop for i in range(len(cut))]
    for start, samples in cut:
        np.testing.assert_array_equal(samples, whole[start : start + len(samples)])
    assert all(len(samples) == window for _, samples in cut[:-1])
    for start, samples in cut[-1:]:
        assert start + len(samples) == len(whole)
        assert len(samples) < 1.25 * window + 1
        assert len(cut) == 1 or len(samples) > window - hop


def test_windows_do_not_depend_on_the_blocks():
    samples = np.random.default_rng(1).random(50 * RATE).astype(np.float32)
    cut = [list(windows(np.array_split(samples, n), window_s=4.0, hop_s=1.5)) for n in (1, 7, 3000)]
    for other in cut[1:]:
        assert [start for start, _ in other] == [start for start, _ in cut[0]]
        for (_, one), (_, two) in zip(cut[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_windows_of_frames():
    frames = np.arange(2 * 2500, dtype=np.float32).reshape(2, 2500)
    cut = list(windows([frames[:, :999], frames[:, 999:]], window_s=10.0, rate=100))
    assert [(start, window.shape) for start, window in cut] == [
        (0, (2, 1000)), (1000, (2, 1000)), (2000, (2, 500))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("window_s", "hop_s", "message"),
    [
        (0.4, None, "the window is 0.4 s; expected 0.5 to 60 s"),
        (61.0, None, "the window is 61 s"),
        (float("nan"), None, "the window is nan s"),
        (8.0, 8.1, "the hop is 8.1 s; expected more than 0 and at most the window"),
        (8.0, 0.0, "the hop is 0 s"),
        (8.0, -1.0, "the hop is -1 s"),
    ],
)
def test_windows_out_of_range(window_s, hop_s, message):
    with pytest.raises(AudioError, match=message):
        list(windows([np.ones(RATE, np.float32)], window_s=window_s, hop_s=hop_s))


@given(st.lists(st.integers(1, 100_000), max_size=8))
def test_windows_concatenate_to_the_stream(lengths):
    rng = np.random.default_rng(0)
    blocks = [rng.random(n).astype(np.float32) for n in lengths]
    cut = [window for _, window in windows(blocks)]
    whole = np.concatenate([np.zeros(0, np.float32), *blocks])
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.float32), *cut]), whole)
    assert all(len(window) == 8 * 16_000 for window in cut[:-1])
    assert all(len(window) < 10 * 16_000 for window in cut[-1:])
    if len(whole) >= 2 * 16_000:
        assert all(len(window) >= 2 * 16_000 for window in cut)
