"""Ablation of the codec's mode `basis`: rate at equal error, adding one step at a time.

Learned on RAVDESS, tested on EmoDB, packet headers included. With static tables, the bits of a
coefficient are those of an ideal entropy coder whose tables, one per position in the block, were
learned with the basis. The last steps are the packets of the codec itself.

Needs RAVDESS and EmoDB: SERKIT_CORPORA=/folder python benchmarks/codec_ablation.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.codec import BLOCK_FRAMES, N_MELS, Basis, decode, encode_basis, log_mel_of, normalised
from serkit.codec.basis import (
    N_QUALITIES,
    STEPS,
    block_of,
    likeliest,
    step_level,
)
from serkit.codec.context import LARGEST, RowContext
from serkit.codec.quantiser import quantised
from serkit.corpora import load
from serkit.features import dct_matrix
from serkit.features.whisper import clamped
from serkit.training import read_utterance
from serkit.training.codec_basis import learn_basis
from serkit.training.codec_blocks import corpus_blocks

from harness import machine, versions, write_result
from rate_distortion import MAX_RECORDINGS, RATE, at

Array = NDArray[np.float32]
Integers = NDArray[np.int64]

LEARNED, TESTED = "ravdess", "emodb"
HEADER_BITS = 40
DEAD_ZONE = 0.33
"""Added before rounding down; 0.5 would round to the nearest."""
ERRORS = (0.105, 0.088)
QUALITIES = range(2, 11)


@dataclass
class Recording:
    """A recording: samples, blocks of the encoder, reference log-mel and its peak."""

    samples: Array
    blocks: list[Array]
    reference: Array
    peak: float


@dataclass
class Transform:
    """Maps blocks `[n, 80, 32]` to coefficients `[n, 32, 80]` and kinds `[n]`, and back."""

    forward: Callable[[Array], tuple[Array, Integers]]
    back: Callable[[Array, Integers], Array]


Bits = Callable[[Integers, Integers, int], NDArray[np.float64]]
"""Bits per block, given multiples, kinds and quality."""


def recording(samples: Array) -> Recording:
    """Split into blocks as the encoder does."""
    log_mel = log_mel_of(samples)
    blocks, peak = [], -np.inf
    for start in range(0, log_mel.shape[1], BLOCK_FRAMES):
        block = log_mel[:, start : start + BLOCK_FRAMES]
        peak = max(peak, float(block.max()))
        short = BLOCK_FRAMES - block.shape[1]
        blocks.append(np.pad(clamped(block, peak), ((0, 0), (0, short)), mode="edge"))
    return Recording(samples, blocks, normalised(log_mel), float(log_mel.max()))


def one_basis(blocks: Array, *, in_time: bool) -> Transform:
    """Mean and singular vectors of all blocks; optionally a cosine transform along time."""
    mean = blocks.mean(axis=(0, 2))
    flat = (blocks - mean[:, None]).transpose(1, 0, 2).reshape(N_MELS, -1).astype(np.float64)
    vectors = np.linalg.eigh(flat @ flat.T)[1][:, ::-1].T.astype(np.float32)
    cosines = dct_matrix(BLOCK_FRAMES, BLOCK_FRAMES) if in_time else np.eye(BLOCK_FRAMES)
    cosines = cosines.astype(np.float32)

    def forward(blocks: Array) -> tuple[Array, Integers]:
        centred = blocks - mean[:, None]
        values = np.einsum("tf,kb,nbf->ntk", cosines, vectors, centred, optimize=True)
        return values.astype(np.float32), np.zeros(len(blocks), np.int64)

    def back(values: Array, kinds: Integers) -> Array:
        centred = np.einsum("tf,kb,ntk->nbf", cosines, vectors, values, optimize=True)
        return (centred + mean[:, None]).astype(np.float32)

    return Transform(forward, back)


def many_kinds(basis: Basis) -> Transform:
    """The codec's transform: each block with its likeliest kind."""

    def forward(blocks: Array) -> tuple[Array, Integers]:
        chosen = [likeliest(basis, block) for block in blocks]
        return np.stack([values for _, values in chosen]), np.array([kind for kind, _ in chosen])

    def back(values: Array, kinds: Integers) -> Array:
        pairs = zip(values, kinds.tolist(), strict=True)
        return np.stack([block_of(basis, block, kind) for block, kind in pairs])

    return Transform(forward, back)


