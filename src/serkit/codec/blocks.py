"""The product's mode: blocks of log-mel <-> payloads.

A block's coefficients on the basis are quantised by rate and distortion together and entropy-coded
by what the rows before promise (`context`). Blocks do not lean on each other: a lost packet costs
its own frames and nothing else. Those that share a packet share its header and one large number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import STEPS, Basis, block_of, likeliest, step_level
from serkit.codec.context import LARGEST, RowContext
from serkit.codec.entropy import Reader, Writer, get_large, put_large
from serkit.codec.frontend import BLOCK_FRAMES
from serkit.errors import PacketError
from serkit.features.whisper import FLOOR, N_MELS

Array = NDArray[np.float32]

_KIND_BITS = 4
_FLAT_LENGTH = BLOCK_FRAMES + 1
_FLAT = 0.05
_LEVELS_PER_UNIT = 16.0
_PRICE = 0.13
_BATCH = 16


def quantised(
    basis: Basis, found: Array, kinds: NDArray[np.int64], quality: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Coefficients as whole multiples of the step, each chosen by error and bits together.

    Args:
        basis: The basis.
        found: Of blocks, shape `[n_blocks, 32, 80]`.
        kinds: Of the blocks, shape `[n_blocks]`.
        quality: 0 to 15.

    Returns:
        The multiples and the classes of their magnitudes, both `[n_blocks, 32, 80]`.
    """
    scaled = found / np.float32(STEPS[quality])
    sizes = np.abs(scaled)
    # Nothing, or one of the two multiples around the coefficient.
    lower = np.floor(sizes).astype(np.int64)
    candidates = np.stack((np.zeros_like(lower), lower, lower + 1))
    errors = np.square(sizes - candidates)
    symbols = np.minimum(candidates, LARGEST)
    prices = (_PRICE * basis.costs).ravel()
    magnitudes = np.zeros(found.shape, np.int64)
    classes = np.zeros(found.shape, np.int64)
    context = RowContext(basis.context, step_level(quality), kinds)
    for row, limit in enumerate(basis.limits[quality].tolist()):
        classes[:, row] = context.classes()
        here = (slice(None), slice(None), row, slice(limit))
        price = prices[classes[:, row, :limit] * (LARGEST + 1) + symbols[here]]
        best = (errors[here] + price).astype(np.float32).argmin(axis=0)
        magnitudes[:, row, :limit] = np.take_along_axis(candidates[here], best[None], axis=0)[0]
        context.take(magnitudes[:, row])
    return np.where(scaled < 0, -magnitudes, magnitudes), classes


def encode_blocks(basis: Basis, groups: Sequence[Sequence[Array]], quality: int) -> list[bytes]:
    """The payloads of groups of blocks, each by itself.

    Args:
        basis: The basis.
        groups: Blocks of shape `[80, n]`, n from 1 to 32; shorter ones are filled up.
        quality: 0 (least) to 15.
    """
    payloads = []
    for batch in _batches(groups, [len(group) for group in groups]):
        blocks = [_filled(block) for group in batch for block in group]
        # One at a time, so that rounding does not depend on how many there are.
        turned = [likeliest(basis, block) for block in blocks]
        kinds = np.array([kind for kind, _ in turned])
        found = np.stack([values for _, values in turned])
        multiples, classes = quantised(basis, found, kinds, quality)
        first = 0
        for group in batch:
            ours = slice(first, first + len(group))
            payloads.append(
                _write(basis, blocks[ours], kinds[ours], multiples[ours], classes[ours], quality)
            )
            first += len(group)
    return payloads


def _batches(items: Sequence[Any], sizes: Sequence[int]) -> Iterator[list[Any]]:
    """Items in a row that together have about so many blocks as are best worked on at once."""
    batch: list[Any] = []
    total = 0
    for item, size in zip(items, sizes, strict=True):
        batch.append(item)
        total += size
        if total >= _BATCH:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def _filled(block: Array) -> Array:
    return np.pad(block, ((0, 0), (0, BLOCK_FRAMES - block.shape[1])), mode="edge")


def _write(
    basis: Basis,
    blocks: Sequence[Array],
    kinds: NDArray[np.int64],
    multiples: NDArray[np.int64],
    classes: NDArray[np.int64],
    quality: int,
) -> bytes:
    """Of each block what it is, and then the rows of all, the slowest first."""
    writer = Writer()
    writer.put_bits(quality, 4)
    n_rows = []
    for block, kind, rows in zip(blocks, kinds.tolist(), multiples, strict=True):
        if np.ptp(block) < _FLAT:
            # Without sound, or all of it below the clamp: its level alone.
            n_rows.append(0)
            writer.put(basis.length_tables[quality], _FLAT_LENGTH)
            level = round(float(block.mean() - FLOOR) * _LEVELS_PER_UNIT)
            writer.put_bits(min(max(level, 0), 255), 8)
            continue
        used = np.flatnonzero(rows.any(axis=1))
        n_rows.append(int(used[-1]) + 1 if len(used) else 0)
        writer.put(basis.length_tables[quality], n_rows[-1])
        writer.put_bits(kind, _KIND_BITS)
    tables = basis.magnitude_tables
    put, put_bits = writer.put, writer.put_bits
    for row in range(max(n_rows)):
        limit = int(basis.limits[quality, row])
        for i, length in enumerate(n_rows):
            if row >= length:
                continue
            values, ours = multiples[i, row, :limit].tolist(), classes[i, row, :limit].tolist()
            for value, one in zip(values, ours, strict=True):
                if not value:
                    put(tables[one], 0)
                    continue
                magnitude = abs(value)
                put(tables[one], min(magnitude, LARGEST))
                if magnitude >= LARGEST:
                    put_large(writer, magnitude - LARGEST)
                put_bits(value < 0, 1)
    return writer.to_bytes()


