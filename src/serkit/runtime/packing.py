"""Integers of 1 to 8 bits packed without gaps, as `docs/model-format.md` specifies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def packed_length(n_codes: int, bits: int) -> int:
    """Bytes that `n_codes` codes of `bits` bits take."""
    return -(-n_codes * bits // 8)


def pack(codes: Bytes, bits: int) -> Bytes:
    """Pack codes: code `i` takes the bits `i * bits` on, counted from each byte's lowest.

    Args:
        codes: Below `2 ** bits`, shape `[n]`.
        bits: 1 to 8.

    Returns:
        Shape `[packed_length(n, bits)]`; bits left over are 0.
    """
    spread = np.unpackbits(codes[:, None], axis=1, count=bits, bitorder="little")
    return np.packbits(spread.ravel(), bitorder="little")


def unpack(packed: Bytes, bits: int, n_codes: int) -> Bytes:
    """What `pack` was given.

    Args:
        packed: Shape `[packed_length(n_codes, bits)]`.
        bits: 1 to 8.
        n_codes: How many codes to take.

    Returns:
        Shape `[n_codes]`.
    """
    if bits == 8:
        return packed[:n_codes]
    # Eight codes take `bits` bytes: read as one little-endian number, and shifted.
    n_groups = -(-n_codes // 8)
    groups = np.zeros((n_groups, 8), np.uint8)
    whole = len(packed) // bits
    groups[:whole, :bits] = packed[: whole * bits].reshape(whole, bits)
    rest = packed[whole * bits :]
    if len(rest):
        groups[whole, : len(rest)] = rest
    numbers = groups.view("<u8")
    shifts = np.arange(0, 8 * bits, bits, dtype=np.uint64)
    codes = (numbers >> shifts).astype(np.uint8)
    codes &= np.uint8((1 << bits) - 1)
    return codes.ravel()[:n_codes]