def rounded(values: Array, quality: int, offset: float) -> Integers:
    """Integer multiples of the step."""
    size = np.floor(np.abs(values) / np.float32(STEPS[quality]) + np.float32(offset))
    return (np.sign(values) * size).astype(np.int64)


def static_bits(transform: Transform, blocks: Array, offset: float, n_kinds: int) -> Bits:
    """Bits by static tables per kind, position and quality, learned from blocks."""
    values, kinds = transform.forward(blocks)
    tables: dict[int, NDArray[np.float64]] = {}

    def learn(quality: int) -> NDArray[np.float64]:
        sizes = np.minimum(np.abs(rounded(values, quality, offset)), LARGEST)
        counts = np.zeros((n_kinds, BLOCK_FRAMES, N_MELS, LARGEST + 1))
        t, k = np.indices(sizes.shape[1:])
        for kind, size in zip(kinds.tolist(), sizes, strict=True):
            counts[kind, t, k, size] += 1.0
        # Smoothed towards a geometric distribution of the same mean.
        mean = (counts * np.arange(LARGEST + 1.0)).sum(axis=-1, keepdims=True)
        mean = (mean + 0.05) / (counts.sum(axis=-1, keepdims=True) + 1.0)
        ratio = mean / (1.0 + mean)
        counts += 4.0 * (1.0 - ratio) * ratio ** np.arange(LARGEST + 1.0) + 1e-6
        return -np.log2(counts / counts.sum(axis=-1, keepdims=True))

    def bits(multiples: Integers, kinds: Integers, quality: int) -> NDArray[np.float64]:
        if quality not in tables:
            tables[quality] = learn(quality)
        sizes = np.abs(multiples)
        t, k = np.indices(sizes.shape[1:])
        cost = tables[quality][kinds[:, None, None], t, k, np.minimum(sizes, LARGEST)]
        return (cost + (sizes > 0)).sum(axis=(1, 2)) + np.log2(n_kinds)

    return bits


def context_bits(basis: Basis) -> Bits:
    """Bits by the codec's context network and tables."""

    def bits(multiples: Integers, kinds: Integers, quality: int) -> NDArray[np.float64]:
        sizes = np.abs(multiples)
        context = RowContext(basis.context, step_level(quality), kinds)
        cost = np.zeros(sizes.shape)
        for row in range(BLOCK_FRAMES):
            cost[:, row] = basis.costs[context.classes(N_MELS), np.minimum(sizes[:, row], LARGEST)]
            context.take(sizes[:, row])
        # Rows after the last nonzero one, and components beyond the limits, are not sent.
        cost *= np.arange(N_MELS) < basis.limits[quality][:, None]
        later = np.cumsum(sizes.any(axis=2)[:, ::-1], axis=1)[:, ::-1] > 0
        n_rows = later.sum(axis=1)
        lengths = 14.0 - np.log2(basis.lengths[quality].astype(float))
        return (cost * later[:, :, None]).sum(axis=(1, 2)) + lengths[n_rows] + 8.0

    return bits


def curve(
    name: str,
    recordings: Sequence[Recording],
    transform: Transform,
    quantise: Callable[[Array, Integers, int], tuple[Integers, Array]],
    bits: Bits,
) -> list[dict[str, Any]]:
    """Rate and error at each quality."""
    blocks = np.stack([block for one in recordings for block in one.blocks])
    coefficients, kinds = transform.forward(blocks)
    rows = []
    for quality in QUALITIES:
        multiples, values = quantise(coefficients, kinds, quality)
        size = np.ceil(bits(multiples, kinds, quality) / 8.0).sum() * 8.0 + HEADER_BITS * len(
            blocks
        )
        frames = transform.back(values, kinds)
        squares, n, first = 0.0, 0, 0
        for one in recordings:
            decoded = np.concatenate(list(frames[first : first + len(one.blocks)]), axis=1)
            first += len(one.blocks)
            decoded = normalised(decoded[:, : one.reference.shape[1]], peak=one.peak)
            squares += float(np.square((decoded - one.reference).astype(np.float64)).sum())
            n += one.reference.size
        rows.append(row(name, quality, size, recordings, squares / n))
    return rows