def decode_blocks(
    basis: Basis, payloads: Sequence[bytes], n_blocks: Sequence[int]
) -> list[Array | PacketError]:
    """The blocks of payloads, each by itself.

    Args:
        basis: The basis they were coded with.
        payloads: What `encode_blocks` gave.
        n_blocks: How many blocks each holds.

    Returns:
        Each of shape `[80, 32 * n_blocks]`, or what is wrong with its payload.
    """
    readers = [
        _Payload(basis, payload, count) for payload, count in zip(payloads, n_blocks, strict=True)
    ]
    for batch in _batches(readers, n_blocks):
        _read_rows(basis, batch)
    return [reader.frames(basis) for reader in readers]


class _Payload:
    """A payload while it is read.

    Attributes:
        reader: Gives its symbols.
        quality: Of all its blocks.
        levels: Of each block that is flat; else None.
        lengths: How many rows each block has.
        kinds: Of block.
        multiples: Shape `[n_blocks, 32, 80]`, zero where nothing was read.
        wrong: What is wrong with it.
    """

    def __init__(self, basis: Basis, payload: bytes, n_blocks: int) -> None:
        self.reader = Reader(payload)
        self.quality = self.reader.get_bits(4)
        self.levels: list[float | None] = []
        self.lengths: list[int] = []
        self.kinds: list[int] = []
        self.multiples = np.zeros((n_blocks, BLOCK_FRAMES, N_MELS), np.int64)
        self.wrong: PacketError | None = None
        for _ in range(n_blocks):
            length = self.reader.get(basis.length_tables[self.quality])
            flat = length == _FLAT_LENGTH
            level = FLOOR + self.reader.get_bits(8) / _LEVELS_PER_UNIT if flat else None
            self.levels.append(level)
            self.lengths.append(0 if flat else length)
            self.kinds.append(0 if flat else self.reader.get_bits(_KIND_BITS))

    def read_row(self, basis: Basis, block: int, row: int, classes: list[int]) -> None:
        """Read a row of a block, unless something is wrong already."""
        if self.wrong is not None:
            return
        try:
            self.multiples[block, row, : len(classes)] = _row(basis, self.reader, classes)
        except PacketError as error:
            self.wrong = error

    def frames(self, basis: Basis) -> Array | PacketError:
        """All its blocks, or what is wrong with it."""
        try:
            self.reader.finish()
        except PacketError as error:
            self.wrong = self.wrong or error
        if self.wrong is not None:
            return self.wrong
        values = np.float32(STEPS[self.quality]) * self.multiples.astype(np.float32)
        blocks = [
            block_of(basis, found, kind)
            if level is None
            else np.full((N_MELS, BLOCK_FRAMES), level, np.float32)
            for found, kind, level in zip(values, self.kinds, self.levels, strict=True)
        ]
        return np.concatenate(blocks, axis=1)


def _read_rows(basis: Basis, payloads: Sequence[_Payload]) -> None:
    """Read the rows of several payloads side by side."""
    for quality in sorted({payload.quality for payload in payloads}):
        members = [
            (payload, block)
            for payload in payloads
            if payload.quality == quality
            for block in range(len(payload.lengths))
        ]
        kinds = np.array([payload.kinds[block] for payload, block in members])
        context = RowContext(basis.context, step_level(quality), kinds)
        for row in range(max(payload.lengths[block] for payload, block in members)):
            limit = int(basis.limits[quality, row])
            classes = context.classes()[:, :limit].tolist()
            for ours, (payload, block) in zip(classes, members, strict=True):
                if row < payload.lengths[block]:
                    payload.read_row(basis, block, row, ours)
            context.take(np.abs([payload.multiples[block, row] for payload, block in members]))


def _row(basis: Basis, reader: Reader, classes: list[int]) -> list[int]:
    tables = basis.magnitude_tables
    get, get_bits = reader.get, reader.get_bits
    values = []
    for one in classes:
        value = get(tables[one])
        if value:
            if value == LARGEST:
                value += get_large(reader)
            if get_bits(1):
                value = -value
        values.append(value)
    return values
