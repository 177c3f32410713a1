"""Packets and their bytes, as specified in `docs/packet-format.md`."""

from __future__ import annotations

import binascii
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO, Protocol

from serkit.errors import PacketError

MAGIC = 0xA
VERSION = 1
COMPACT_VERSION = 2
SEQUENCES = 1 << 13
"""Sequence numbers are counted modulo this."""

COMPACT_SEQUENCES = 1 << 10
"""Sequence numbers of compact packets are counted modulo this."""

MAX_PAYLOAD = 1 << 20
"""Bytes per payload at most."""

FRAMES_PER_SECOND = 100

MAX_FRAMES = 30 * FRAMES_PER_SECOND
"""Frames per packet at most: the input of Whisper's encoder."""

_TIMED, _SIZED, _LAST = 1 << 13, 1 << 14, 1 << 15
_CHECKSUM, _COMPACT_CHECKSUM = 4, 2
_PEAK_UNIT = 256.0


class Mode(IntEnum):
    """The coding of a payload."""

    SVD = 0
    SVDQ = 1
    BASIS = 2


FIRST_BYTES = frozenset(
    bytes([MAGIC << 4 | version << 2 | rest])
    for version, rests in ((VERSION, Mode), (COMPACT_VERSION, range(4)))
    for rest in rests
)
"""First bytes of packets; no audio format begins with one of them."""


@dataclass(frozen=True, slots=True)
class Packet:
    """Coded log-mel frames with their header.

    Attributes:
        mode: Coding of the payload.
        sequence: Sequence number, 0 to `SEQUENCES - 1` (`COMPACT_SEQUENCES - 1` if compact): of the
            first block in `Mode.BASIS`, of the packet in the other modes.
        payload: The coded frames.
        start_frame: Start in frames of 10 ms from the beginning of the stream; None if it follows
            from the sequence number.
        basis: First four bytes of the hash of the basis, in `Mode.BASIS` with a `start_frame`; else
            empty.
        n_frames: Number of frames; None for one block of `Mode.BASIS`.
        peak: Largest log-mel value of the stream in steps of 1/256, in its last packet; else None.
        compact: With a header of version 2, which is three bytes shorter, for `Mode.BASIS` without
            start, number of frames and peak.
    """

    mode: Mode
    sequence: int
    payload: bytes
    start_frame: int | None = None
    basis: bytes = b""
    n_frames: int | None = None
    peak: float | None = None
    compact: bool = False

    def to_bytes(self) -> bytes:
        """The packet's bytes."""
        if self.compact:
            first = MAGIC << 12 | COMPACT_VERSION << 10 | self.sequence
            content = struct.pack(">H", first) + _varint(len(self.payload)) + self.payload
            return content + struct.pack("<H", binascii.crc_hqx(content, 0))
        flags = _TIMED * (self.start_frame is not None) | _SIZED * (self.n_frames is not None)
        flags |= _LAST * (self.peak is not None)
        parts = [
            bytes([MAGIC << 4 | VERSION << 2 | self.mode]),
            struct.pack("<H", self.sequence | flags),
        ]
        if self.start_frame is not None:
            parts.append(_varint(self.start_frame))
            if self.mode is Mode.BASIS:
                parts.append(self.basis)
        if self.n_frames is not None:
            parts.append(_varint(self.n_frames))
        if self.peak is not None:
            parts.append(struct.pack("<h", round(self.peak * _PEAK_UNIT)))
        parts += [_varint(len(self.payload)), self.payload]
        content = b"".join(parts)
        return content + struct.pack("<I", zlib.crc32(content))

    @property
    def start_s(self) -> float | None:
        """Start in seconds; None without a `start_frame`."""
        return None if self.start_frame is None else self.start_frame / FRAMES_PER_SECOND


