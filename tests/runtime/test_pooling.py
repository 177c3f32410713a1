import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.runtime.pooling import Pooled


@pytest.mark.parametrize("join", [np.add, np.minimum, np.maximum])
@given(sizes=st.lists(st.integers(0, 40), max_size=20), seed=st.integers(0, 99))
def test_pooling_does_not_depend_on_the_blocks(join, sizes, seed):
    columns = np.random.default_rng(seed).integers(-9, 9, (3, sum(sizes))).astype(np.float32)
    pooled, place = Pooled(8, join), 0
    for size in sizes:
        pooled.push(columns[:, place : place + size])
        place += size
    n = columns.shape[1]
    pool = 1
    while n >= 8 * pool:
        pool *= 2
    parts = [columns[:, i : i + pool] for i in range(0, n, pool)]
    np.testing.assert_array_equal(pooled.widths, [part.shape[1] for part in parts])
    assert pooled.columns.shape[1] == len(parts) <= 8
    for found, part in zip(pooled.columns.T, parts, strict=True):
        np.testing.assert_array_equal(found, join.reduce(part, axis=1))
