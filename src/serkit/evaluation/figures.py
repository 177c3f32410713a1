"""The figures of an outcome, each with its interval, as tables and as JSON.

A figure over several seeds is the mean of the figure of each seed, which pools the folds of that
seed. Its interval is a bootstrap over speakers of that mean: one draw of speakers for all seeds.
"""

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
    mean_over_seeds,
    per_speaker,
    precisions,
    recalls,
    reliability,
    unweighted_average_recall,
    weighted_accuracy,
    weighted_f1,
)

Counts = NDArray[np.float64]

_UNDEFINED = "–"

HEADLINES = {
    "ua": "UA",
    "wa": "WA",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "ece": "ECE",
}
"""The headline figures, by key in JSON, with their names in tables."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of merit over all seeds.

    Attributes:
        value: Mean over the seeds; None if undefined, such as the recall of a class that does not
            occur.
        interval: 95 % interval over speakers; None with fewer than five.
        sd: Standard deviation over the seeds; None with a single seed.
    """

    value: float | None
    interval: Interval | None
    sd: float | None

    def __str__(self) -> str:
        """Value and interval in per cent."""
        if self.value is None:
            return _UNDEFINED
        if self.interval is None:
            return _percent(self.value)
        low, high = self.interval.low, self.interval.high
        return f"{_percent(self.value)} [{_percent(low)}, {_percent(high)}]"


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """All figures of a set of test utterances.

    Attributes:
        name: The corpus, or `all`.
        headlines: The figures of `HEADLINES`.
        classes: Precision, recall and F1 of each class.
        matrix: Confusion counts summed over seeds, shape `[n_labels, n_labels]`.
        curve: The reliability curve of all seeds, as returned by `reliability`.
        speakers: UA of each speaker.
        utterances: Number of different utterances tested.
    """

    name: str
    headlines: Mapping[str, Figure]
    classes: Mapping[str, Mapping[str, Figure]]
    matrix: NDArray[np.int64]
    curve: Counts
    speakers: Mapping[str, float]
    utterances: int


def figures(outcome: Outcome) -> list[Figures]:
    """Figures of each tested corpus, then of all corpora together if there are several."""
    by_corpus = corpus_figures(outcome)
    if len(by_corpus) == 1:
        return by_corpus
    return [*by_corpus, _figures(outcome, "all", {f.name for f in by_corpus})]


def corpus_figures(outcome: Outcome) -> list[Figures]:
    """Figures of each tested corpus, in the order of their names."""
    tested = {outcome.utterances[i].corpus for r in outcome.results for i in r.test}
    return [_figures(outcome, name, {name}) for name in sorted(tested)]


def _figures(outcome: Outcome, name: str, corpora: set[str]) -> Figures:
    n, n_seeds = len(outcome.labels), len(outcome.seeds)
    pooled = [outcome.pooled(seed) for seed in outcome.seeds]
    test = np.concatenate([index for index, _ in pooled])
    probabilities = np.concatenate([values for _, values in pooled])
    seed = np.repeat(np.arange(n_seeds), [len(index) for index, _ in pooled])
    chosen = np.array([outcome.utterances[i].corpus in corpora for i in test])
    test, probabilities, seed = test[chosen], probabilities[chosen], seed[chosen]
    targets = outcome.targets[test]

    def counts(index: NDArray[np.int64]) -> Counts:
        """Confusion and reliability in one row, so that both are resampled together."""
        answers = probabilities[index]
        matrix = confusion(targets[index], answers.argmax(axis=1), n)
        return np.concatenate((matrix.ravel(), reliability(targets[index], answers).ravel()))

    def counts_by_seed(index: NDArray[np.int64]) -> Counts:
        return np.stack([counts(index[seed[index] == number]) for number in range(n_seeds)])

    speakers, rows = per_speaker([outcome.utterances[i].speaker_key for i in test], counts_by_seed)
    totals = rows.sum(axis=0)
    metrics = partial(_all_metrics, n_labels=n)
    over_seeds = partial(mean_over_seeds, metrics)
    all_figures = map(
        _figure,
        over_seeds(totals),
        clustered_intervals(over_seeds, rows),
        np.transpose([metrics(total) for total in totals if total.any()]),
    )
    headlines = {key: next(all_figures) for key in HEADLINES}
    by_class = {
        kind: [next(all_figures) for _ in outcome.labels] for kind in ("precision", "recall", "f1")
    }
    matrix, curve = _parts(totals.sum(axis=0), n)
    return Figures(
        name,
        headlines,
        {label: {k: v[i] for k, v in by_class.items()} for i, label in enumerate(outcome.labels)},
        matrix.astype(np.int64),
        curve,
        {
            speaker: float(mean_over_seeds(partial(_ua, n_labels=n), by_seed)[0])
            for speaker, by_seed in zip(speakers, rows, strict=True)
        },
        len(set(test.tolist())),
    )


