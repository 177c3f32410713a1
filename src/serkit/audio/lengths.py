"""Truncation of audio files that libsndfile does not report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, Literal

from serkit.audio.formats import AIFF, AU, CAF, OGG, WAV, Container

_MOST_CHUNKS = 1000

# Larger lengths mean "unknown": FFmpeg writes 2^32 - 1 to a pipe, SoX nearly 2^31.
_UNKNOWN_BYTES = 0x7FFF_0000

# Some writers announce a few bytes too many.
_TOLERATED_BYTES = 64

_LARGEST_PAGE = 27 + 255 + 255 * 255


def present_share(file: BinaryIO, container: Container | None) -> float:
    """Share of the announced audio data that a WAV, AIFF, CAF, AU or Ogg file holds.

    libsndfile reads a truncated file without an error. An Ogg file announces no length: if its last
    page is incomplete, the share is just below 1.

    Args:
        file: Open for reading; its position changes.
        container: Its container format.

    Returns:
        In (0, 1]; 1 for a complete file, an unknown length or another container.
    """
    end = file.seek(0, os.SEEK_END)
    if container is WAV:
        start, size = _chunk(file, 12, b"data", "little")
        if size == 0xFFFF_FFFF:  # RF64: the size is in the first chunk (EBU Tech 3306)
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
    """Whether every chunk of a WAV file except its audio data lies within the file.

    Args:
        file: Open for reading; its position changes.
    """
    end = file.seek(0, os.SEEK_END)
    return all(
        name == b"data" or start + size <= end for name, start, size in _chunks(file, 12, "little")
    )


def _chunk(
    file: BinaryIO,
    offset: int,
    name: bytes,
    order: Literal["little", "big"],
    *,
    size_bytes: int = 4,
) -> tuple[int, int]:
    """Start and announced length of a chunk's content; `(0, 0)` if there is no such chunk."""
    for chunk_name, start, size in _chunks(file, offset, order, size_bytes=size_bytes):
        if chunk_name == name:
            return start, size
    return 0, 0


def _chunks(
    file: BinaryIO, offset: int, order: Literal["little", "big"], *, size_bytes: int = 4
) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and announced length of each chunk.

    Args:
        file: Open for reading.
        offset: Offset of the first chunk.
        order: Byte order of the sizes, `little` or `big`.
        size_bytes: Number of bytes of a size.
    """
    end = file.seek(0, os.SEEK_END)
    for _ in range(_MOST_CHUNKS):
        if offset >= end:  # may exceed what `seek` accepts
            return
        file.seek(offset)
        header = file.read(4 + size_bytes)
        if len(header) < 4 + size_bytes:
            return
        size = int.from_bytes(header[4:], order)
        offset += len(header)
        yield header[:4], offset, size
        offset += size + (size % 2 if size_bytes == 4 else 0)


def _last_page_share(file: BinaryIO, end: int) -> float:
    """1 if the last page of an Ogg file is complete, else just below 1 (RFC 3533, 6)."""
    file.seek(max(0, end - _LARGEST_PAGE))
    tail = file.read(_LARGEST_PAGE)
    start = tail.rfind(b"OggS")
    page = tail[max(0, start) :]
    # Byte 26 counts the segments, whose lengths follow.
    n_segments = page[26] if len(page) > 26 else 0
    size = 27 + n_segments + sum(page[27 : 27 + n_segments])
    return 1.0 if start >= 0 and size <= len(page) else end / (end + 1)
