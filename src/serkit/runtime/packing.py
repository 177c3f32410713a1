"""Bit packing of integers of 1 to 8 bits, as specified in `docs/model-format.md`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def packed_length(n_codes: int, bits: int) -> int:
    """Length in bytes of `n_codes` packed codes."""
    return -(-n_codes * bits // 8)


def pack(codes: Bytes, bits: int) -> Bytes:
    """Pack codes without gaps, in little-endian bit order: code `i` starts at bit `i * bits`.

    Args:
        codes: Codes below `2 ** bits`, shape `[n]`.
        bits: Bits per code, 1 to 8.

    Returns:
        Shape `[packed_length(n, bits)]`; unused bits are 0.
    """
    spread = np.unpackbits(codes[:, None], axis=1, count=bits, bitorder="little")
    return np.packbits(spread.ravel(), bitorder="little")


def unpack(packed: Bytes, bits: int, n_codes: int) -> Bytes:
    """The inverse of `pack`.

    Args:
        packed: Shape `[packed_length(n_codes, bits)]`.
        bits: Bits per code, 1 to 8.
        n_codes: Number of codes.

    Returns:
        Shape `[n_codes]`.
    """
    if bits == 8:
        return packed[:n_codes]
    # Eight codes take `bits` bytes, which are read as one little-endian number and shifted.
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
