"""Matrices as PNG images, without a plotting library."""

from __future__ import annotations

import struct
import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

# Dark violet, red, pale yellow: perceptually uniform in lightness, readable in greyscale.
_ANCHORS = (
    (5, 4, 22),
    (63, 15, 114),
    (140, 41, 129),
    (222, 73, 104),
    (254, 159, 109),
    (252, 253, 191),
)


@cache
def _palette() -> bytes:
    at = np.linspace(0, len(_ANCHORS) - 1, 256)
    channels = [
        np.interp(at, range(len(_ANCHORS)), channel) for channel in zip(*_ANCHORS, strict=True)
    ]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()


def png(picture: NDArray[np.float32]) -> bytes:
    """Render a matrix, small values dark, row 0 at the bottom.

    Args:
        picture: Shape `[n_rows, n_columns]`, finite; the palette spans its minimum to maximum.

    Returns:
        A paletted PNG of `n_columns x n_rows` pixels.
    """
    low, high = float(picture.min()), float(picture.max())
    levels = (picture - low) * (255.0 / (high - low) if high > low else 0.0)
    pixels = np.flipud(levels).round().astype(np.uint8)
    n_rows, n_columns = pixels.shape
    scanlines = np.zeros((n_rows, n_columns + 1), np.uint8)  # each begins with filter type 0
    scanlines[:, 1:] = pixels

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", n_columns, n_rows, 8, 3, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"PLTE", _palette()),
            chunk(b"IDAT", zlib.compress(scanlines.tobytes(), 9)),
            chunk(b"IEND", b""),
        )
    )
