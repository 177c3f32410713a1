"""Training of the codec's basis on log-mel spectrograms."""

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
from serkit.codec.context import (
    LARGEST,
    MAX_HIDDEN,
    N_CLASSES,
    N_INPUTS,
    SHIFT,
    ContextModel,
    RowContext,
)
from serkit.codec.entropy import PRECISION, frequencies
from serkit.codec.frontend import BLOCK_FRAMES
from serkit.codec.quantiser import quantised
from serkit.features.whisper import N_MELS

Array = NDArray[np.float32]

# Chosen by hand, like the other numbers of this module; benchmarks/codec_ablation.py measures the
# gain of each step.
_N_HIDDEN = 24
_UNIT = 1 << SHIFT
_KIND_ITERATIONS = 5
_CONTEXT_ROUNDS = 2
# Components are coded up to the last that is not 0 in more than this share of the blocks.
_RARE = 3e-4
# Blocks per quality from which the tables are counted.
_TABLE_BLOCKS = 1500
_NO_PRIOR = np.zeros((1, BLOCK_FRAMES, N_MELS), np.float32)


def learn_basis(
    blocks: Sequence[Array],
    *,
    seed: int = 0,
    sample: int = 6000,
    steps: int = 3000,
    batch: int = 32_768,
) -> Basis:
    """Train kinds of blocks, context network and frequency tables.

    The kinds are trained on all blocks, network and tables on a sample, quantised with the tables
    of the previous round.

    Args:
        blocks: Log-mel of speech, each block of shape `[80, 32]`.
        seed: Seed of the sample and of the network.
        sample: Number of blocks to train network and tables on.
        steps: Training steps of the network.
        batch: Coefficients per training step.
    """
    rng = np.random.default_rng(seed)
    stacked = np.stack(blocks)
    mean, vectors, prior = _kinds(stacked)
    basis = _untrained(mean, vectors, prior)
    sampled = stacked[rng.choice(len(stacked), min(sample, len(stacked)), replace=False)]
    transformed = [likeliest(basis, block) for block in sampled]
    kinds = np.array([kind for kind, _ in transformed])
    values = np.stack([values for _, values in transformed])
    for _ in range(_CONTEXT_ROUNDS):
        parts = _parts(len(values), rng)
        coded = [
            (kinds[part], quantised(basis, values[part], kinds[part], quality)[0])
            for quality, part in enumerate(parts)
        ]
        context = _fit_context(basis.context, coded, steps=steps, batch=batch, seed=seed)
        basis = _fit_tables(replace(basis, context=context), values, kinds, rng)
    return basis


def _kinds(blocks: Array) -> tuple[Array, Array, Array]:
    """Cluster blocks into kinds by Lloyd's algorithm, starting from groups of equal loudness.

    Returns:
        Mean `[n_kinds, 80]`, vectors `[n_kinds, 80, 80]` and prior `[n_kinds, 32, 80]`.
    """
    order = np.argsort(np.argsort(blocks.mean(axis=(1, 2))))
    kinds = order * N_KINDS // len(blocks)
    for _ in range(_KIND_ITERATIONS):
        # A kind without blocks restarts from all of them.
        members = [blocks[kinds == kind] for kind in range(N_KINDS)]
        members = [part if len(part) else blocks for part in members]
        mean = np.stack([part.mean(axis=(0, 2)) for part in members])
        vectors = np.stack([_vectors(part) for part in members])
        bases = [_untrained(mean[[k]], vectors[[k]], _NO_PRIOR) for k in range(N_KINDS)]
        prior = np.stack(
            [
                np.mean([np.abs(coefficients(basis, block, 0)) for block in part], axis=0)
                for basis, part in zip(bases, members, strict=True)
            ]
        )
        basis = _untrained(mean, vectors, np.round(8.0 * np.log(prior + 0.05)))
        kinds = np.array([likeliest(basis, block)[0] for block in blocks])
    return basis.mean, basis.vectors, basis.context.prior


def _vectors(blocks: Array) -> Array:
    """Left singular vectors of the frames as rows, the strongest first, shape `[80, 80]`."""
    centred = blocks - blocks.mean(axis=(0, 2))[:, None]
    flat = centred.transpose(1, 0, 2).reshape(N_MELS, -1).astype(np.float64)
    _, eigenvectors = np.linalg.eigh(flat @ flat.T)
    return _half(eigenvectors[:, ::-1].T)


def _half(values: NDArray[Any]) -> Array:
    """Rounded to float16, as the file stores it."""
    return np.ascontiguousarray(values.astype(np.float16).astype(np.float32))


def _untrained(mean: Array, vectors: Array, prior: Array) -> Basis:
    """A basis whose context is the prior alone, with uniform lengths and geometric magnitudes."""
    hidden = np.zeros((_N_HIDDEN, N_INPUTS), np.float32)
    flat = np.zeros(_N_HIDDEN, np.float32)
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
    """Indices of the sample split among the qualities, with more for those in common use."""
    weights = np.array([2, 3, 4, 5, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1], np.float64)
    limits = np.round(np.cumsum(weights)[:-1] / weights.sum() * n).astype(int)
    return np.split(rng.permutation(n), limits)


