"""Supported container formats: their suffixes and magic bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Container:
    """A container format.

    Attributes:
        name: Name in messages.
        demuxer: FFmpeg's name of its demuxer.
        suffixes: File name suffixes, in lower case.
        magics: Alternative signatures; each is a tuple of `(offset, bytes)` that must all match.
    """

    name: str
    demuxer: str
    suffixes: tuple[str, ...]
    magics: tuple[tuple[tuple[int, bytes], ...], ...]


WAV = Container("WAV", "wav", (".wav",), (((0, b"RIFF"), (8, b"WAVE")), ((0, b"RF64"),)))
FLAC = Container("FLAC", "flac", (".flac",), (((0, b"fLaC"),),))
OGG = Container("Ogg", "ogg", (".ogg", ".oga", ".opus", ".spx"), (((0, b"OggS"),),))
MP3 = Container(
    "MP3", "mp3", (".mp3",), (((0, b"\xff\xfb"),), ((0, b"\xff\xf3"),), ((0, b"\xff\xf2"),))
)
AAC = Container("AAC", "aac", (".aac",), (((0, b"\xff\xf1"),), ((0, b"\xff\xf9"),)))
AIFF = Container("AIFF", "aiff", (".aif", ".aiff", ".aifc"), (((0, b"FORM"), (8, b"AIF")),))
CAF = Container("CAF", "caf", (".caf",), (((0, b"caff"),),))
AU = Container("AU", "au", (".au",), (((0, b".snd"),),))
MP4 = Container("MP4/M4A", "mov", (".m4a", ".m4b", ".mp4", ".3gp"), (((4, b"ftyp"),),))
MATROSKA = Container(
    "WebM/Matroska", "matroska", (".webm", ".mka", ".mkv"), (((0, b"\x1a\x45\xdf\xa3"),),)
)
ASF = Container("WMA/ASF", "asf", (".wma",), (((0, b"\x30\x26\xb2\x75"),),))
AMR = Container("AMR", "amr", (".amr",), (((0, b"#!AMR"),),))

CONTAINERS = (WAV, FLAC, OGG, MP3, AAC, AIFF, CAF, AU, MP4, MATROSKA, ASF, AMR)

SUFFIXES = tuple(suffix for container in CONTAINERS for suffix in container.suffixes)
"""Suffixes of audio files, in lower case with their dot."""

HEAD_BYTES = 16
"""Bytes of a file that `container_of` and `tag_length` need."""


def container_of(head: bytes) -> Container | None:
    """The container format by its magic bytes; None if it is not in `CONTAINERS`.

    Args:
        head: The first `HEAD_BYTES` of the file, or after its ID3 tag.
    """
    for container in CONTAINERS:
        for magic in container.magics:
            if all(head[at : at + len(expected)] == expected for at, expected in magic):
                return container
    return None


def tag_length(head: bytes) -> int:
    """Length in bytes of the ID3v2 tag at the start of a file; 0 without one.

    The size is four bytes of seven bits each (https://id3.org/id3v2.4.0-structure, 3.1).

    Args:
        head: The first `HEAD_BYTES` of the file.
    """
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    has_footer = bool(head[5] & 0x10)
    return 10 + size + (10 if has_footer else 0)
