"""Entropy coding: a payload is one large number, as asymmetric numeral systems make it.

Duda, *Asymmetric numeral systems* (2013), the range variant. A payload of the product has a few
hundred bits, and as one integer it wastes none of them; only from 1024 bits on 512 at a time are
moved out of the number, so that long payloads do not get slow. What is written last is read first,
so the writer collects and turns the order round.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.errors import PacketError

PRECISION = 14
"""Frequencies of a table add up to two to this power."""

_TOTAL = 1 << PRECISION
_MOVED_BITS = 512
_MOVED_BYTES = _MOVED_BITS // 8
_MOVED = (1 << _MOVED_BITS) - 1
_FULL_BITS = 2 * _MOVED_BITS


def frequencies(counts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts as whole frequencies that add up to `2 ** PRECISION`, none of them zero.

    Args:
        counts: Not negative, shape `[n]`.

    Returns:
        Shape `[n]`.
    """
    shares = counts / counts.sum()
    found: NDArray[np.int64] = np.maximum(1, np.floor(shares * (_TOTAL - len(counts)))).astype(
        np.int64
    )
    found[np.argmax(found)] += _TOTAL - found.sum()
    return found


class Table:
    """Frequencies of the symbols 0, 1, ...

    Args:
        frequencies: They add up to `2 ** PRECISION`; none is zero.
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
    """Collects symbols and makes a payload of them."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def put(self, table: Table, symbol: int) -> None:
        """Write a symbol of a table."""
        self._spans.append(table.spans[symbol])

    def put_bits(self, value: int, n_bits: int) -> None:
        """Write a number below `2 ** n_bits`, at most `PRECISION` bits."""
        width = PRECISION - n_bits
        self._spans.append((1 << width, value << width))

    def to_bytes(self) -> bytes:
        """The payload: what was moved out, then the number's bytes, lowest first."""
        state, moved = 0, []
        # The reader begins with the number and ends with zero.
        for frequency, low in reversed(self._spans):
            quotient, rest = divmod(state, frequency)
            if quotient >> (_FULL_BITS - PRECISION):
                moved.append((state & _MOVED).to_bytes(_MOVED_BYTES, "little"))
                quotient, rest = divmod(state >> _MOVED_BITS, frequency)
            state = (quotient << PRECISION) + rest + low
        return b"".join(moved) + state.to_bytes((state.bit_length() + 7) // 8, "little")


class Reader:
    """Reads symbols from a payload.

    Args:
        payload: What `Writer.to_bytes` gave.
    """

    def __init__(self, payload: bytes) -> None:
        # The number has more than _MOVED_BYTES where something was moved out, and at most twice.
        n_moved = max(0, -(-len(payload) // _MOVED_BYTES) - 2)
        self._state = int.from_bytes(payload[n_moved * _MOVED_BYTES :], "little")
        self._padded = payload.endswith(b"\0")
        self._moved = [payload[i * _MOVED_BYTES : (i + 1) * _MOVED_BYTES] for i in range(n_moved)]

    def get(self, table: Table) -> int:
        """The next symbol, of a table."""
        state = self._state
        rest = state & (_TOTAL - 1)
        limits = table.limits
        symbol = bisect_right(limits, rest) - 1
        low = limits[symbol]
        self._go_on((limits[symbol + 1] - low) * (state >> PRECISION) + rest - low)
        return symbol

    def get_bits(self, n_bits: int) -> int:
        """The next number below `2 ** n_bits`."""
        state = self._state
        width = PRECISION - n_bits
        rest = state & (_TOTAL - 1)
        value = rest >> width
        self._go_on((state >> PRECISION << width) + (rest & ((1 << width) - 1)))
        return value

    def _go_on(self, state: int) -> None:
        if self._moved and not state >> _MOVED_BITS:
            state = state << _MOVED_BITS | int.from_bytes(self._moved.pop(), "little")
        self._state = state

    def finish(self) -> None:
        """Refuse a payload that holds more than was read.

        Raises:
            PacketError: It does.
        """
        if self._state or self._moved or self._padded:
            raise PacketError("the payload does not end where its symbols do")


_ORDER = 3
_MOST_BITS = 12


def put_large(writer: Writer, value: int) -> None:
    """Write a number from 0 on, the smaller the shorter (exponential Golomb code of order 3)."""
    value += 1 << _ORDER
    n_bits = value.bit_length() - 1
    for _ in range(n_bits - _ORDER):
        writer.put_bits(1, 1)
    writer.put_bits(0, 1)
    writer.put_bits(value - (1 << n_bits), n_bits)


def get_large(reader: Reader) -> int:
    """What `put_large` wrote.

    Raises:
        PacketError: The number is impossibly large.
    """
    n_bits = _ORDER
    while reader.get_bits(1):
        n_bits += 1
        if n_bits > _MOST_BITS:
            raise PacketError("a coefficient of the payload is impossibly large")
    return (1 << n_bits) + reader.get_bits(n_bits) - (1 << _ORDER)
