"""A stream of samples cut into the windows that a model looks at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from serkit.audio.reading import SAMPLE_RATE

WINDOW_S = 8.0
"""Length of a window in seconds (Ismail, V.C)."""

MIN_WINDOW_S = 2.0
"""A remainder shorter than this joins the window before it."""


def windows(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Cut a stream into consecutive windows of 8 s.

    A remainder shorter than 2 s is appended to the last window, so a window lasts 2 to 10 s
    unless the whole recording is shorter. No more than 10 s and one block are held at a time.

    Args:
        blocks: Consecutive stretches of 16 kHz samples, as from `serkit.audio.stream`.

    Yields:
        Windows of shape `[n_samples]`, in order, that together are the whole stream.
    """
    window = round(WINDOW_S * SAMPLE_RATE)
    longest = window + round(MIN_WINDOW_S * SAMPLE_RATE)
    held = np.zeros(0, np.float32)
    for block in blocks:
        held = np.concatenate((held, block))
        while len(held) >= longest:
            yield held[:window]
            held = held[window:]
    if len(held):
        yield held