def _inputs(
    context: ContextModel, coded: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs, prior indices, step levels and magnitudes of all coefficients."""
    inputs, places, levels, targets = [], [], [], []
    for quality, (kinds, multiples) in enumerate(coded):
        magnitudes = np.abs(multiples)
        level = step_level(quality)
        rows = RowContext(context, level, kinds)
        for row in range(BLOCK_FRAMES):
            seen = rows.inputs()[:, :N_INPUTS].transpose(0, 2, 1)
            inputs.append(seen.reshape(-1, N_INPUTS).astype(np.int16))
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
    """The context network before rounding, with a head that is used in training alone."""

    def __init__(self, prior: Array) -> None:
        super().__init__()
        self.prior = nn.Parameter(torch.from_numpy(prior.ravel().copy()))
        self.inner = nn.Linear(N_INPUTS, _N_HIDDEN)
        self.outer = nn.Linear(_N_HIDDEN, 1)
        nn.init.normal_(self.inner.weight, std=0.1)
        nn.init.normal_(self.outer.weight, std=0.02)
        nn.init.constant_(self.outer.bias, 32.0)
        self.head = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, LARGEST + 1))

    def forward(self, inputs: Tensor, places: Tensor, levels: Tensor) -> Tensor:
        """Logits of the magnitudes.

        Args:
            inputs: Inputs of the network, shape `[n, 24]`.
            places: Indices into the prior, shape `[n]`.
            levels: Step levels, shape `[n]`.

        Returns:
            Shape `[n, 32]`.
        """
        hidden = self.inner(inputs).clamp(0.0, MAX_HIDDEN)
        scale = self.outer(hidden)[:, 0] + self.prior[places] - levels
        logits: Tensor = self.head((scale[:, None] - 32.0) / 16.0)
        return logits


def _fit_context(
    context: ContextModel,
    coded: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    steps: int,
    batch: int,
    seed: int,
) -> ContextModel:
    """Train the network on quantised blocks and round its weights.

    Args:
        context: The network of the previous round, whose prior is the starting point.
        coded: Kinds and multiples by quality.
        steps: Training steps.
        batch: Coefficients per step.
        seed: Seed of weights and batches.
    """
    torch.manual_seed(seed)
    inputs, places, levels, targets = _inputs(context, coded)
    network = _Network(context.prior)
    fast = [network.prior, *network.head.parameters()]
    slow = [*network.inner.parameters(), *network.outer.parameters()]
    optimiser = torch.optim.Adam([{"params": fast}, {"params": slow}])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [0.05, 4e-3], total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(targets), (batch,))
        logits = network(inputs[chosen].float(), places[chosen], levels[chosen])
        loss = nn.functional.cross_entropy(logits, targets[chosen])
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


def _classes(
    context: ContextModel, magnitudes: NDArray[np.int64], kinds: NDArray[np.int64], quality: int
) -> NDArray[np.int64]:
    """Class of each coefficient, of rows that are not coded as well; shape `[n, 32, 80]`."""
    rows = RowContext(context, step_level(quality), kinds)
    classes = np.empty_like(magnitudes)
    for row in range(BLOCK_FRAMES):
        classes[:, row] = rows.classes(N_MELS)
        rows.take(magnitudes[:, row])
    return classes


def _fit_tables(
    basis: Basis, values: Array, kinds: NDArray[np.int64], rng: np.random.Generator
) -> Basis:
    """Set limits and frequencies to those of quantised coefficients."""
    counts = np.zeros((N_CLASSES, LARGEST + 1))
    limits = np.zeros((N_QUALITIES, BLOCK_FRAMES), np.uint8)
    lengths = np.zeros((N_QUALITIES, BLOCK_FRAMES + 2))
    unlimited = replace(basis, limits=np.full_like(basis.limits, N_MELS))
    for quality in range(N_QUALITIES):
        chosen = rng.choice(len(values), min(_TABLE_BLOCKS, len(values)), replace=False)
        part = values[chosen]
        magnitudes = np.abs(quantised(unlimited, part, kinds[chosen], quality)[0])
        classes = _classes(basis.context, magnitudes, kinds[chosen], quality)
        present = (magnitudes > 0).mean(axis=0) > _RARE
        limits[quality] = [int(np.flatnonzero(row)[-1]) + 1 if row.any() else 0 for row in present]
        inside = np.arange(N_MELS) < limits[quality][:, None]
        counted = np.minimum(magnitudes, LARGEST)
        np.add.at(counts, (classes[:, inside], counted[:, inside]), 1)
        rows = np.where((magnitudes * inside).any(axis=2), np.arange(1, BLOCK_FRAMES + 1), 0)
        lengths[quality] = np.bincount(rows.max(axis=1), minlength=BLOCK_FRAMES + 2)
    pseudocounts = plain_frequencies() / float(1 << PRECISION)
    tables = np.stack([frequencies(row) for row in counts + pseudocounts]).astype(np.uint16)
    lengths[:, -1] = 0.02 * lengths.sum(axis=1)
    smoothed = lengths + 0.1 + 0.2 * lengths.sum(axis=0) / N_QUALITIES
    return replace(
        basis,
        limits=limits,
        magnitudes=tables,
        lengths=np.stack([frequencies(row) for row in smoothed]).astype(np.uint16),
    )
