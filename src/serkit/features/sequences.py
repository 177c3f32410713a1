"""Frames of recordings of different lengths, in one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """Frames of recordings, padded with zeros to the longest.

    Attributes:
        values: Shape `[..., n_features, n_frames]`, float32.
        lengths: Number of frames of each recording, shape `[...]`, int64, at least 1.
    """

    values: Array
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Sequences:
        """Recordings by index; the last two axes are not indexed."""
        return Sequences(self.values[index], self.lengths[index])

    @property
    def present(self) -> NDArray[np.bool_]:
        """Mask of the frames that are not padding, shape `[..., n_frames]`."""
        present: NDArray[np.bool_] = np.arange(self.values.shape[-1]) < self.lengths[..., None]
        return present

    def mean(self, values: NDArray[Any]) -> NDArray[Any]:
        """Mean over the frames of each recording, without the padding.

        Args:
            values: Shape `[..., n_features, n_frames]`.

        Returns:
            Shape `[..., n_features]`.
        """
        masked = np.where(self.present[..., None, :], values, 0.0)
        mean: NDArray[Any] = masked.sum(axis=-1) / self.lengths[..., None]
        return mean


Features = Array | Sequences
"""Vectors `[..., n_features]` or frames."""


def stacked(recordings: Sequence[Array]) -> Features:
    """Vectors `[n_features]` as one array, or frames `[n_features, n_frames]` as `Sequences`."""
    if recordings[0].ndim == 1:
        return np.stack(recordings)
    lengths = np.array([frames.shape[-1] for frames in recordings], np.int64)
    return Sequences(np.stack([_padded(one, int(lengths.max())) for one in recordings]), lengths)


def stacked_twice(recordings: Sequence[Sequence[Array]]) -> Features:
    """`stacked` for two leading axes."""
    rows = [stacked(one) for one in recordings]
    first = joined(rows)
    leading = (len(recordings), len(recordings[0]))
    if isinstance(first, Sequences):
        shape = (*leading, *first.values.shape[1:])
        return Sequences(first.values.reshape(shape), first.lengths.reshape(leading))
    return first.reshape(*leading, -1)


def joined(parts: Sequence[Features], axis: int = 0) -> Features:
    """Features of one kind, concatenated along an axis of recordings."""
    vectors = [part for part in parts if not isinstance(part, Sequences)]
    if vectors:
        return np.concatenate(vectors, axis=axis)
    sequences = [part for part in parts if isinstance(part, Sequences)]
    longest = max(part.values.shape[-1] for part in sequences)
    return Sequences(
        np.concatenate([_padded(part.values, longest) for part in sequences], axis=axis),
        np.concatenate([part.lengths for part in sequences], axis=axis),
    )


def _padded(values: Array, n_frames: int) -> Array:
    missing = n_frames - values.shape[-1]
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])
