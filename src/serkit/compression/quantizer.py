"""Uniform quantisation of weight matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ModelError
from serkit.runtime import PackedWeight
from serkit.runtime.packing import pack

Array = NDArray[np.float32]
Steps = Literal["range", "least-squares"]

# Initial steps for least squares, relative to the step that spans the range.
_SHARES = np.linspace(0.1, 1.0, 31)


def quantize_matrix(
    weight: Array, bits: int, *, per_row: bool = True, steps: Steps = "least-squares"
) -> PackedWeight:
    """Quantise weights to `2 ** bits` uniform levels, symmetric about zero.

    Args:
        weight: Shape `[n_outputs, n_inputs]`, finite.
        bits: Bits per weight, 1 to 8.
        per_row: One step per output instead of one for the matrix.
        steps: `range` spans the weights, as in plain uniform quantisation; `least-squares`
            minimises the mean squared error, which clips outliers at few bits. At one bit it is the
            mean magnitude (Rastegari et al., *XNOR-Net*, 2016, equation 6).

    Raises:
        ModelError: The bits are out of range.
    """
    if not 1 <= bits <= 8:
        raise ModelError(f"bits is {bits}; expected 1 to 8")
    rows = weight.astype(np.float64).reshape(len(weight) if per_row else 1, -1)
    middle = ((1 << bits) - 1) / 2
    spanning = np.abs(rows).max(axis=1) / middle
    step = spanning if steps == "range" else _least_squares(rows, middle, spanning)
    return nearest_codes(weight, bits, step.astype(np.float32))


def nearest_codes(weight: Array, bits: int, step: Array) -> PackedWeight:
    """Quantise weights with a given step.

    Args:
        weight: Shape `[n_outputs, n_inputs]`, finite.
        bits: Bits per weight, 1 to 8.
        step: Step per row, shape `[n_outputs]`, or of all rows, shape `[1]`. It is rounded to
            float16 first if the relative error is at most 1e-3.
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
    """Step of least squared error per row: several initial steps, each refitted to its codes."""
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
