"""Learning a basis of the codec from log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from serkit.codec.basis import (
    N_KINDS,
    N_QUALITIES,
    Basis,
    coefficients,
    likeliest,
    plain_frequencies,
    step_level,
)
from serkit.codec.blocks import quantised
from serkit.codec.context import (
    LARGEST,
    MOST_HIDDEN,
    N_CLASSES,
    N_INPUTS,
    SHIFT,
    ContextModel,
    RowContext,
)
from serkit.codec.entropy import frequencies
from serkit.codec.frontend import BLOCK_FRAMES
from serkit.features.whisper import N_MELS

Array = NDArray[np.float32]

_HIDDEN = 24
_UNIT = 1 << SHIFT
_RARE = 3e-4
_ROUNDS = 5
_FOR_TABLES = 1500
_NOTHING = np.zeros((1, BLOCK_FRAMES, N_MELS), np.float32)


def learn_basis(
    blocks: Sequence[Array], *, seed: int = 0, sample: int = 6000, steps: int = 3000
) -> Basis:
    """Learn mean, singular vectors, context network and tables.

    The vectors come from all blocks; the network and the tables from a sample of them at every
    quality, as the quantiser leaves them with the tables of the round before.

    Args:
        blocks: Log-mel of speech, each of shape `[80, 32]`.
        seed: Of the sample and of the network.
        sample: Blocks the network and the tables are learned from.
        steps: Of the network's training.
    """
    rng = np.random.default_rng(seed)
    every = np.stack(blocks)
    mean, vectors, prior = _kinds(every)
    basis = _untrained(mean, vectors, prior)
    chosen = every[rng.choice(len(every), min(sample, len(every)), replace=False)]
    turned = [likeliest(basis, block) for block in chosen]
    kinds = np.array([kind for kind, _ in turned])
    found = np.stack([values for _, values in turned])
    for _ in range(2):
        parts = _parts(len(found), rng)
        coded = [
            (kinds[part], quantised(basis, found[part], kinds[part], quality)[0])
            for quality, part in enumerate(parts)
        ]
        basis = replace(basis, context=_fit_context(basis.context, coded, steps, seed))
        basis = _fit_tables(basis, found, kinds, rng)
    return basis


def _kinds(blocks: Array) -> tuple[Array, Array, Array]:
    """Mean, vectors and expected magnitudes of each kind of block.

    Each block goes to the kind that tells it best, and each kind is learned anew from its blocks
    (Lloyd's iteration), beginning with groups from faint to loud.
    """
    order = np.argsort(np.argsort(blocks.mean(axis=(1, 2))))
    kinds = order * N_KINDS // len(blocks)
    for _ in range(_ROUNDS):
        # A kind that has lost all its blocks begins anew with all of them.
        members = [blocks[kinds == kind] for kind in range(N_KINDS)]
        members = [one if len(one) else blocks for one in members]
        mean = np.stack([one.mean(axis=(0, 2)) for one in members])
        vectors = np.stack([_vectors(one) for one in members])
        found = [_untrained(mean[[k]], vectors[[k]], _NOTHING) for k in range(N_KINDS)]
        prior = np.stack(
            [
                np.mean([np.abs(coefficients(basis, b)[0]) for b in one], axis=0)
                for basis, one in zip(found, members, strict=True)
            ]
        )
        basis = _untrained(mean, vectors, np.round(8.0 * np.log(prior + 0.05)))
        kinds = np.array([likeliest(basis, block)[0] for block in blocks])
    return basis.mean, basis.vectors, basis.context.prior


def _vectors(blocks: Array) -> Array:
    centred = blocks - blocks.mean(axis=(0, 2))[:, None]
    flat = centred.transpose(1, 0, 2).reshape(N_MELS, -1).astype(np.float64)
    _, found = np.linalg.eigh(flat @ flat.T)
    return _half(found[:, ::-1].T)


def _half(values: NDArray[Any]) -> Array:
    """As float16 stores it."""
    return np.ascontiguousarray(values.astype(np.float16).astype(np.float32))


def _untrained(mean: Array, vectors: Array, prior: Array) -> Basis:
    hidden = np.zeros((_HIDDEN, N_INPUTS), np.float32)
    flat = np.zeros(_HIDDEN, np.float32)
    context = ContextModel(prior.astype(np.float32), hidden, flat, flat, float(32 * _UNIT))
    return Basis(
        _half(mean),
        vectors,
        context,
        np.full((N_QUALITIES, BLOCK_FRAMES), N_MELS, np.uint8),
        plain_frequencies(),
        np.stack([frequencies(np.ones(BLOCK_FRAMES + 2))] * N_QUALITIES).astype(np.uint16),
    )


def _parts(n: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """The sample dealt to the qualities, the middle ones, which are used most, getting more."""
    weights = np.array([2, 3, 4, 5, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1], np.float64)
    limits = np.round(np.cumsum(weights)[:-1] / weights.sum() * n).astype(int)
    return np.split(rng.permutation(n), limits)


def _inputs(
    context: ContextModel, coded: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs, places in the block, levels of the step and magnitudes of all coefficients."""
    inputs, places, levels, targets = [], [], [], []
    for quality, (kinds, multiples) in enumerate(coded):
        magnitudes = np.abs(multiples)
        level = step_level(quality)
        rows = RowContext(context, level, kinds)
        for row in range(BLOCK_FRAMES):
            inputs.append(rows.inputs()[:, :, :N_INPUTS].reshape(-1, N_INPUTS).astype(np.int16))
            place = (kinds[:, None] * BLOCK_FRAMES + row) * N_MELS + np.arange(N_MELS)
            places.append(place.ravel())
            levels.append(np.full(multiples[:, row].size, level, np.float32))
            targets.append(np.minimum(magnitudes[:, row], LARGEST).ravel())
            rows.take(magnitudes[:, row])
    return (
        torch.from_numpy(np.concatenate(inputs)),
        torch.from_numpy(np.concatenate(places)),
        torch.from_numpy(np.concatenate(levels)),
        torch.from_numpy(np.concatenate(targets)),
    )


class _Network(nn.Module):
    """The context network before its weights are rounded, and a head that only training needs."""

    def __init__(self, prior: Array) -> None:
        super().__init__()
        self.prior = nn.Parameter(torch.from_numpy(prior.ravel().copy()))
        self.inner = nn.Linear(N_INPUTS, _HIDDEN)
        self.outer = nn.Linear(_HIDDEN, 1)
        nn.init.normal_(self.inner.weight, std=0.1)
        nn.init.normal_(self.outer.weight, std=0.02)
        nn.init.constant_(self.outer.bias, 32.0)
        self.head = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, LARGEST + 1))

    def forward(self, inputs: Tensor, places: Tensor, levels: Tensor) -> Tensor:
        """Logits of magnitudes, of coefficients at some places of a block and some steps."""
        hidden = self.inner(inputs).clamp(0.0, MOST_HIDDEN)
        scale = self.outer(hidden)[:, 0] + self.prior[places] - levels
        logits: Tensor = self.head((scale[:, None] - 32.0) / 16.0)
        return logits


