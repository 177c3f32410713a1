"""Comparison of two systems on the same utterances, with an interval and a p-value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ProtocolError
from serkit.evaluation.outcome import Outcome
from serkit.metrics import (
    Interval,
    clustered_intervals,
    mean_over_seeds,
    unweighted_average_recall,
)

_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """UA of a second system against that of a first.

    Attributes:
        first: UA of the first, the mean over the seeds.
        second: UA of the second.
        interval: 95 % interval over speakers of the difference, second minus first; None with
            fewer than five speakers.
        p_value: Probability of a difference at least as large if the systems were exchangeable
            for every speaker.
        utterances: Number of utterances, the same for both.
        speakers: Number of their speakers.
        protocols: Names of the protocols of the first and the second.
        seeds: The seeds that both runs have; others are left out.
        marks: Marks of both runs, such as `speaker-dependent`.
    """

    first: float
    second: float
    interval: Interval | None
    p_value: float
    utterances: int
    speakers: int
    protocols: tuple[str, str]
    seeds: tuple[int, ...]
    marks: tuple[str, ...]

    @property
    def difference(self) -> float:
        """UA of the second minus that of the first."""
        return self.second - self.first

    @property
    def verdict(self) -> str:
        """The second against the first; `better` and `worse` need both interval and p-value."""
        if self.interval is None:
            return "not comparable over so few speakers"
        if self.p_value < _ALPHA and self.interval.low > 0:
            return "better"
        if self.p_value < _ALPHA and self.interval.high < 0:
            return "worse"
        return "not clearly different"


def compare(first: Outcome, second: Outcome, *, resamples: int = 4000, seed: int = 0) -> Comparison:
    """Compare two runs over the same test utterances, speaker by speaker.

    The p-value is that of a sign-flip permutation test, which swaps the two systems for a random
    half of the speakers. The interval is a bootstrap over speakers. Both resample speakers for all
    seeds alike; UA is the mean over the seeds that both runs have.

    Args:
        first: One run.
        second: The other.
        resamples: Number of permutations, and of bootstrap resamples.
        seed: Seed of both.

    Raises:
        ProtocolError: The runs are one and the same; differ in their labels, marks or test
            utterances; or have no seed in common.
    """
    _refuse_other_marks(first, second)
    if set(first.labels) != set(second.labels):
        raise ProtocolError(
            f"the runs have different labels: {', '.join(first.labels)} against "
            f"{', '.join(second.labels)}"
        )
    seeds = tuple(seed for seed in first.seeds if seed in second.seeds)
    if not seeds:
        raise ProtocolError(
            f"the runs have no seed in common: {', '.join(map(str, first.seeds))} against "
            f"{', '.join(map(str, second.seeds))}"
        )
    tested = _refuse_other_utterances(first, second, seeds)
    _refuse_same_run(first, second)
    indices = np.concatenate([first.pooled(seed)[0] for seed in seeds])
    speakers = sorted({first.utterances[i].speaker_key for i in indices})
    by_speaker = np.stack(
        [_counts(run, first.labels, seeds, speakers) for run in (first, second)], axis=1
    )
    totals = by_speaker.sum(axis=0)
    (interval,) = clustered_intervals(
        lambda pair: [_difference(pair)], by_speaker, resamples=resamples, seed=seed
    )
    return Comparison(
        _ua(totals[0]),
        _ua(totals[1]),
        interval,
        _p_value(by_speaker, resamples, seed),
        len({identity for _, identity in tested}),
        len(speakers),
        (first.protocol.name, second.protocol.name),
        seeds,
        first.marks,
    )


def _refuse_other_marks(first: Outcome, second: Outcome) -> None:
    """Refuse a speaker-dependent run beside one that is not, and the like."""
    marks = [", ".join(run.marks) or "not marked so" for run in (first, second)]
    if first.marks != second.marks:
        raise ProtocolError(
            f"the first run is {marks[0]}, the second {marks[1]}: their figures are not "
            "comparable; compare runs of one protocol"
        )


def _refuse_other_utterances(
    first: Outcome, second: Outcome, seeds: Sequence[int]
) -> Counter[tuple[int, str]]:
    """The tests of both runs by seed and utterance, if they are the same."""
    one, other = _tests(first, seeds), _tests(second, seeds)
    if one != other:
        raise ProtocolError(
            f"the runs tested different utterances: {len(one.keys() - other.keys())} of the "
            f"first's {len(one)} tests are not among the second's {len(other)}; compare runs of "
            "one protocol on the same corpora"
        )
    return one


def _tests(run: Outcome, seeds: Sequence[int]) -> Counter[tuple[int, str]]:
    names = run.identities
    return Counter((seed, names[i]) for seed in seeds for i in run.pooled(seed)[0].tolist())


def _refuse_same_run(first: Outcome, second: Outcome) -> None:
    """Refuse a run compared with itself or with a copy of itself."""
    if first.seeds == second.seeds and all(
        one.fold == other.fold and np.array_equal(one.probabilities, other.probabilities)
        for one, other in zip(first.results, second.results, strict=False)
    ):
        raise ProtocolError(
            "both runs give the same probabilities for every utterance: a run is compared with "
            "itself or a copy; name two different runs"
        )


def _counts(
    run: Outcome, labels: Sequence[str], seeds: Sequence[int], speakers: Sequence[str]
) -> NDArray[np.int64]:
    """Confusion matrices by speaker and seed, shape `[n_speakers, n_seeds, n_labels, n_labels]`.

    Rows and columns are in the order of `labels`, which the run's own may not be.
    """
    n, row_of = len(labels), {speaker: row for row, speaker in enumerate(speakers)}
    column = np.array([labels.index(label) for label in run.labels])
    counts = np.zeros((len(speakers), len(seeds), n, n), np.int64)
    for number, seed in enumerate(seeds):
        test, probabilities = run.pooled(seed)
        rows = np.array([row_of[run.utterances[i].speaker_key] for i in test])
        predicted = column[probabilities.argmax(axis=1)]
        np.add.at(counts[:, number], (rows, column[run.targets[test]], predicted), 1)
    return counts


def _ua(by_seed: NDArray[np.int64]) -> float:
    return float(mean_over_seeds(lambda matrix: [unweighted_average_recall(matrix)], by_seed)[0])


def _difference(pair: NDArray[np.int64]) -> float:
    return _ua(pair[1]) - _ua(pair[0])


def _p_value(by_speaker: NDArray[np.int64], permutations: int, seed: int) -> float:
    observed = abs(_difference(by_speaker.sum(axis=0)))
    flips = np.random.default_rng(seed).random((permutations, len(by_speaker))) < 0.5
    swapped = by_speaker[:, ::-1]
    as_large = sum(
        abs(_difference(np.where(flip[:, None, None, None, None], swapped, by_speaker).sum(axis=0)))
        >= observed - 1e-12
        for flip in flips
    )
    return float((1 + as_large) / (1 + permutations))
