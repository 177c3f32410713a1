"""Where to cut speech that is too long to be transcribed at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LONGEST_S, SHORTEST_S = 30, 20
"""Length of a part, in seconds: Whisper takes 30 s."""

_QUIET_S = 0.2


def quietest(content: Array, rate: int) -> int:
    """Where to end the first part: the middle of its quietest 0.2 s between 20 and 30 s.

    Args:
        content: Samples `[n]`, or log-mel frames `[80, n]`; more than 30 s.
        rate: Samples or frames per second.

    Returns:
        Index of the sample or frame after the last.
    """
    first, last = SHORTEST_S * rate, LONGEST_S * rate
    late = content[..., first:last]
    levels = late**2 if late.ndim == 1 else late.mean(axis=0)
    width = round(_QUIET_S * rate)
    sums = np.concatenate(([0.0], np.cumsum(levels, dtype=np.float64)))
    return first + int((sums[width:] - sums[:-width]).argmin()) + width // 2


def parts_of(content: Array, rate: int) -> list[Array]:
    """Parts of at most 30 s, which together are the whole; at least one.

    Args:
        content: As for `quietest`, of any length.
        rate: As there.
    """
    parts = []
    while content.shape[-1] > LONGEST_S * rate:
        end = quietest(content, rate)
        parts.append(content[..., :end])
        content = content[..., end:]
    return [*parts, content]
