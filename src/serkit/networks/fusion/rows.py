"""Sequences of vectors of different lengths, and the vector that stands in for an absent one."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Rows(NamedTuple):
    """The sequences of a batch.

    Attributes:
        values: Shape `[n, n_rows, width]`; any finite numbers after the end of a sequence.
        counts: Length of each sequence, shape `[n]`, int64.
    """

    values: Tensor
    counts: Tensor

    @property
    def inside(self) -> Tensor:
        """Which rows are of the sequence, not of its padding, shape `[n, n_rows]`, bool."""
        return inside(self.counts, self.values.shape[1])

    @property
    def zeroed(self) -> Tensor:
        """The values with zeros in the padding."""
        return self.values * self.inside[..., None]

    @property
    def mean(self) -> Tensor:
        """Mean of each sequence, shape `[n, width]`."""
        return self.zeroed.sum(dim=1) / self.counts[:, None]

    @property
    def maximum(self) -> Tensor:
        """Largest value of each sequence, shape `[n, width]`."""
        return self.values.masked_fill(~self.inside[..., None], -torch.inf).amax(dim=1)

    @property
    def last(self) -> Tensor:
        """Last row of each sequence, shape `[n, width]`."""
        index = (self.counts - 1)[:, None, None].expand(-1, 1, self.values.shape[2])
        return self.values.gather(1, index)[:, 0]

    @property
    def reversed(self) -> Rows:
        """The sequences from end to beginning; the padding stays at the end."""
        places = torch.arange(self.values.shape[1], device=self.values.device)
        back = self.counts[:, None] - 1 - places
        index = torch.where(back < 0, places, back)[..., None]
        return Rows(self.values.gather(1, index.expand_as(self.values)), self.counts)


class StandIn(nn.Module):
    """A learned vector in place of a sequence without rows.

    Args:
        width: Its width.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(width))

    def forward(self, rows: Rows) -> Rows:
        """The same sequences; an empty one becomes the vector."""
        is_absent = (rows.counts == 0)[:, None, None]
        values = torch.where(is_absent, self.vector.to(rows.values.dtype), rows.values)
        return Rows(values, rows.counts.clamp(min=1))


def inside(counts: Tensor, size: int) -> Tensor:
    """Which of `size` places are below each count, shape `[n, size]`, bool."""
    return torch.arange(size, device=counts.device) < counts[:, None]
