"""Audio input: decoding to 16 kHz mono float32, trimming, peak normalisation and windows."""

from serkit.audio.formats import SUFFIXES
from serkit.audio.hashing import ContentHash, content_hash
from serkit.audio.preprocessing import normalise_peak, pre_emphasis, trim
from serkit.audio.reading import (
    SAMPLE_RATE,
    Source,
    TooLongError,
    channel_count,
    read,
    stream,
)
from serkit.audio.windows import MAX_WINDOW_S, MIN_WINDOW_S, WINDOW_S, windows

__all__ = [
    "MAX_WINDOW_S",
    "MIN_WINDOW_S",
    "SAMPLE_RATE",
    "SUFFIXES",
    "WINDOW_S",
    "ContentHash",
    "Source",
    "TooLongError",
    "channel_count",
    "content_hash",
    "normalise_peak",
    "pre_emphasis",
    "read",
    "stream",
    "trim",
    "windows",
]
