"""The cost of a block: squared error in steps, plus 0.13 times the bits of its rows."""

import numpy as np
import pytest

from codec.voices import VOICE
from serkit.codec import log_mel_of, shipped_basis
from serkit.codec.basis import STEPS, likeliest, step_level
from serkit.codec.context import RowContext
from serkit.codec.quantiser import quantised

BASIS = shipped_basis()
LOG_MEL = log_mel_of(VOICE)
BLOCKS = [likeliest(BASIS, LOG_MEL[:, i : i + 32]) for i in range(0, 480, 32)]
KINDS = np.array([kind for kind, _ in BLOCKS])
VALUES = np.stack([values for _, values in BLOCKS])


def cost_of_rows(values, multiples, kinds, quality):
    """Cost of each row if it is sent, less that of zeros that are not, shape `[n_blocks, 32]`."""
    sizes, magnitudes = np.abs(values) / STEPS[quality], np.abs(multiples)
    shares = BASIS.magnitudes / 2.0**14
    context = RowContext(BASIS.context, step_level(quality), kinds)
    costs = np.zeros(values.shape[:2])
    for row in range(32):
        n = int(BASIS.limits[quality, row])
        size, magnitude = sizes[:, row, :n], magnitudes[:, row, :n]
        bits = -np.log2(shares[context.classes(n), np.minimum(magnitude, 31)]) + (magnitude > 0)
        costs[:, row] = ((size - magnitude) ** 2 - size**2 + 0.13 * bits).sum(axis=1)
        context.take(magnitudes[:, row])
    return costs


@pytest.mark.parametrize("quality", [0, 5, 11])
def test_a_magnitude_has_the_lowest_cost_of_all(quality):
    """In row 0, whose classes do not depend on magnitudes; up to the rounding of sizes to 1/32."""
    multiples, classes = quantised(BASIS, VALUES, KINDS, quality)
    n = int(BASIS.limits[quality, 0])
    sizes = (np.abs(VALUES[:, 0, :n]) / STEPS[quality])[..., None]
    candidates = np.arange(32)
    bits = -np.log2(BASIS.magnitudes[classes[:, 0, :n]] / 2.0**14) + (candidates > 0)
    costs = (sizes - candidates) ** 2 + 0.13 * bits
    inside = sizes[..., 0] < 31
    chosen = np.abs(multiples[:, 0, :n])[inside]
    taken = np.take_along_axis(costs[inside], chosen[:, None], axis=1)[:, 0]
    # Between neighbours, half a cell moves the difference of their costs by 1/32.
    assert (taken - costs[inside].min(axis=1)).max() <= 1 / 32 + 1e-6
    assert (chosen == costs[inside].argmin(axis=1)).mean() > 0.98


@pytest.mark.parametrize("quality", [0, 5, 11])
def test_rows_are_dropped_where_that_costs_less(quality):
    multiples, _ = quantised(BASIS, VALUES, KINDS, quality)
    costs = cost_of_rows(VALUES, multiples, KINDS, quality)
    lengths = -0.13 * np.log2(BASIS.lengths[quality, :33] / 2.0**14)
    totals = lengths + np.pad(np.cumsum(costs, axis=1), ((0, 0), (1, 0)))
    for block, total in zip(multiples, totals, strict=True):
        n_rows = max(np.flatnonzero(block.any(axis=1)), default=-1) + 1
        assert total[n_rows] <= total[:n_rows].min(initial=np.inf) + 0.5


def test_sizes_beyond_the_tables_are_rounded():
    values = np.zeros((1, 32, 80), np.float32)
    values[0, 0, :3] = 100.2, -77.6, 31.9
    multiples, _ = quantised(BASIS, values * np.float32(STEPS[9]), np.zeros(1, np.int64), 9)
    assert multiples[0, 0, :3].tolist() == [100, -78, 32]
    assert not multiples[0, 1:].any()
