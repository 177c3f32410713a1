"""Batches of waveforms, read and augmented by worker processes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from serkit.training.speech.augmentation import augmented
from serkit.training.speech.recipe import WaveformAugmentation
from serkit.training.speech.recordings import Recordings

Key = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Recordings of one step.

    Attributes:
        samples: Zeros after the end of each, shape `[n, n_samples]`, float32.
        lengths: Samples of each, shape `[n]`, int64.
        rows: Index of each among the recordings, shape `[n]`, int64.
    """

    samples: Tensor
    lengths: Tensor
    rows: Tensor

    def to(self, device: torch.device) -> Batch:
        """On a device; the rows stay."""
        return Batch(self.samples.to(device), self.lengths.to(device), self.rows)


class Loader:
    """Reads batches, in this process or in others.

    Args:
        recordings: The recordings.
        augmentation: Augmentation; None for none.
        seed: Seed of the augmentation: that of a recording depends on the seed, the epoch and its
            content, not on the process or on the other recordings.
        workers: Number of processes; 0 for none.
    """

    def __init__(
        self,
        recordings: Recordings,
        *,
        augmentation: WaveformAugmentation | None = None,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        self._order = _Order()
        options: dict[str, Any] = (
            {"multiprocessing_context": "spawn", "persistent_workers": True} if workers else {}
        )
        self._loader: DataLoader[Any] = DataLoader(
            _Items(recordings, augmentation, seed),
            batch_sampler=self._order,
            num_workers=workers,
            collate_fn=_collated,
            **options,
        )

    def batches(self, order: Sequence[Sequence[int]], *, epoch: int = 0) -> Iterator[Batch]:
        """Read batches.

        Args:
            order: Indices of the recordings of each batch.
            epoch: Number of the epoch.

        Raises:
            CorpusError: A recording cannot be read.
        """
        self._order.keys = [[(epoch, i) for i in batch] for batch in order]
        yield from self._loader


class _Order:
    """A batch sampler of torch whose batches are set before every epoch."""

    def __init__(self) -> None:
        self.keys: list[list[Key]] = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)


class _Items(TorchDataset[Any]):
    def __init__(
        self, recordings: Recordings, augmentation: WaveformAugmentation | None, seed: int
    ) -> None:
        self._recordings, self._augmentation, self._seed = recordings, augmentation, seed

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        epoch, i = key
        samples = self._recordings.samples(i)
        if self._augmentation is not None:
            name = f"{self._seed}/{epoch}/{self._recordings.hashes[i]}"
            samples = augmented(samples, self._augmentation, zlib.crc32(name.encode()))
        return torch.from_numpy(samples), i


def _collated(items: Sequence[tuple[Tensor, int]]) -> Batch:
    lengths = torch.tensor([len(samples) for samples, _ in items])
    padded = torch.zeros(len(items), int(lengths.max()))
    for row, (samples, _) in zip(padded, items, strict=True):
        row[: len(samples)] = samples
    return Batch(padded, lengths, torch.tensor([i for _, i in items]))
