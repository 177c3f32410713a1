"""Entropy coding with asymmetric numeral systems: a payload is one large integer.

Duda, *Asymmetric numeral systems* (2013), range variant (rANS). A payload of the mode `basis` has a
few hundred bits, and as a single integer it wastes none of them. Beyond 1024 bits the state is
renormalised by 512 bits at a time, so that long payloads stay fast. The last symbol written is the
first one read; the writer therefore collects the symbols and codes them in reverse.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.errors import PacketError

# PRECISION, _PIECE_BITS, _ORDER and _MAX_BITS were chosen by hand and are part of the format
# (docs/packet-format.md).
PRECISION = 14
"""The frequencies of a table sum to two to this power."""

_TOTAL = 1 << PRECISION
_PIECE_BITS = 512
_PIECE_BYTES = _PIECE_BITS // 8
_PIECE_MASK = (1 << _PIECE_BITS) - 1
_MAX_STATE_BITS = 2 * _PIECE_BITS


def frequencies(counts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Scale counts to whole frequencies above 0 that sum to `2 ** PRECISION`.

    Args:
        counts: Non-negative, shape `[n]`.

    Returns:
        Shape `[n]`.
    """
    shares = counts / counts.sum()
    scaled: NDArray[np.int64] = np.maximum(1, np.floor(shares * (_TOTAL - len(counts)))).astype(
        np.int64
    )
    scaled[np.argmax(scaled)] += _TOTAL - scaled.sum()
    return scaled


class Table:
    """Frequencies of the symbols 0, 1, ...

    Args:
        frequencies: Whole numbers above 0 that sum to `2 ** PRECISION`.

    Attributes:
        limits: Cumulative frequencies, from 0 to `2 ** PRECISION`.
        spans: Frequency and cumulative frequency of each symbol.
    """

    __slots__ = ("limits", "spans")

    def __init__(self, frequencies: Sequence[int]) -> None:
        self.limits = [0]
        for frequency in frequencies:
            self.limits.append(self.limits[-1] + int(frequency))
        self.spans = [
            (high - low, low) for low, high in zip(self.limits, self.limits[1:], strict=False)
        ]


class Writer:
    """Codes symbols to a payload."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def put(self, table: Table, symbol: int) -> None:
        """Append a symbol of a table."""
        self._spans.append(table.spans[symbol])

    def put_bits(self, value: int, n_bits: int) -> None:
        """Append a number below `2 ** n_bits`, `n_bits` at most `PRECISION`."""
        width = PRECISION - n_bits
        self._spans.append((1 << width, value << width))

    def extend(self, spans: Iterable[tuple[int, int]]) -> None:
        """Append symbols by their frequencies and cumulative frequencies."""
        self._spans.extend(spans)

    def to_bytes(self) -> bytes:
        """The payload: the pieces moved out of the state, then the state, little-endian."""
        state, pieces = 0, []
        # The reader starts from the final state and ends at 0.
        spans = self._spans[::-1]
        place = 0
        while place < len(spans):
            # A symbol adds at most PRECISION bits, so that these cannot overflow the state.
            n_safe = (_MAX_STATE_BITS - state.bit_length()) // PRECISION
            for frequency, low in spans[place : place + n_safe]:
                # (state // frequency) * _TOTAL + state % frequency + low
                state += state // frequency * (_TOTAL - frequency) + low
            place += n_safe
            if not n_safe:
                frequency, low = spans[place]
                if state // frequency >> (_MAX_STATE_BITS - PRECISION):
                    pieces.append((state & _PIECE_MASK).to_bytes(_PIECE_BYTES, "little"))
                    state >>= _PIECE_BITS
                state += state // frequency * (_TOTAL - frequency) + low
                place += 1
        return b"".join(pieces) + state.to_bytes((state.bit_length() + 7) // 8, "little")


class Reader:
    """Reads symbols from a payload.

    Args:
        payload: The output of `Writer.to_bytes`.
    """

    def __init__(self, payload: bytes) -> None:
        # After pieces, the state takes more than one piece's bytes, and at most two pieces'.
        n_pieces = max(0, -(-len(payload) // _PIECE_BYTES) - 2)
        self._state = int.from_bytes(payload[n_pieces * _PIECE_BYTES :], "little")
        self._padded = payload.endswith(b"\0")
        self._pieces = [payload[i * _PIECE_BYTES : (i + 1) * _PIECE_BYTES] for i in range(n_pieces)]

    def get(self, table: Table) -> int:
        """Read a symbol of a table."""
        state = self._state
        rest = state & (_TOTAL - 1)
        limits = table.limits
        symbol = bisect_right(limits, rest) - 1
        low = limits[symbol]
        self._advance((limits[symbol + 1] - low) * (state >> PRECISION) + rest - low)
        return symbol

    def get_bits(self, n_bits: int) -> int:
        """Read a number below `2 ** n_bits`."""
        state = self._state
        width = PRECISION - n_bits
        rest = state & (_TOTAL - 1)
        value = rest >> width
        self._advance((state >> PRECISION << width) + (rest & ((1 << width) - 1)))
        return value

    def _advance(self, state: int) -> None:
        if self._pieces and not state >> _PIECE_BITS:
            state = state << _PIECE_BITS | int.from_bytes(self._pieces.pop(), "little")
        self._state = state

    def finish(self) -> None:
        """Check that the whole payload has been read.

        Raises:
            PacketError: It has not.
        """
        if self._state or self._pieces or self._padded:
            raise PacketError("the payload does not end with its last symbol")


_ORDER = 3
_MAX_BITS = 12


def put_large(writer: Writer, value: int) -> None:
    """Append a non-negative number in the exponential Golomb code of order 3."""
    value += 1 << _ORDER
    n_bits = value.bit_length() - 1
    for _ in range(n_bits - _ORDER):
        writer.put_bits(1, 1)
    writer.put_bits(0, 1)
    writer.put_bits(value - (1 << n_bits), n_bits)


def get_large(reader: Reader) -> int:
    """Read a number written by `put_large`.

    Raises:
        PacketError: The number has more than 12 bits.
    """
    n_bits = _ORDER
    while reader.get_bits(1):
        n_bits += 1
        if n_bits > _MAX_BITS:
            raise PacketError("a coefficient of the payload is out of range")
    return (1 << n_bits) + reader.get_bits(n_bits) - (1 << _ORDER)
