"""Quantisation of coefficients by rate-distortion optimisation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import STEPS, Basis, step_level
from serkit.codec.context import LARGEST, N_CLASSES, RowContext
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
    sizes = np.abs(scaled) * basis.inside(quality)
    worth = sizes.max(axis=2) > _WORTH_A_ROW
    lengths = np.where(worth.any(axis=1), BLOCK_FRAMES - worth[:, ::-1].argmax(axis=1), 0)
    n_rows = int(lengths.max())
    sizes *= np.arange(BLOCK_FRAMES)[:, None] < lengths[:, None, None]
    # What exceeds the tabulated sizes is added to the magnitude.
    excess = np.maximum(np.rint(sizes) - np.float32(LARGEST), np.float32(0.0))
    cells = ((sizes - excess) * np.float32(_CELLS_PER_STEP)).astype(np.int64)
    choices, costs = _decisions(basis)
    magnitudes = np.zeros(values.shape, np.int64)
    # The class and the cell of each coefficient as one index.
    places = np.zeros(values.shape, np.int64)
    context = RowContext(basis.context, step_level(quality), kinds)
    for row, limit in enumerate(basis.limits[quality, :n_rows].tolist()):
        here = (slice(None), row, slice(limit))
        place = context.classes(limit)
        place *= _N_CELLS
        place += cells[here]
        places[here] = place
        magnitudes[here] = choices.take(place)
        if row + 1 < n_rows:
            context.take(magnitudes[:, row])
    magnitudes += excess.astype(np.int64)
    # Rows from which on a block costs least if they are dropped.
    totals = np.zeros((len(values), n_rows + 1))
    np.cumsum(costs.take(places[:, :n_rows]).sum(axis=2), axis=1, out=totals[:, 1:])
    totals -= _LAMBDA * np.log2(basis.lengths[quality, : n_rows + 1])
    magnitudes *= np.arange(BLOCK_FRAMES)[:, None] < totals.argmin(axis=1)[:, None, None]
    return np.where(scaled < 0, -magnitudes, magnitudes), places // _N_CELLS


@lru_cache(maxsize=4)
def _decisions(basis: Basis) -> tuple[Integers, Array]:
    """The best magnitude for each class and cell, and its cost, both flat `[64 * 1024]`.

    The cost is that of the squared error in steps and of the bits, less that of an unsent zero.
    """
    sizes = ((np.arange(_N_CELLS) + 0.5) / _CELLS_PER_STEP)[:, None]
    multiples = np.arange(LARGEST + 1)
    # (size - multiple)^2 - size^2
    errors = multiples * (multiples - 2.0 * sizes)
    choices = np.empty((N_CLASSES, _N_CELLS), np.int64)
    least = np.empty((N_CLASSES, _N_CELLS), np.float32)
    for i, bits in enumerate(basis.costs):
        costs = errors + _LAMBDA * bits
        choices[i], least[i] = costs.argmin(axis=1), costs.min(axis=1)
    return choices.ravel(), least.ravel()
