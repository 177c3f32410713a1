"""Messages between the server and its decoding workers, over a socket.

A message is its kind (one byte), the length of its content (4 bytes, little-endian) and the
content. Nothing is pickled: a worker that was taken over by a recording can send wrong samples, but
run no code in the server.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from io import BufferedReader
from typing import cast

import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<BI")
_SHAPE = struct.Struct("<II")

MAX_BYTES = 1 << 28
"""Content of a message at most."""


class Kind(IntEnum):
    """Kinds of messages.

    Attributes:
        RECORDING: To a worker: the number of a channel or -1 (`<i`), and the bytes of a file.
        PAYLOADS: To a worker: packets, each after its length (`<I`).
        SAMPLES: The next samples, float32, little-endian.
        FRAMES: The number of frames interpolated so far (`<I`), and frames `[80, n]`, float32.
        TRUNCATED: How much of the recording could be read, as text.
        AUDIO_ERROR: The message of an `AudioError`.
        PACKET_ERROR: The message of a `PacketError`.
        TOO_LONG: The message of a `TooLongError`.
        DONE: The end; 1 if the last packet of a stream was there, else 0. Of a live recording:
            nothing more can be decoded from what was sent.
        LIVE: To a worker: a live recording begins.
        CHUNK: To a worker: the next bytes of it.
        END: To a worker: it has ended.
        LIVE_SAMPLES: The sampling rate (`<I`), and the next samples at that rate, float32.
        WINDOWS: To a worker: the number of a model (`<I`), and windows, as `packed` arrays.
        OUTPUTS: Those of the model, as `packed` arrays; those it has not are empty.
        MODEL_ERROR: The message of a `ModelError`.
    """

    RECORDING = 0
    PAYLOADS = 1
    SAMPLES = 2
    FRAMES = 3
    TRUNCATED = 4
    AUDIO_ERROR = 5
    PACKET_ERROR = 6
    TOO_LONG = 7
    DONE = 8
    LIVE = 9
    CHUNK = 10
    END = 11
    LIVE_SAMPLES = 12
    WINDOWS = 13
    OUTPUTS = 14
    MODEL_ERROR = 15


def message(kind: Kind, *parts: bytes | memoryview) -> bytes:
    """A message whose content is the concatenation of parts."""
    return b"".join((_HEADER.pack(kind, sum(map(len, parts))), *parts))


def send(sock: socket.socket, kind: Kind, *parts: bytes | memoryview) -> None:
    """Send a `message`."""
    sock.sendall(message(kind, *parts))


def reader(sock: socket.socket) -> BufferedReader:
    """A buffer, so that several short messages take one call of the system."""
    return cast("BufferedReader", sock.makefile("rb", buffering=1 << 18))


def receive(messages: BufferedReader) -> tuple[Kind, bytearray]:
    """The kind and content of the next message of a `reader`.

    Raises:
        EOFError: The other side has gone.
        ValueError: It sent no message.
    """
    number, length = _HEADER.unpack(_exactly(messages, _HEADER.size))
    if length > MAX_BYTES:
        raise ValueError(f"a message of {length} bytes; expected at most {MAX_BYTES}")
    return Kind(number), _exactly(messages, length)


def _exactly(messages: BufferedReader, length: int) -> bytearray:
    content = bytearray(length)
    if messages.readinto(content) != length:
        raise EOFError
    return content


def packed(arrays: Sequence[NDArray[np.float32]]) -> list[bytes]:
    """Arrays `[n]` or `[m, n]` as parts of a message: their shapes and values."""
    parts = []
    for array in arrays:
        rows = 0 if array.ndim == 1 else array.shape[0]
        parts += [_SHAPE.pack(rows, array.shape[-1]), array.astype("<f4", copy=False).tobytes()]
    return parts


def unpacked(content: bytearray, start: int = 0) -> Iterator[NDArray[np.float32]]:
    """The arrays of `packed`, from a byte on.

    Raises:
        ValueError: There are none.
        struct.error: Likewise.
    """
    while start < len(content):
        rows, width = _SHAPE.unpack_from(content, start)
        start += _SHAPE.size
        n = width * (rows or 1)
        array = np.frombuffer(content, "<f4", n, start)
        start += array.nbytes
        yield array.reshape(rows, width) if rows else array
