"""The first inputs of `tests/fuzz/audio.py`."""

from fuzz import audio, children


def test_broken_recordings_are_read_or_refused():
    found = children.run(audio.__file__, 600, seed=7, at_a_time=300)
    assert found["crashes"] == []
    assert found["peak_mb"] < children.MAX_MEGABYTES
    assert sum(found["outcomes"].values()) == 600
    # The seeds are whole: most mutations leave something that can be read.
    assert found["outcomes"]["samples"] > 100
    assert found["outcomes"]["samples, truncated"] > 20
