"""The first inputs of the fuzzers."""

import pytest

from fuzz import children, corpora, models, profiles


@pytest.mark.parametrize(("fuzzer", "runs"), [(corpora, 200), (models, 300), (profiles, 300)])
def test_broken_inputs_are_read_or_refused(fuzzer, runs):
    found = children.run(fuzzer.__file__, runs, seed=7)
    assert found["crashes"] == []
    assert found["longest_s"] < children.MAX_SECONDS
    assert found["peak_mb"] < children.MAX_MEGABYTES
    outcomes = found["outcomes"]
    assert sum(outcomes.values()) == runs
    # What is changed is whole: some of it can still be read, and much cannot.
    taken = sum(n for name, n in outcomes.items() if name.endswith(("read", "loaded")))
    assert runs / 10 < taken < runs
