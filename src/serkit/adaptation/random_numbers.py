"""Random numbers that are the same on every machine and with every version of NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def splitmix64(numbers: NDArray[np.integer]) -> NDArray[np.uint64]:
    """The outputs of SplitMix64 (Steele, Lea and Flood, 2014) at positions of its sequence.

    Args:
        numbers: Positions, any shape.

    Returns:
        Of the same shape.
    """
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def uniform(shape: tuple[int, ...], *, seed: int) -> NDArray[np.float64]:
    """Uniform numbers in [-1, 1).

    Args:
        shape: Their shape.
        seed: 0 to 2^24 - 1; different seeds give different numbers up to 2^40 of them.
    """
    positions = (seed << 40) + np.arange(1, 1 + int(np.prod(shape)))
    bits = splitmix64(positions) >> np.uint64(11)
    values: NDArray[np.float64] = bits.astype(np.float64) * 2.0**-52 - 1.0
    return values.reshape(shape)