class Content(Protocol):
    """Bytes, or an object that is sliced like them, such as `StoredBytes`."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice, /) -> bytes: ...


class StoredBytes:
    """The content of an open file, read on demand.

    Args:
        file: A readable, seekable file of constant length.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: slice, /) -> bytes:
        start, stop, _ = place.indices(self._length)
        self._file.seek(start)
        return self._file.read(max(0, stop - start))


def read_packet(content: bytes) -> Packet:
    """Read one packet.

    Args:
        content: The bytes of exactly one packet.

    Raises:
        PacketError: They are not a packet, of another version, cut off or damaged.
    """
    packet, end = _read(content, 0)
    if end != len(content):
        raise PacketError(f"{len(content) - end} bytes follow the packet; expected one packet")
    return packet


def split(stream: Content) -> Iterator[bytes]:
    """Split a file into its packets.

    Args:
        stream: Consecutive packets.

    Yields:
        The bytes of each packet.

    Raises:
        PacketError: There is no packet, or the next one is damaged or cut off.
    """
    if not len(stream):
        raise PacketError("the file holds no packet")
    place = 0
    while place < len(stream):
        _, end = _read(stream, place)
        yield stream[place:end]
        place = end


def _read(content: Content, start: int) -> tuple[Packet, int]:
    """The packet that starts at a byte, and the byte after its end."""
    where = f" at byte {start}" if start else ""

    def take(place: int, length: int) -> bytes:
        if place + length > len(content):
            raise PacketError(
                f"the packet{where} is cut off: {len(content) - start} bytes, expected at least "
                f"{place + length - start}"
            )
        return content[place : place + length]

    def varint(place: int) -> tuple[int, int]:
        value = 0
        for i in range(5):
            byte = take(place + i, 1)[0]
            value |= (byte & 0x7F) << (7 * i)
            if i and not byte:
                raise PacketError(f"the packet{where} has a varint that ends with a zero byte")
            if byte < 0x80:
                return value, place + i + 1
        raise PacketError(f"the packet{where} has a varint of more than 5 bytes")

    first = take(start, 1)[0]
    if first >> 4 != MAGIC:
        raise PacketError(
            f"not a packet{where}: the first byte is 0x{first:02x}; expected 0xa4 to 0xab"
        )
    version = first >> 2 & 3
    if version not in (VERSION, COMPACT_VERSION):
        raise PacketError(
            f"the packet{where} has version {version}; this serkit reads {VERSION} and "
            f"{COMPACT_VERSION}"
        )
    compact = version == COMPACT_VERSION
    start_frame, basis, n_frames, peak = None, b"", None, None
    if compact:
        mode, flags = Mode.BASIS, (first & 3) << 8 | take(start + 1, 1)[0]
        place = start + 2
    else:
        if first & 3 not in Mode.__members__.values():
            raise PacketError(f"the packet{where} has the unknown mode {first & 3}")
        mode = Mode(first & 3)
        (flags,) = struct.unpack("<H", take(start + 1, 2))
        place = start + 3
    if flags & _TIMED:
        start_frame, place = varint(place)
        if mode is Mode.BASIS:
            basis = take(place, 4)
            place += 4
    if flags & _SIZED:
        n_frames, place = varint(place)
    if flags & _LAST:
        peak = struct.unpack("<h", take(place, 2))[0] / _PEAK_UNIT
        place += 2
    length, place = varint(place)
    if length > MAX_PAYLOAD:
        raise PacketError(
            f"the packet{where} announces a payload of {length} bytes; expected at most "
            f"{MAX_PAYLOAD}"
        )
    payload = take(place, length)
    place += length
    end = place + (_COMPACT_CHECKSUM if compact else _CHECKSUM)
    checksum = int.from_bytes(take(place, end - place), "little")
    checked = content[start:place]
    if checksum != (binascii.crc_hqx(checked, 0) if compact else zlib.crc32(checked)):
        raise PacketError(f"the packet{where} is damaged: its checksum does not match")
    packet = Packet(mode, flags % SEQUENCES, payload, start_frame, basis, n_frames, peak, compact)
    return packet, end


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