def _fit_context(
    context: ContextModel,
    coded: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    steps: int,
    seed: int,
) -> ContextModel:
    torch.manual_seed(seed)
    inputs, places, levels, targets = _inputs(context, coded)
    network = _Network(context.prior)
    quick = [network.prior, *network.head.parameters()]
    slow = [*network.inner.parameters(), *network.outer.parameters()]
    optimiser = torch.optim.Adam([{"params": quick}, {"params": slow}])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [0.05, 4e-3], total_steps=steps)
    for _ in range(steps):
        batch = torch.randint(len(targets), (32_768,))
        logits = network(inputs[batch].float(), places[batch], levels[batch])
        loss = nn.functional.cross_entropy(logits, targets[batch])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()

    def rounded(values: Tensor) -> Array:
        whole: Array = np.round(values.detach().numpy() * _UNIT).astype(np.float32)
        return whole

    prior = np.round(network.prior.detach().numpy()).reshape(-1, BLOCK_FRAMES, N_MELS)
    return ContextModel(
        prior.astype(np.float32),
        rounded(network.inner.weight),
        rounded(network.inner.bias),
        rounded(network.outer.weight)[0],
        float(rounded(network.outer.bias)[0]),
    )


def _fit_tables(
    basis: Basis, found: Array, kinds: NDArray[np.int64], rng: np.random.Generator
) -> Basis:
    """Limits and frequencies, as the quantiser leaves coefficients."""
    counts = np.zeros((N_CLASSES, LARGEST + 1))
    limits = np.zeros((N_QUALITIES, BLOCK_FRAMES), np.uint8)
    lengths = np.zeros((N_QUALITIES, BLOCK_FRAMES + 2))
    open_ = replace(basis, limits=np.full_like(basis.limits, N_MELS))
    for quality in range(N_QUALITIES):
        chosen = rng.choice(len(found), min(_FOR_TABLES, len(found)), replace=False)
        part = found[chosen]
        multiples, classes = quantised(open_, part, kinds[chosen], quality)
        magnitudes = np.abs(multiples)
        present = (magnitudes > 0).mean(axis=0) > _RARE
        limits[quality] = [int(np.flatnonzero(row)[-1]) + 1 if row.any() else 0 for row in present]
        inside = np.arange(N_MELS) < limits[quality][:, None]
        counted = np.minimum(magnitudes, LARGEST)
        np.add.at(counts, (classes[:, inside], counted[:, inside]), 1)
        rows = np.where((magnitudes * inside).any(axis=2), np.arange(1, BLOCK_FRAMES + 1), 0)
        lengths[quality] = np.bincount(rows.max(axis=1), minlength=BLOCK_FRAMES + 2)
    smooth = plain_frequencies() / float(1 << 14)
    tables = np.stack([frequencies(row) for row in counts + smooth]).astype(np.uint16)
    lengths[:, -1] = 0.02 * lengths.sum(axis=1)
    every = lengths + 0.1 + 0.2 * lengths.sum(axis=0) / N_QUALITIES
    return replace(
        basis,
        limits=limits,
        magnitudes=tables,
        lengths=np.stack([frequencies(row) for row in every]).astype(np.uint16),
    )
