"""Whether a file is as long as its own headers say, where libsndfile does not tell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, Literal

from serkit.audio.formats import AIFF, AU, CAF, OGG, WAV, Container

_MOST_CHUNKS = 1000

# Lengths from here on stand for "unknown": FFmpeg writes 2^32 - 1 to a pipe, SoX nearly 2^31.
_UNKNOWN_BYTES = 0x7FFF_0000

# A writer may count a few bytes too many; a cut this small is no loss.
_TOLERATED_BYTES = 64

_LARGEST_PAGE = 27 + 255 + 255 * 255


def present_share(file: BinaryIO, container: Container | None) -> float:
    """How much of the sound data that it announces a WAV, AIFF, CAF, AU or Ogg file holds.

    libsndfile takes what is there for the whole. An Ogg file does not say how long it should be:
    one whose last page is incomplete has a share just below 1.

    Args:
        file: Open for reading; its position changes.
        container: What kind of file it is.

    Returns:
        Above 0, and 1 for a complete file, an unknown length or another container.
    """
    end = file.seek(0, os.SEEK_END)
    if container is WAV:
        start, size = _chunk(file, 12, b"data", "little")
        if size == 0xFFFF_FFFF:  # RF64: the real size stands in the first chunk (EBU Tech 3306)
            file.seek(28)
            size = int.from_bytes(file.read(8), "little")
    elif container is AIFF:
        start, size = _chunk(file, 12, b"SSND", "big")
    elif container is CAF:
        start, size = _chunk(file, 8, b"data", "big", size_bytes=8)
    elif container is AU:
        file.seek(4)
        start, size = int.from_bytes(file.read(4), "big"), int.from_bytes(file.read(4), "big")
    else:
        return _last_page_share(file, end) if container is OGG else 1.0
    present, is_known = end - start, size < _UNKNOWN_BYTES
    return present / size if is_known and 0 < present < size - _TOLERATED_BYTES else 1.0


def chunks_fit(file: BinaryIO) -> bool:
    """Whether every chunk of a WAV file, but its sound, lies within the file.

    Args:
        file: Open for reading; its position changes.
    """
    end = file.seek(0, os.SEEK_END)
    return all(
        name == b"data" or start + size <= end for name, start, size in _chunks(file, 12, "little")
    )


def _chunk(
    file: BinaryIO, place: int, name: bytes, order: Literal["little", "big"], *, size_bytes: int = 4
) -> tuple[int, int]:
    """Where the content of a chunk starts and how long it says it is; `(0, 0)` if there is none."""
    for found, start, size in _chunks(file, place, order, size_bytes=size_bytes):
        if found == name:
            return start, size
    return 0, 0


def _chunks(
    file: BinaryIO, place: int, order: Literal["little", "big"], *, size_bytes: int = 4
) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and announced length of each chunk.

    Args:
        file: Open for reading.
        place: Where the first chunk starts.
        order: Of the bytes of a size, `little` or `big`.
        size_bytes: Length of a size.
    """
    end = file.seek(0, os.SEEK_END)
    for _ in range(_MOST_CHUNKS):
        if place >= end:  # a place beyond all files is no place to go to
            return
        file.seek(place)
        header = file.read(4 + size_bytes)
        if len(header) < 4 + size_bytes:
            return
        size = int.from_bytes(header[4:], order)
        place += len(header)
        yield header[:4], place, size
        place += size + (size % 2 if size_bytes == 4 else 0)


def _last_page_share(file: BinaryIO, end: int) -> float:
    """How much of an Ogg file is there: nearly all if its last page is incomplete (RFC 3533, 6)."""
    file.seek(max(0, end - _LARGEST_PAGE))
    tail = file.read(_LARGEST_PAGE)
    start = tail.rfind(b"OggS")
    page = tail[max(0, start) :]
    # Byte 26 counts the segments, whose lengths follow.
    n_segments = page[26] if len(page) > 26 else 0
    size = 27 + n_segments + sum(page[27 : 27 + n_segments])
    return 1.0 if start >= 0 and size <= len(page) else end / (end + 1)
