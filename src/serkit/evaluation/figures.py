"""The figures of an outcome: each with its interval, ready for tables and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.evaluation.affect import AROUSAL, VALENCE, regroup, share_within
from serkit.evaluation.outcome import Outcome, fingerprints
from serkit.evaluation.tables import Table
from serkit.metrics import (
    N_BINS,
    Interval,
    calibration_error,
    clustered_intervals,
    confusion,
    f1s,
    macro_f1,
    per_speaker,
    precisions,
    recalls,
    reliability,
    unweighted_average_recall,
    weighted_accuracy,
    weighted_f1,
)

Counts = NDArray[np.float64]

_NONE = "–"

HEADLINES = {
    "ua": "UA",
    "wa": "WA",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "ece": "ECE",
}
"""The figures of a corpus, and what tables call them."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of merit over all seeds.

    Attributes:
        value: Of the test utterances of all seeds together; None where there is none, as the
            recall of a class that does not occur.
        interval: 95 %, over speakers; None where they are too few.
    """

    value: float | None
    interval: Interval | None

    def __str__(self) -> str:
        """In per cent."""
        if self.value is None:
            return _NONE
        if self.interval is None:
            return _percent(self.value)
        low, high = self.interval.low, self.interval.high
        return f"{_percent(self.value)} [{_percent(low)}, {_percent(high)}]"


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """All figures of some test utterances.

    Attributes:
        name: The corpus, or `all`.
        headlines: Those of `HEADLINES`.
        classes: Of each class precision, recall and F1.
        matrix: Confusion counts over all seeds, shape `[n_labels, n_labels]`.
        curve: The reliability curve, as `reliability` sums it.
        speakers: UA of each speaker.
        utterances: How many are tested a seed.
    """

    name: str
    headlines: Mapping[str, Figure]
    classes: Mapping[str, Mapping[str, Figure]]
    matrix: NDArray[np.int64]
    curve: Counts
    speakers: Mapping[str, float]
    utterances: int


def figures(outcome: Outcome) -> list[Figures]:
    """Figures of each corpus tested, then of all where there are several."""
    tested = {outcome.utterances[i].corpus for r in outcome.results for i in r.test}
    found = [_figures(outcome, name, {name}) for name in sorted(tested)]
    return found if len(tested) == 1 else [*found, _figures(outcome, "all", tested)]


def _figures(outcome: Outcome, name: str, corpora: set[str]) -> Figures:
    n = len(outcome.labels)
    pooled = [outcome.pooled(seed) for seed in outcome.seeds]
    test = np.concatenate([index for index, _ in pooled])
    probabilities = np.concatenate([values for _, values in pooled])
    here = np.array([outcome.utterances[i].corpus in corpora for i in test])
    test, probabilities = test[here], probabilities[here]
    targets = outcome.targets[test]

    def counted(index: NDArray[np.int64]) -> Counts:
        """Confusion and reliability in one row, so that both are resampled together."""
        chosen = probabilities[index]
        matrix = confusion(targets[index], chosen.argmax(axis=1), n)
        return np.concatenate((matrix.ravel(), reliability(targets[index], chosen).ravel()))

    people, rows = per_speaker([outcome.utterances[i].speaker_key for i in test], counted)
    metrics = partial(_all_metrics, n_labels=n)
    values, intervals = metrics(rows.sum(axis=0)), clustered_intervals(metrics, rows)
    named = iter([_figure(v, i) for v, i in zip(values, intervals, strict=True)])
    headlines = {key: next(named) for key in HEADLINES}
    by_class = {
        kind: [next(named) for _ in outcome.labels] for kind in ("precision", "recall", "f1")
    }
    matrix, curve = _parts(rows.sum(axis=0), n)
    return Figures(
        name,
        headlines,
        {label: {k: v[i] for k, v in by_class.items()} for i, label in enumerate(outcome.labels)},
        matrix.astype(np.int64),
        curve,
        {
            who: unweighted_average_recall(_parts(row, n)[0].astype(np.int64))
            for who, row in zip(people, rows, strict=True)
        },
        len(set(test.tolist())),
    )


def _figure(value: float, interval: Interval | None) -> Figure:
    return Figure(None, None) if np.isnan(value) else Figure(float(value), interval)


def _parts(row: Counts, n_labels: int) -> tuple[Counts, Counts]:
    return row[: n_labels**2].reshape(n_labels, n_labels), row[n_labels**2 :].reshape(3, N_BINS)


def _all_metrics(row: Counts, n_labels: int) -> list[float]:
    """The headlines in their order, then precisions, recalls and F1s."""
    counts, curve = _parts(row, n_labels)
    matrix = counts.astype(np.int64)
    return [
        unweighted_average_recall(matrix),
        weighted_accuracy(matrix),
        macro_f1(matrix),
        weighted_f1(matrix),
        calibration_error(curve),
        *precisions(matrix),
        *recalls(matrix),
        *f1s(matrix),
    ]


def tables(outcome: Outcome, found: Sequence[Figures]) -> list[Table]:
    """Headlines, classes, folds, arousal and valence; marked where that must be told."""
    name, labels = outcome.protocol.name, outcome.labels
    headlines = Table(
        f"{outcome.title}: figures in % with 95 % intervals over speakers",
        ("protocol", "corpus", "utterances", "speakers", "seeds", *HEADLINES.values()),
        tuple(
            (
                name,
                f.name,
                str(f.utterances),
                str(len(f.speakers)),
                str(len(outcome.seeds)),
                *map(str, f.headlines.values()),
            )
            for f in found
        ),
    )
    whole = found[-1]
    classes = Table(
        f"Classes ({whole.name}), in %",
        ("class", "occurrences", "precision", "recall", "F1"),
        tuple(
            (label, str(row.sum()), *map(str, whole.classes[label].values()))
            for label, row in zip(labels, whole.matrix, strict=True)
        ),
    )
    made = (headlines, classes, _fold_table(outcome), _affect_table(whole, labels))
    return [table.marked(outcome.marks) for table in made if table.rows]


def _fold_table(outcome: Outcome) -> Table:
    folds = list(_fold_figures(outcome))
    seeds = [outcome.matrix(seed) for seed in outcome.seeds]
    rows = [
        (f["fold"], str(f["seed"]), str(f["utterances"]), _percent(f["ua"]), _percent(f["wa"]))
        for f in folds
    ]
    if len(folds) > 1:
        ua, wa = (_mean_sd([f[key] for f in folds]) for key in ("ua", "wa"))
        rows.append(("mean ± SD over folds", "", "", ua, wa))
    if len(seeds) > 1:
        ua = _mean_sd([unweighted_average_recall(matrix) for matrix in seeds])
        wa = _mean_sd([weighted_accuracy(matrix) for matrix in seeds])
        rows.append(("mean ± SD over seeds", "", "", ua, wa))
    return Table("Folds, in %", ("fold", "seed", "utterances", "UA", "WA"), tuple(rows))


def _fold_figures(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for result in outcome.results:
        predicted = result.probabilities.argmax(axis=1)
        matrix = confusion(outcome.targets[result.test], predicted, len(outcome.labels))
        yield {
            "seed": result.seed,
            "fold": result.fold,
            "utterances": len(result.test),
            "ua": unweighted_average_recall(matrix),
            "wa": weighted_accuracy(matrix),
        }


def _affect_table(found: Figures, labels: Sequence[str]) -> Table:
    rows = []
    for what, groups in (("arousal", AROUSAL), ("valence", VALENCE)):
        names, matrix = regroup(found.matrix, labels, groups)
        if len(names) < 2 or not matrix.sum():
            continue
        share = share_within(found.matrix, labels, groups)
        rows.append(
            (
                what,
                ", ".join(
                    f"{n} {_percent(r)}" for n, r in zip(names, recalls(matrix), strict=True)
                ),
                _percent(weighted_accuracy(matrix)),
                "no error" if share is None else _percent(share),
            )
        )
    return Table(
        "Arousal and valence of angry, happy, neutral and sad, in %",
        ("view", "recall of each group", "accuracy", "errors inside a group"),
        tuple(rows),
    )


def as_json(outcome: Outcome, found: Sequence[Figures]) -> dict[str, Any]:
    """Everything as JSON values."""
    return {
        "protocol": outcome.protocol.name,
        "title": outcome.title,
        "citation": outcome.protocol.citation,
        "marks": list(outcome.marks),
        "labels": list(outcome.labels),
        "seeds": list(outcome.seeds),
        "data": fingerprints(outcome.utterances, outcome.hashes),
        "folds": list(_fold_figures(outcome)),
        "corpora": [
            {
                "corpus": f.name,
                "marks": list(outcome.marks),
                "utterances": f.utterances,
                "figures": {key: _values(figure) for key, figure in f.headlines.items()},
                "classes": {
                    label: {key: _values(figure) for key, figure in kinds.items()}
                    for label, kinds in f.classes.items()
                },
                "confusion": f.matrix.tolist(),
                "reliability": dict(
                    zip(("size", "confidence", "right"), f.curve.tolist(), strict=True)
                ),
                "speakers": dict(f.speakers),
                "errors_inside_arousal": share_within(f.matrix, outcome.labels, AROUSAL),
                "errors_inside_valence": share_within(f.matrix, outcome.labels, VALENCE),
            }
            for f in found
        ],
    }


def _values(figure: Figure) -> dict[str, Any]:
    interval = figure.interval
    return {"value": figure.value, "interval": [interval.low, interval.high] if interval else None}


def _percent(value: float) -> str:
    return _NONE if np.isnan(value) else f"{100 * value:.1f}"


def _mean_sd(values: Sequence[float]) -> str:
    return f"{_percent(float(np.mean(values)))} ± {_percent(float(np.std(values, ddof=1)))}"
