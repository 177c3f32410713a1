"""A weight matrix -> codes of few bits."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ModelError
from serkit.runtime import PackedWeight
from serkit.runtime.packing import pack

Array = NDArray[np.float32]
Steps = Literal["range", "least-squares"]

# Steps tried for least squares, as shares of the step that spans the whole range.
_SHARES = np.linspace(0.1, 1.0, 31)


def quantize_matrix(
    weight: Array, bits: int, *, per_row: bool = True, steps: Steps = "least-squares"
) -> PackedWeight:
    """Round weights to the nearest of `2 ** bits` levels, an equal step apart around zero.

    Args:
        weight: Shape `[n_outputs, n_inputs]`, finite.
        bits: 1 to 8.
        per_row: A step for each output, instead of one for the matrix.
        steps: `range` takes the step with which the levels just span the weights, as plain
            uniform quantisation does; `least-squares` the one whose levels are nearest to
            the weights in the mean square, which leaves outliers out at few bits. At one bit that
            is the mean magnitude (Rastegari et al., *XNOR-Net*, 2016, equation 6).

    Raises:
        ModelError: The bits are out of range.
    """
    if not 1 <= bits <= 8:
        raise ModelError(f"{bits} bits; expected 1 to 8")
    rows = weight.astype(np.float64).reshape(len(weight) if per_row else 1, -1)
    middle = ((1 << bits) - 1) / 2
    spanning = np.abs(rows).max(axis=1) / middle
    step = spanning if steps == "range" else _least_squares(rows, middle, spanning)
    return nearest_codes(weight, bits, step.astype(np.float32))


def nearest_codes(weight: Array, bits: int, step: Array) -> PackedWeight:
    """Round weights to the nearest levels of a given step.

    Args:
        weight: Shape `[n_outputs, n_inputs]`, finite.
        bits: 1 to 8.
        step: For each row, or one for all; shape `[n_outputs]` or `[1]`. It is rounded as float16
            stores it, where that can hold it, and the codes are for the step so rounded.
    """
    with np.errstate(over="ignore"):
        half = step.astype(np.float16).astype(np.float32)
    stored = half if np.allclose(half, step, rtol=1e-3, atol=0.0) else step
    rows = weight.astype(np.float64).reshape(len(stored), -1)
    codes = _codes(rows, stored.astype(np.float64), ((1 << bits) - 1) / 2)
    n_outputs, n_inputs = weight.shape
    return PackedWeight(pack(codes.ravel(), bits), bits, (n_outputs, n_inputs), stored)


def _codes(
    rows: NDArray[np.float64], step: NDArray[np.float64], middle: float
) -> NDArray[np.uint8]:
    divided = rows / np.where(step > 0, step, 1.0)[:, None]
    codes = np.clip(np.floor(divided + middle + 0.5), 0, 2 * middle)
    return codes.astype(np.uint8)


def _least_squares(
    rows: NDArray[np.float64], middle: float, spanning: NDArray[np.float64]
) -> NDArray[np.float64]:
    """For each row the best of many steps, each improved for the codes it gives."""
    best, least = spanning.copy(), np.full(len(rows), np.inf)
    for share in _SHARES:
        step = share * spanning
        levels = _codes(rows, step, middle) - middle
        step = (rows * levels).sum(axis=1) / np.square(levels).sum(axis=1)
        levels = _codes(rows, step, middle) - middle
        error = np.square(rows - step[:, None] * levels).sum(axis=1)
        better = (error < least) & (step > 0)
        best[better], least[better] = step[better], error[better]
    return best