def _figure(value: np.float64, interval: Interval | None, by_seed: NDArray[np.float64]) -> Figure:
    if np.isnan(value):
        return Figure(None, None, None)
    defined = by_seed[~np.isnan(by_seed)]
    sd = float(np.std(defined, ddof=1)) if len(defined) > 1 else None
    return Figure(float(value), interval, sd)


def _parts(row: Counts, n_labels: int) -> tuple[Counts, Counts]:
    return row[: n_labels**2].reshape(n_labels, n_labels), row[n_labels**2 :].reshape(3, N_BINS)


def _ua(row: Counts, n_labels: int) -> list[float]:
    return [unweighted_average_recall(_parts(row, n_labels)[0].astype(np.int64))]


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


def tables(outcome: Outcome, by_corpus: Sequence[Figures]) -> list[Table]:
    """Tables of headlines, classes, folds, arousal and valence, every row with the run's marks.

    Args:
        outcome: The outcome.
        by_corpus: Its `figures`.
    """
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
            for f in by_corpus
        ),
    )
    whole = by_corpus[-1]
    classes = Table(
        f"Classes ({whole.name}), in %",
        ("class", "occurrences", "precision", "recall", "F1"),
        tuple(
            (label, str(row.sum()), *map(str, whole.classes[label].values()))
            for label, row in zip(labels, whole.matrix, strict=True)
        ),
    )
    every = (headlines, classes, _fold_table(outcome, whole), _affect_table(whole, labels))
    return [table.marked(outcome.marks) for table in every if table.rows]


def _fold_table(outcome: Outcome, whole: Figures) -> Table:
    folds = list(_fold_figures(outcome))
    rows = [
        (f["fold"], str(f["seed"]), str(f["utterances"]), _percent(f["ua"]), _percent(f["wa"]))
        for f in folds
    ]
    if len(folds) > 1:
        by_key = ([f[key] for f in folds] for key in ("ua", "wa"))
        ua, wa = (_mean_sd(float(np.mean(v)), float(np.std(v, ddof=1))) for v in by_key)
        rows.append(("mean ± SD over folds", "", "", ua, wa))
    if len(outcome.seeds) > 1:
        ua, wa = (_mean_sd(f.value, f.sd) for f in map(whole.headlines.__getitem__, ("ua", "wa")))
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


def _affect_table(whole: Figures, labels: Sequence[str]) -> Table:
    rows = []
    for what, groups in (("arousal", AROUSAL), ("valence", VALENCE)):
        names, matrix = regroup(whole.matrix, labels, groups)
        if len(names) < 2 or not matrix.sum():
            continue
        share = share_within(whole.matrix, labels, groups)
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


def as_json(outcome: Outcome, by_corpus: Sequence[Figures]) -> dict[str, Any]:
    """The outcome's figures as JSON values.

    Args:
        outcome: The outcome.
        by_corpus: Its `figures`.
    """
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
            for f in by_corpus
        ],
    }


def _values(figure: Figure) -> dict[str, Any]:
    interval = figure.interval
    return {
        "value": figure.value,
        "sd": figure.sd,
        "interval": [interval.low, interval.high] if interval else None,
    }


def _percent(value: float) -> str:
    return _UNDEFINED if np.isnan(value) else f"{100 * value:.1f}"


def _mean_sd(mean: float | None, sd: float | None) -> str:
    return _UNDEFINED if mean is None or sd is None else f"{_percent(mean)} ± {_percent(sd)}"
