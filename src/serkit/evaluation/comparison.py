"""Whether one system is better than another, on the same utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ProtocolError
from serkit.evaluation.outcome import Outcome
from serkit.metrics import (
    Interval,
    clustered_intervals,
    confusion,
    per_speaker,
    unweighted_average_recall,
)

_SURE = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second system's UA against the first's.

    Attributes:
        first: UA of the first.
        second: UA of the second.
        interval: 95 % interval of the difference, second minus first, over speakers; None where
            they are too few.
        p_value: Chance of a difference as large, if the systems were alike to every speaker.
        utterances: How many both were tested on.
        speakers: Of how many people.
        protocols: Of the first and of the second.
        seeds: Those both have; the others take no part.
        marks: What has to be told of both runs besides.
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
        """What may be said of the second; `better` or `worse` needs interval and p-value."""
        if self.interval is None:
            return "not to be told from so few speakers"
        if self.p_value < _SURE and self.interval.low > 0:
            return "better"
        if self.p_value < _SURE and self.interval.high < 0:
            return "worse"
        return "not clearly different"


def compare(first: Outcome, second: Outcome, *, resamples: int = 4000, seed: int = 0) -> Comparison:
    """Compare two runs over the same test utterances, speaker by speaker.

    The p-value is that of a sign-flip permutation test: for each speaker the systems change places
    or do not. The interval resamples speakers. The seeds that both have are pooled.

    Args:
        first: One run.
        second: The other.
        resamples: Permutations, and bootstrap resamples.
        seed: Of both.

    Raises:
        ProtocolError: The runs tell other labels apart, tested other utterances, have no seed in
            common, or one of them learned from what it was tested on and the other did not.
    """
    _refuse_unlike(first, second)
    if set(first.labels) != set(second.labels):
        raise ProtocolError(
            f"the runs tell other labels apart: {', '.join(first.labels)} against "
            f"{', '.join(second.labels)}"
        )
    seeds = tuple(seed for seed in first.seeds if seed in second.seeds)
    if not seeds:
        raise ProtocolError(
            f"the runs have no seed in common: {', '.join(map(str, first.seeds))} against "
            f"{', '.join(map(str, second.seeds))}"
        )
    one, other = (_by_utterance(run, first.labels, seeds) for run in (first, second))
    if {name: cells.sum() for name, cells in one.items()} != {
        name: cells.sum() for name, cells in other.items()
    }:
        raise ProtocolError(
            f"the runs tested other utterances: {len(one.keys() - other.keys())} of the first's "
            f"{len(one)} are not among the second's {len(other)}; compare runs of one protocol "
            "on the same corpora"
        )
    speaker_of = dict(zip(first.identities, (u.speaker_key for u in first.utterances), strict=True))
    names = sorted(one)

    def counted(index: NDArray[np.int64]) -> NDArray[np.float64]:
        chosen = [names[i] for i in index]
        return np.stack([sum(run[name] for name in chosen) for run in (one, other)])

    people, by_speaker = per_speaker([speaker_of[name] for name in names], counted)
    totals = by_speaker.sum(axis=0)
    found = [unweighted_average_recall(matrix) for matrix in totals]
    (interval,) = clustered_intervals(
        lambda pair: [_difference(pair)], by_speaker, resamples=resamples, seed=seed
    )
    return Comparison(
        found[0],
        found[1],
        interval,
        _p_value(by_speaker, resamples, seed),
        len(names),
        len(people),
        (first.protocol.name, second.protocol.name),
        seeds,
        first.marks,
    )


def _refuse_unlike(first: Outcome, second: Outcome) -> None:
    """Refuse a run that learned from what it was tested on beside one that did not."""
    told = [", ".join(run.marks) or "not so marked" for run in (first, second)]
    if first.marks != second.marks:
        raise ProtocolError(
            f"the first run is {told[0]}, the second {told[1]}: their figures do not mean the "
            "same; compare runs of one protocol"
        )


def _difference(pair: NDArray[np.float64]) -> float:
    return unweighted_average_recall(pair[1]) - unweighted_average_recall(pair[0])


def _p_value(by_speaker: NDArray[np.float64], permutations: int, seed: int) -> float:
    observed = abs(_difference(by_speaker.sum(axis=0)))
    flips = np.random.default_rng(seed).random((permutations, len(by_speaker))) < 0.5
    swapped = by_speaker[:, ::-1]
    as_large = sum(
        abs(_difference(np.where(flip[:, None, None, None], swapped, by_speaker).sum(axis=0)))
        >= observed - 1e-12
        for flip in flips
    )
    return float((1 + as_large) / (1 + permutations))


def _by_utterance(
    outcome: Outcome, labels: Sequence[str], seeds: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Of each utterance tested its confusion matrix, summed over the seeds.

    Rows and columns are in the order of `labels`.
    """
    names, n = outcome.identities, len(labels)
    place = np.array([labels.index(label) for label in outcome.labels])
    found: dict[str, list[NDArray[np.int64]]] = {}
    for result in outcome.results:
        if result.seed not in seeds:
            continue
        predicted = place[result.probabilities.argmax(axis=1)]
        for i, called in zip(result.test, predicted, strict=True):
            cell = confusion(place[outcome.targets[[i]]], called[None], n)
            found.setdefault(names[i], []).append(cell)
    return {name: np.sum(cells, axis=0) for name, cells in found.items()}
