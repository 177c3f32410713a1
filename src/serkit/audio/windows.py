"""Cut a stream into windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from serkit.audio.reading import SAMPLE_RATE
from serkit.errors import AudioError

WINDOW_S = 8.0
"""Default length of a window in seconds (Ismail, V.C)."""

MIN_WINDOW_S, MAX_WINDOW_S = 0.5, 60.0

_REST = 0.25
"""A remainder shorter than this share of a window is appended to the window before it."""


def windows(
    blocks: Iterable[NDArray[np.float32]],
    *,
    window_s: float = WINDOW_S,
    hop_s: float | None = None,
    rate: int = SAMPLE_RATE,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Cut a stream into windows.

    A remainder shorter than a quarter of a window is appended to the last one, so a window lasts a
    quarter to five quarters of `window_s` unless the recording is shorter. The last window ends
    with the recording. At most one window and one block are held in memory.

    Args:
        blocks: Consecutive parts of a stream, shape `[..., n]`: samples, or frames.
        window_s: Length of a window in seconds, 0.5 to 60.
        hop_s: Distance between the starts of windows in seconds, at most `window_s`; None for
            windows that do not overlap.
        rate: Samples or frames per second.

    Yields:
        The position of the first sample or frame, and the window, shape `[..., n]`.

    Raises:
        AudioError: `window_s` or `hop_s` is out of range.
    """
    hop_s = window_s if hop_s is None else hop_s
    if not MIN_WINDOW_S <= window_s <= MAX_WINDOW_S:
        raise AudioError(
            f"the window is {window_s:g} s; expected {MIN_WINDOW_S:g} to {MAX_WINDOW_S:g} s"
        )
    if not 0.5 / rate < hop_s <= window_s:
        raise AudioError(f"the hop is {hop_s:g} s; expected more than 0 and at most the window")
    window, hop = round(window_s * rate), round(hop_s * rate)
    longest = window + round(_REST * window_s * rate)
    held: NDArray[np.float32] | None = None
    start = 0
    for block in blocks:
        held = block if held is None else np.concatenate((held, block), axis=-1)
        while held.shape[-1] >= longest:
            yield start, held[..., :window]
            held = held[..., hop:]
            start += hop
    if held is not None and held.shape[-1]:
        yield start, held
