"""The mode `basis`: blocks of log-mel <-> payloads.

The coefficients of a block on the basis are quantised by rate-distortion optimisation and
entropy-coded with tables that the context model selects. Blocks are coded independently, so that a
lost packet costs its own frames alone. The blocks of a packet share its header and its payload.
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
from serkit.codec.quantiser import quantised
from serkit.errors import PacketError
from serkit.features.whisper import FLOOR, N_MELS

Array = NDArray[np.float32]

# Part of the format (docs/packet-format.md).
_KIND_BITS = 4
_FLAT_LENGTH = BLOCK_FRAMES + 1
_LEVELS_PER_UNIT = 16.0

# Chosen by hand: the range of a block coded as flat, just below the step of its level.
_MAX_FLAT_RANGE = 0.05
# Blocks coded at once: enough to amortise NumPy's overhead (chosen by hand).
_BATCH_BLOCKS = 16


def encode_blocks(basis: Basis, groups: Sequence[Sequence[Array]], quality: int) -> list[bytes]:
    """Code groups of blocks, each to a payload of its own.

    Args:
        basis: The basis.
        groups: Blocks of shape `[80, n]`, n from 1 to 32; shorter ones are padded.
        quality: 0 (fewest bits) to 15.
    """
    payloads = []
    for batch in _batches(groups, [len(group) for group in groups]):
        blocks = [_padded(block) for group in batch for block in group]
        # Transformed one by one, so that rounding does not depend on the size of the batch.
        transformed = [likeliest(basis, block) for block in blocks]
        kinds = np.array([kind for kind, _ in transformed])
        values = np.stack([values for _, values in transformed])
        multiples, classes = quantised(basis, values, kinds, quality)
        first = 0
        for group in batch:
            part = slice(first, first + len(group))
            payloads.append(
                _write(basis, blocks[part], kinds[part], multiples[part], classes[part], quality)
            )
            first += len(group)
    return payloads


def _batches(items: Sequence[Any], sizes: Sequence[int]) -> Iterator[list[Any]]:
    """Consecutive items of together at least `_BATCH_BLOCKS` blocks, but for the last batch."""
    batch: list[Any] = []
    total = 0
    for item, size in zip(items, sizes, strict=True):
        batch.append(item)
        total += size
        if total >= _BATCH_BLOCKS:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def _padded(block: Array) -> Array:
    missing = BLOCK_FRAMES - block.shape[1]
    return np.pad(block, ((0, 0), (0, missing)), mode="edge") if missing else block


def _write(
    basis: Basis,
    blocks: Sequence[Array],
    kinds: NDArray[np.int64],
    multiples: NDArray[np.int64],
    classes: NDArray[np.int64],
    quality: int,
) -> bytes:
    """Code the head of each block, then the rows of all blocks, the lowest frequency first."""
    writer = Writer()
    writer.put_bits(quality, 4)
    n_rows = []
    for block, kind, rows in zip(blocks, kinds.tolist(), multiples, strict=True):
        if np.ptp(block) < _MAX_FLAT_RANGE:
            # Silence, or all of it clamped.
            n_rows.append(0)
            writer.put(basis.length_tables[quality], _FLAT_LENGTH)
            level = round(float(block.mean() - FLOOR) * _LEVELS_PER_UNIT)
            writer.put_bits(min(max(level, 0), 255), 8)
            continue
        used = np.flatnonzero(rows.any(axis=1))
        n_rows.append(int(used[-1]) + 1 if len(used) else 0)
        writer.put(basis.length_tables[quality], n_rows[-1])
        writer.put_bits(kind, _KIND_BITS)
    # Row 0 of each block that has one, row 1 of each, and so on.
    most = max(n_rows)
    sent = (np.arange(most)[:, None] < n_rows)[:, :, None] & basis.inside(quality)[:most, None]
    values = multiples[:, :most].swapaxes(0, 1)[sent]
    symbols = classes[:, :most].swapaxes(0, 1)[sent] * (LARGEST + 1)
    symbols += np.minimum(np.abs(values), LARGEST)
    frequencies, lows = (table.take(symbols).tolist() for table in basis.magnitude_spans)
    spans = list(zip(frequencies, lows, strict=True))
    start = 0
    nonzero = np.flatnonzero(values)
    for end, value in zip((nonzero + 1).tolist(), values[nonzero].tolist(), strict=True):
        writer.extend(spans[start:end])
        if abs(value) >= LARGEST:
            put_large(writer, abs(value) - LARGEST)
        writer.put_bits(value < 0, 1)
        start = end
    writer.extend(spans[start:])
    return writer.to_bytes()


def decode_blocks(
    basis: Basis, payloads: Sequence[bytes], n_blocks: Sequence[int]
) -> list[Array | PacketError]:
    """Decode payloads, each on its own.

    Args:
        basis: The basis they were coded with.
        payloads: Payloads of `encode_blocks`.
        n_blocks: Number of blocks in each.

    Returns:
        For each payload its log-mel, shape `[80, 32 * n_blocks]`, or the error in it.
    """
    readers = [
        _Payload(basis, payload, count) for payload, count in zip(payloads, n_blocks, strict=True)
    ]
    for batch in _batches(readers, n_blocks):
        _read_rows(basis, batch)
    return [reader.frames(basis) for reader in readers]


class _Payload:
    """A payload that is being read.

    Attributes:
        reader: Reader of its symbols.
        quality: Quality of its blocks.
        levels: Level of each flat block; None for the others.
        lengths: Number of rows of each block.
        kinds: Kind of each block.
        multiples: Quantised coefficients read so far, shape `[n_blocks, 32, 80]`.
        error: The first error in it, if any.
    """

    def __init__(self, basis: Basis, payload: bytes, n_blocks: int) -> None:
        self.reader = Reader(payload)
        self.quality = self.reader.get_bits(4)
        self.levels: list[float | None] = []
        self.lengths: list[int] = []
        self.kinds: list[int] = []
        self.multiples = np.zeros((n_blocks, BLOCK_FRAMES, N_MELS), np.int64)
        self.error: PacketError | None = None
        for _ in range(n_blocks):
            length = self.reader.get(basis.length_tables[self.quality])
            flat = length == _FLAT_LENGTH
            level = FLOOR + self.reader.get_bits(8) / _LEVELS_PER_UNIT if flat else None
            self.levels.append(level)
            self.lengths.append(0 if flat else length)
            self.kinds.append(0 if flat else self.reader.get_bits(_KIND_BITS))

    def read_row(self, basis: Basis, block: int, row: int, classes: list[int]) -> None:
        """Read a row of a block, unless the payload has an error."""
        if self.error is not None:
            return
        try:
            self.multiples[block, row, : len(classes)] = _row(basis, self.reader, classes)
        except PacketError as error:
            self.error = error

    def frames(self, basis: Basis) -> Array | PacketError:
        """Its log-mel, shape `[80, 32 * n_blocks]`, or the error in it."""
        try:
            self.reader.finish()
        except PacketError as error:
            self.error = self.error or error
        if self.error is not None:
            return self.error
        values = np.float32(STEPS[self.quality]) * self.multiples.astype(np.float32)
        blocks = [
            block_of(basis, block, kind)
            if level is None
            else np.full((N_MELS, BLOCK_FRAMES), level, np.float32)
            for block, kind, level in zip(values, self.kinds, self.levels, strict=True)
        ]
        return np.concatenate(blocks, axis=1)


def _read_rows(basis: Basis, payloads: Sequence[_Payload]) -> None:
    """Read the rows of several payloads in parallel."""
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
            classes = context.classes(limit).tolist()
            for row_classes, (payload, block) in zip(classes, members, strict=True):
                if row < payload.lengths[block]:
                    payload.read_row(basis, block, row, row_classes)
            context.take(np.abs([payload.multiples[block, row] for payload, block in members]))


def _row(basis: Basis, reader: Reader, classes: list[int]) -> list[int]:
    tables = basis.magnitude_tables
    get, get_bits = reader.get, reader.get_bits
    values = []
    for index in classes:
        value = get(tables[index])
        if value:
            if value == LARGEST:
                value += get_large(reader)
            if get_bits(1):
                value = -value
        values.append(value)
    return values
