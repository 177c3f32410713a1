"""The containers that serkit reads: their suffixes and first bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Container:
    """A kind of audio file.

    Attributes:
        name: What people call it.
        suffixes: Of its file names, in lower case.
        magic: Its first bytes, and where they stand: `(offset, bytes)`; all of them must match.
        demuxer: FFmpeg's name of it.
        libsndfile: libsndfile's names of it; empty if libsndfile does not read it.
    """

    name: str
    suffixes: tuple[str, ...]
    magic: tuple[tuple[int, bytes], ...]
    demuxer: str
    libsndfile: tuple[str, ...] = ()


CONTAINERS = (
    Container(
        "WAV", (".wav",), ((0, b"RIFF"), (8, b"WAVE")), "wav", ("WAV", "WAVEX", "RF64", "W64")
    ),
    Container("FLAC", (".flac",), ((0, b"fLaC"),), "flac", ("FLAC",)),
    Container("Ogg", (".ogg", ".oga", ".opus", ".spx"), ((0, b"OggS"),), "ogg", ("OGG",)),
    Container("MP3", (".mp3",), ((0, b"ID3"),), "mp3", ("MP3",)),
    Container("MP3", (), ((0, b"\xff\xfb"),), "mp3", ("MP3",)),
    Container("MP3", (), ((0, b"\xff\xf3"),), "mp3", ("MP3",)),
    Container("MP3", (), ((0, b"\xff\xf2"),), "mp3", ("MP3",)),
    Container("AIFF", (".aif", ".aiff", ".aifc"), ((0, b"FORM"), (8, b"AIF")), "aiff", ("AIFF",)),
    Container("CAF", (".caf",), ((0, b"caff"),), "caf", ("CAF",)),
    Container("AU", (".au",), ((0, b".snd"),), "au", ("AU",)),
    Container("MP4/M4A", (".m4a", ".m4b", ".mp4", ".3gp"), ((4, b"ftyp"),), "mov"),
    Container("WebM/Matroska", (".webm", ".mka", ".mkv"), ((0, b"\x1a\x45\xdf\xa3"),), "matroska"),
    Container("AAC", (".aac",), ((0, b"\xff\xf1"),), "aac"),
    Container("AAC", (), ((0, b"\xff\xf9"),), "aac"),
    Container("WMA/ASF", (".wma",), ((0, b"\x30\x26\xb2\x75"),), "asf"),
    Container("AMR", (".amr",), ((0, b"#!AMR"),), "amr"),
)

SUFFIXES = tuple(suffix for container in CONTAINERS for suffix in container.suffixes)
"""Suffixes of audio files, in lower case with their dot."""

HEAD_BYTES = 16
"""How much of a file `container_of` needs."""


def container_of(head: bytes) -> Container | None:
    """The kind of file that begins with these bytes; None if it is none of `CONTAINERS`.

    Args:
        head: The first `HEAD_BYTES` of the file, or more.
    """
    for container in CONTAINERS:
        if all(head[at : at + len(magic)] == magic for at, magic in container.magic):
            return container
    return None
