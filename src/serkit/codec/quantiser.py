"""Quantisation of coefficients by rate-distortion optimisation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import STEPS, Basis, step_level
from serkit.codec.context import LARGEST, RowContext
from serkit.codec.frontend import BLOCK_FRAMES

Array = NDArray[np.float32]
Integers = NDArray[np.int64]

# Lagrangian weight of a bit against the squared error in steps. At high rate the slope of
# D(R) = 2^(-2R) / 12 gives 2 ln(2) / 12 = 0.116; set a little higher by hand.
_LAMBDA = 0.13
# Decisions are tabulated for cells of the size, this many per step (chosen by hand).
_CELLS_PER_STEP = 32
_N_CELLS = (LARGEST + 1) * _CELLS_PER_STEP
# Rows after the last size above are not worth their bits (on RAVDESS, at any quality).
_WORTH_A_ROW = 0.8


def quantised(
    basis: Basis, values: Array, kinds: Integers, quality: int
) -> tuple[Integers, Integers]:
    """Quantise coefficients to multiples of the step, and drop the last rows of little worth.

    Args:
        basis: The basis.
        values: Coefficients of blocks, shape `[n_blocks, 32, 80]`.
        kinds: Kind of each block, shape `[n_blocks]`.
        quality: 0 to 15.

    Returns:
        The multiples and the classes of their magnitudes, both `[n_blocks, 32, 80]`; classes up to
        the limit of each row, and at least to the last row that is not zero.
    """
    scaled = values * np.float32(1.0 / STEPS[quality])
    sizes = np.abs(scaled)
    worth = (sizes * basis.inside(quality)).max(axis=2) > _WORTH_A_ROW
    lengths = np.where(worth.any(axis=1), BLOCK_FRAMES - worth[:, ::-1].argmax(axis=1), 0)
    sizes *= np.arange(BLOCK_FRAMES)[:, None] < lengths[:, None, None]
    # What exceeds the tabulated sizes is added to the magnitude.
    excess = np.maximum(np.rint(sizes) - np.float32(LARGEST), np.float32(0.0))
    cells = ((sizes - excess) * np.float32(_CELLS_PER_STEP)).astype(np.int64)
    excess = excess.astype(np.int64)
    decisions = _decisions(basis)
    magnitudes = np.zeros(values.shape, np.int64)
    classes = np.zeros(values.shape, np.int64)
    context = RowContext(basis.context, step_level(quality), kinds)
    n_rows = int(lengths.max())
    for row, limit in enumerate(basis.limits[quality, :n_rows].tolist()):
        chosen = context.classes(limit)
        classes[:, row, :limit] = chosen
        chosen *= _N_CELLS
        chosen += cells[:, row, :limit]
        decided = decisions.take(chosen)
        decided += excess[:, row, :limit]
        magnitudes[:, row, :limit] = decided
        if row + 1 < n_rows:
            context.take(magnitudes[:, row])
    _drop_rows(basis, sizes[:, :n_rows], magnitudes[:, :n_rows], classes[:, :n_rows], quality)
    return np.where(scaled < 0, -magnitudes, magnitudes), classes


@lru_cache(maxsize=4)
def _decisions(basis: Basis) -> Integers:
    """Magnitude of the lowest cost for each class and cell of the size, flat `[64 * 1024]`."""
    sizes = (np.arange(_N_CELLS) + 0.5) / _CELLS_PER_STEP
    errors = np.square(sizes[:, None] - np.arange(LARGEST + 1))
    return np.concatenate([(errors + _LAMBDA * bits).argmin(axis=1) for bits in basis.costs])


def _drop_rows(
    basis: Basis, sizes: Array, magnitudes: Integers, classes: Integers, quality: int
) -> None:
    """Set the last rows of each block to zero where that lowers the cost of the block."""
    n_rows = sizes.shape[1]
    symbols = classes * (LARGEST + 1) + np.minimum(magnitudes, LARGEST)
    costs = basis.costs.take(symbols) * np.float32(_LAMBDA)
    costs *= basis.inside(quality)[:n_rows]
    # (size - magnitude)^2 - size^2
    costs += magnitudes * (magnitudes - 2.0 * sizes)
    totals = np.zeros((len(sizes), n_rows + 1))
    np.cumsum(costs.sum(axis=2), axis=1, out=totals[:, 1:])
    totals -= _LAMBDA * np.log2(basis.lengths[quality, : n_rows + 1])
    magnitudes *= np.arange(n_rows)[:, None] < totals.argmin(axis=1)[:, None, None]
