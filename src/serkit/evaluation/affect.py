"""Confusions by arousal and by valence.

Ismail, V.B and figure 1: across corpora, errors cluster within groups of equal arousal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

AROUSAL = {"angry": "high", "happy": "high", "neutral": "low", "sad": "low"}
"""Arousal of the four emotions of the paper."""

VALENCE = {"angry": "negative", "sad": "negative", "neutral": "neutral", "happy": "positive"}
"""Valence of the four emotions of the paper."""


def regroup(
    matrix: NDArray[np.int64], labels: Sequence[str], groups: Mapping[str, str]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Confusion matrix between groups of classes, without the classes that have no group.

    Args:
        matrix: Counts of true class by predicted class, shape `[n_labels, n_labels]`.
        labels: The classes.
        groups: Mapping of class to group.

    Returns:
        The groups, sorted, and their matrix.
    """
    names = tuple(sorted({groups[label] for label in labels if label in groups}))
    member = np.array([[groups.get(label) == name for label in labels] for name in names], np.int64)
    if not names:
        return (), np.zeros((0, 0), np.int64)
    return names, member @ matrix @ member.T


def share_within(
    matrix: NDArray[np.int64], labels: Sequence[str], groups: Mapping[str, str]
) -> float | None:
    """Share of the errors among grouped classes that stay within a group.

    Returns:
        The share; None without errors.
    """
    _, grouped = regroup(matrix, labels, groups)
    known = [i for i, label in enumerate(labels) if label in groups]
    errors = int(matrix[np.ix_(known, known)].sum() - matrix.diagonal()[known].sum())
    crossing = int(grouped.sum() - grouped.trace())
    return None if errors == 0 else (errors - crossing) / errors
