"""Batches of examples of about one length."""

from __future__ import annotations

import torch
from torch import Tensor

_POOL = 20
"""Batches whose examples are sorted by length."""


def bucketed(lengths: Tensor, size: int, generator: torch.Generator) -> list[Tensor]:
    """Divide examples into batches in random order; examples of about one length go together.

    Args:
        lengths: Length of each example, shape `[n]`.
        size: Examples per batch.
        generator: Source of the order.

    Returns:
        Indices of each batch; every example is in one.
    """
    pools = torch.split(torch.randperm(len(lengths), generator=generator), size * _POOL)
    sorted_pools = (pool[lengths[pool].argsort(stable=True)] for pool in pools)
    batches = [batch for pool in sorted_pools for batch in torch.split(pool, size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator)]
