"""Checks of whole numbers and of vectors, and their limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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


def finite_rows(vectors: NDArray[np.floating], width: int) -> NDArray[np.float64]:
    """Check vectors, and return them as float64.

    Args:
        vectors: Floats of shape `[n, width]`, finite.
        width: Number of features of each.

    Raises:
        ProfileError: The shape differs, they are not floats, or a number is not finite.
    """
    values = np.asarray(vectors)
    if values.ndim != 2 or values.shape[1] != width or values.dtype.kind != "f":
        raise ProfileError(
            f"the vectors are {values.dtype} of shape {list(values.shape)}; expected floats of "
            f"shape [n, {width}]"
        )
    if not np.isfinite(values).all():
        raise ProfileError("the vectors hold numbers that are not finite (NaN or infinite)")
    return values.astype(np.float64)
