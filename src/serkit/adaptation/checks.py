"""Checks of whole numbers, and their limits."""

from __future__ import annotations

import numpy as np

from serkit.errors import ProfileError

MAX_FEATURES = 1 << 16
MAX_HIDDEN = 4096
MAX_SEED = (1 << 24) - 1


def whole(noun: str, value: int, low: int, high: int) -> int:
    """Check a whole number, and return it as an `int`.

    Raises:
        ProfileError: It is not a whole number, or out of range.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:
        raise ProfileError(f"the {noun} is {value!r:.40}; expected a whole number, {low} to {high}")
    return int(value)
