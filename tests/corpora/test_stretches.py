import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.corpora import Stretch, Utterance, pieces
from serkit.corpora.stretches import overlapping

SAMPLES = np.arange(1000, dtype=np.float32)

stretches = st.lists(
    st.tuples(st.integers(0, 1200), st.none() | st.integers(0, 1200)).map(
        lambda ends: Stretch(ends[0], None if ends[1] is None else ends[0] + ends[1])
    ),
    max_size=6,
)


@given(stretches, st.integers(1, 400))
def test_pieces_are_slices(several, size):
    blocks = [SAMPLES[i : i + size] for i in range(0, 1000, size)]
    found = [[] for _ in several]
    for i, piece in pieces(iter(blocks), several):
        assert len(piece)
        found[i].append(piece)
    for stretch, parts in zip(several, found, strict=True):
        joined = np.concatenate([np.zeros(0, np.float32), *parts])
        np.testing.assert_array_equal(joined, SAMPLES[stretch.start : stretch.end])


@given(stretches, st.integers(1, 3))
def test_no_more_than_allowed_overlap(several, most):
    left_out = overlapping(several, most)
    kept = [stretch for i, stretch in enumerate(several) if i not in left_out]
    for place in range(2500):
        # A stretch without samples is nowhere.
        here = [s for s in kept if s.start <= place and not s.ends_by(place)]
        assert len(here) <= most
    if len(several) <= most:
        assert not left_out


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ((None, None), Stretch(0, None)),
        ((0.5, None), Stretch(8000, None)),
        ((0.00003, 1.00004), Stretch(0, 16_001)),
    ],
)
def test_times_become_samples(times, wanted):
    assert Stretch.of(Utterance(None, "sad", "a", "x", start_s=times[0], end_s=times[1])) == wanted
