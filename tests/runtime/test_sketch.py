"""Sketches of training data: sizes, and error rates by simulation."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from serkit.runtime import Sketch, false_alarm_probability, miss_probability
from serkit.runtime.sketch import MOST_BYTES

TINY = {"ravdess": 672, "emodb": 339, "tess": 1600, "nemo": 900}


def hashes(rng, n):
    return [rng.bytes(16).hex() for _ in range(n)]


def corpora(rng, sizes):
    return {name: hashes(rng, n) for name, n in sizes.items()}


def as_json(sketch):
    return json.dumps(sketch.to_dict(), separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(
    "sizes",
    [
        {"one": 100_000},
        TINY,
        {"small": 3, "large": 5000},
        {f"corpus-{i}": 400 for i in range(20)},
        {"ü" * 300: 500, "short": 500},
        {"x" * 2000: 500},
        {},
    ],
)
def test_size_and_round_trip(sizes):
    sketch = Sketch.of(corpora(np.random.default_rng(0), sizes))
    text = as_json(sketch)
    assert len(text.encode()) <= MOST_BYTES
    assert Sketch.from_dict(json.loads(text)) == sketch
    if max(map(len, sizes), default=2000) < 100 and sum(sizes.values()) > 500:
        assert len(text.encode()) > MOST_BYTES - 10


def test_smallest_hashes_of_each_corpus():
    contents = corpora(np.random.default_rng(1), {"small": 3, "large": 500, "larger": 900})
    sketch = Sketch.of(contents)
    for name, found in contents.items():
        kept = sketch.samples[name]
        assert list(kept) == sorted(int(content[:8], 16) for content in found)[: len(kept)]
    assert len(sketch.samples["small"]) == 3
    assert abs(len(sketch.samples["large"]) - len(sketch.samples["larger"])) <= 1


def test_union():
    contents = corpora(np.random.default_rng(2), {"a": 300, "b": 40})
    half = {name: found[::2] for name, found in contents.items()}
    other = {name: found[1::2] for name, found in contents.items()}
    assert Sketch.of(half).joined(Sketch.of(other)) == Sketch.of(contents)
    assert Sketch().joined(Sketch.of(half)) == Sketch.of(half)


def test_copies_count_once_and_for_one_corpus():
    content = hashes(np.random.default_rng(3), 10)
    sketch = Sketch.of({"a": content, "again": content})
    assert sketch.found(content * 3) == {"a": 10}
    assert sketch.found(hashes(np.random.default_rng(4), 10)) == {}


def test_a_fifth_of_a_corpus_of_tiny_is_recognised():
    rng = np.random.default_rng(5)
    contents = corpora(rng, TINY)
    sketch = Sketch.of(contents)
    for name, found in contents.items():
        kept = len(sketch.samples[name])
        assert kept >= 45
        assert miss_probability(len(found), kept, len(found) // 5) < 1e-4
        for _ in range(200):
            part = rng.choice(found, len(found) // 5, replace=False)
            assert sketch.found([*part, *hashes(rng, 50)]).get(name, 0) > 0


def test_miss_rate_agrees_with_the_closed_form():
    """With fifteen corpora, each has a dozen hashes, and misses are frequent enough to count."""
    rng = np.random.default_rng(6)
    contents = corpora(rng, {f"c{i}": 300 for i in range(15)})
    kept = np.array(Sketch.of(contents).samples["c0"])
    numbers = np.array([int(content[:8], 16) for content in contents["c0"]])
    draws = 4000
    missed = sum(
        not np.isin(rng.choice(numbers, 60, replace=False), kept).any() for _ in range(draws)
    )
    expected = miss_probability(300, len(kept), 60)
    assert expected == pytest.approx(
        math.comb(240, len(kept)) / math.comb(300, len(kept)), rel=1e-9
    )
    assert abs(missed / draws - expected) < 4 * math.sqrt(expected / draws)


def test_no_miss_if_more_is_reused_than_omitted():
    assert miss_probability(10, 5, 6) == 0
    assert miss_probability(10, 10, 1) == 0
    assert miss_probability(10, 5, 0) == 1


def test_false_alarm_rate_agrees_with_the_closed_form():
    """With a sketch far beyond the real size, so that false alarms are frequent enough to count."""
    rng = np.random.default_rng(7)
    kept = np.unique(rng.integers(2**32, size=200_000))
    trials, tested = 3000, 2000
    alarms = np.isin(rng.integers(2**32, size=(trials, tested)), kept).any(axis=1).mean()
    expected = false_alarm_probability(len(kept), tested)
    assert 0.05 < expected < 0.2
    assert abs(alarms - expected) < 4 * math.sqrt(expected / trials)
    assert false_alarm_probability(190, 1000) == pytest.approx(190 * 1000 / 2**32, rel=1e-3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "an object of strings"),
        ({"a": 3}, "an object of strings"),
        ({"a": "0" * 1000}, "at most 1000"),
        ({"a": "\n\n\n\n\n"}, "base85"),
        ({"a": "~~~~~"}, "base85"),
        ({"a": "00"}, "1 bytes; expected a multiple of 4"),
        ({"a": "0000000000"}, "ascend"),
    ],
)
def test_invalid_sketches(values, message):
    with pytest.raises(ValueError, match=message):
        Sketch.from_dict(values)


def test_error_rates_in_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "model-format.md").read_text()
    rows = [
        line.split("|")[1:4] for line in page.splitlines() if re.match(r"\| \d+ \| \d+ \|", line)
    ]
    assert len(rows) == 5
    rng = np.random.default_rng(8)
    for n_corpora, kept, missed in rows:
        sketch = Sketch.of(corpora(rng, {f"corpus{i:02}": 1000 for i in range(int(n_corpora))}))
        assert min(map(len, sketch.samples.values())) == int(kept)
        assert f"{miss_probability(1000, int(kept), 200):.0e}" == missed.strip()
    for tested in (1000, 100_000):
        assert f"{false_alarm_probability(190, tested):.0e} for {tested:,}".replace(
            "1,000", "1000"
        ) in page.replace("\n", " ")