def row(
    name: str, quality: int, bits: float, recordings: Sequence[Recording], error: float
) -> dict[str, Any]:
    """A point of a curve."""
    seconds = sum(len(one.samples) for one in recordings) / RATE
    point = {"codec": name, "quality": quality, "kbps": 1e-3 * bits / seconds, "rmse": error**0.5}
    print(point, flush=True)
    return point


def files(
    name: str, recordings: Sequence[Recording], basis: Basis, blocks_per_packet: int
) -> list[dict[str, Any]]:
    """Rate and error of the codec itself at each quality."""
    rows = []
    for quality in range(N_QUALITIES):
        size, squares, n = 0, 0.0, 0
        for one in recordings:
            stream = encode_basis(
                one.samples, quality, blocks_per_packet=blocks_per_packet, basis=basis
            )
            size += 8 * len(stream)
            error = decode(stream, basis=basis).log_mel - one.reference
            squares += float(np.square(error.astype(np.float64)).sum())
            n += error.size
        rows.append(row(name, quality, size, recordings, squares / n))
    return rows


def main() -> None:
    """Measure every step."""
    utterances = load(TESTED).utterances
    recordings = [
        recording(read_utterance(u)) for u in utterances[:: -(-len(utterances) // MAX_RECORDINGS)]
    ]
    blocks = np.stack(corpus_blocks([LEARNED]))
    basis = learn_basis(list(blocks))
    frames, cosine, kinds = (
        one_basis(blocks, in_time=False),
        one_basis(blocks, in_time=True),
        many_kinds(basis),
    )

    def plain(offset: float) -> Callable[[Array, Integers, int], tuple[Integers, Array]]:
        def quantise(values: Array, _: Integers, quality: int) -> tuple[Integers, Array]:
            multiples = rounded(values, quality, offset)
            return multiples, multiples.astype(np.float32) * np.float32(STEPS[quality])

        return quantise

    def optimised(values: Array, kinds: Integers, quality: int) -> tuple[Integers, Array]:
        multiples, _ = quantised(basis, values, kinds, quality)
        return multiples, multiples.astype(np.float32) * np.float32(STEPS[quality])

    def within_limits(values: Array, kinds: Integers, quality: int) -> tuple[Integers, Array]:
        multiples, values = dead(values, kinds, quality)
        sent = np.arange(N_MELS) < basis.limits[quality][:, None]
        return multiples * sent, values * sent

    nearest, dead = plain(0.5), plain(DEAD_ZONE)
    n_kinds = len(basis.mean)
    steps: list[tuple[str, list[dict[str, Any]]]] = []
    for name, transform, quantise, bits in (
        ("learned vectors, static tables", frames, nearest, static_bits(frames, blocks, 0.5, 1)),
        (
            "+ cosine transform over 32 frames",
            cosine,
            nearest,
            static_bits(cosine, blocks, 0.5, 1),
        ),
        ("+ dead zone", cosine, dead, static_bits(cosine, blocks, DEAD_ZONE, 1)),
        ("+ context network", kinds, within_limits, context_bits(basis)),
        ("+ choice by rate and distortion", kinds, optimised, context_bits(basis)),
    ):
        if name == "+ context network":
            static = static_bits(kinds, blocks, DEAD_ZONE, n_kinds)
            steps.append((f"+ {n_kinds} kinds", curve("kinds", recordings, kinds, dead, static)))
        steps.append((name, curve(name, recordings, transform, quantise, bits)))
    steps += [
        ("the stream itself, 320 ms a packet", files("stream", recordings, basis, 1)),
        ("the file itself, up to 5.12 s a packet", files("file", recordings, basis, 16)),
    ]
    write_result(
        "codec_ablation",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy"]),
            "learned": LEARNED,
            "tested": TESTED,
            "recordings": len(recordings),
            "rows": [
                {
                    "step": name,
                    "at": {str(error): at(rows, rows[0]["codec"], error) for error in ERRORS},
                    "points": rows,
                }
                for name, rows in steps
            ],
        },
    )


if __name__ == "__main__":
    main()
