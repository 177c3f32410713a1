"""Weight matrices, in float32 or packed in few bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from serkit.runtime.packing import Bytes, unpack

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PackedWeight:
    """A weight matrix as integer codes of 1 to 8 bits.

    Code `c` in row `o` is the weight `scale[o] * (c - (2 ** bits - 1) / 2)`: a uniform quantiser
    with as many levels below zero as above.

    Attributes:
        packed: The codes row by row, packed by `pack`, uint8.
        bits: Bits per code, 1 to 8.
        shape: `(n_outputs, n_inputs)`.
        scale: Step size per row, shape `[n_outputs]`, or of all rows, shape `[1]`; float32.
    """

    packed: Bytes
    bits: int
    shape: tuple[int, int]
    scale: Array

    @property
    def size(self) -> int:
        """Number of weights."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def codes(self) -> Bytes:
        """Unpacked codes, shape `[n_outputs, n_inputs]`, uint8; unpacked on first use."""
        return unpack(self.packed, self.bits, self.size).reshape(self.shape)

    @property
    def middle(self) -> np.float32:
        """The code of weight zero; it lies between two integers."""
        return np.float32(((1 << self.bits) - 1) / 2)

    def dequantised(self) -> Array:
        """The weights, shape `[n_outputs, n_inputs]`, float32."""
        levels = np.subtract(self.codes, self.middle, dtype=np.float32)
        weights: Array = levels * self.scale[:, None]
        return weights

    def times(self, rows: Array) -> Array:
        """`rows @ weights.T`; the weights are dequantised for the call only.

        Args:
            rows: Shape `[n_rows, n_inputs]`.

        Returns:
            Shape `[n_rows, n_outputs]`.
        """
        product: Array = rows @ np.subtract(self.codes, self.middle, dtype=np.float32).T
        product *= self.scale
        return product


Weight = Array | PackedWeight
