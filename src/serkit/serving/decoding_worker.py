"""A process that decodes recordings and runs small models for the server, and may die alone.

Started by `serkit.serving.decoding`:
`python -m serkit.serving.decoding_worker MAX_S MEMORY_MB [MODEL ...]`, with a socket as standard
input. It reads no file but those of the models and opens no address.
"""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import BinaryIO, cast

import numpy as np

from serkit.audio import TooLongError, stream
from serkit.audio.decoding import TruncatedError, decode_live
from serkit.codec import Decoding, read_packet, split
from serkit.codec.frontend import BLOCK_FRAMES
from serkit.codec.packets import FRAMES_PER_SECOND, Packet, StoredBytes
from serkit.codec.payloads import decode_payloads
from serkit.errors import AudioError, MissingExtraError, ModelError, PacketError
from serkit.runtime import Backend, load_backend
from serkit.runtime.sources import is_packets
from serkit.serving.messages import Kind, message, packed, reader, receive, send, unpacked

CHANNEL = struct.Struct("<i")
LENGTH = struct.Struct("<I")


def main() -> None:
    """Answer requests until the server closes the socket."""
    max_s, memory_mb = map(float, sys.argv[1:3])
    _limit(int(memory_mb * 1e6))
    models = [load_backend(name) for name in sys.argv[3:]]
    with (
        socket.socket(fileno=0) as sock,
        reader(sock) as requests,
        contextlib.suppress(EOFError, ConnectionError),
    ):
        send(sock, Kind.DONE)  # it has started
        while True:
            kind, content = receive(requests)
            if kind is Kind.PAYLOADS:
                _decode_payloads(sock, bytes(content))
                continue
            if kind is Kind.LIVE:
                _decode_live(sock, requests)
                continue
            if kind is Kind.WINDOWS:
                _classify(sock, models, content)
                continue
            (channel,) = CHANNEL.unpack_from(content)
            recording = bytes(content[CHANNEL.size :])
            del content
            try:
                if is_packets(recording):
                    _decode_packets(sock, recording, max_s)
                else:
                    _decode_sound(sock, recording, None if channel < 0 else channel, max_s)
            except TooLongError as error:
                send(sock, Kind.TOO_LONG, str(error).encode())
            except AudioError as error:
                send(sock, Kind.AUDIO_ERROR, str(error).encode())
            except PacketError as error:
                send(sock, Kind.PACKET_ERROR, str(error).encode())


def _limit(memory_bytes: int) -> None:
    """Take no more than a budget of memory, write no file, and leave no core dump."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # the limit is lower already
            resource.setrlimit(what, (most, most))


def _decode_sound(sock: socket.socket, recording: bytes, channel: int | None, max_s: float) -> None:
    truncated: list[str] = []
    for block in stream(
        io.BytesIO(recording), on_truncated=truncated.append, channel=channel, max_s=max_s
    ):
        send(sock, Kind.SAMPLES, block.astype("<f4", copy=False).tobytes())
    for line in truncated:
        send(sock, Kind.TRUNCATED, line.encode())
    send(sock, Kind.DONE, b"\1")


def _decode_packets(sock: socket.socket, recording: bytes, max_s: float) -> None:
    most = int(max_s * FRAMES_PER_SECOND)
    # Before anything is decoded: a packet of 20 bytes may hold 30 s.
    _refuse_long(sum(n_frames(read_packet(packet)) for packet in split(recording)), most)
    decoding = Decoding(StoredBytes(io.BytesIO(recording)))
    n_decoded = 0
    for block in decoding.blocks():
        n_decoded += block.shape[1]
        _refuse_long(n_decoded, most)
        frames = np.ascontiguousarray(block, "<f4").tobytes()
        send(sock, Kind.FRAMES, LENGTH.pack(decoding.concealed), frames)
    send(sock, Kind.DONE, bytes([decoding.complete]))


class _Chunks:
    """The chunks of a live recording as a file; it tells the server when it needs the next."""

    def __init__(self, sock: socket.socket, requests: io.BufferedReader) -> None:
        self._socket = sock
        self._requests = requests
        self._rest = b""
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        while not self._rest and not self._ended:
            send(self._socket, Kind.DONE)
            kind, content = receive(self._requests)
            self._ended = kind is Kind.END
            self._rest = bytes(content)
        size = len(self._rest) if size < 0 else size
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _decode_live(sock: socket.socket, requests: io.BufferedReader) -> None:
    try:
        with ExitStack() as resources:
            decoded = decode_live(cast("BinaryIO", _Chunks(sock, requests)), resources)
            for block in decoded.blocks:
                samples = block.astype("<f4", copy=False).tobytes()
                send(sock, Kind.LIVE_SAMPLES, LENGTH.pack(decoded.rate), samples)
    except TruncatedError as error:  # what was decoded has been sent
        send(sock, Kind.TRUNCATED, str(error).encode())
    except (AudioError, MissingExtraError) as error:
        send(sock, Kind.AUDIO_ERROR, str(error).encode())
        return
    send(sock, Kind.DONE)


def n_frames(packet: Packet) -> int:
    """Frames of a packet, by its header."""
    return BLOCK_FRAMES if packet.n_frames is None else packet.n_frames


def _refuse_long(n_decoded: int, most: int) -> None:
    if n_decoded > most:
        raise TooLongError(
            f"the recording lasts more than {most / FRAMES_PER_SECOND:g} s; expected at most that"
        )


def _decode_payloads(sock: socket.socket, content: bytes) -> None:
    packets, place = [], 0
    while place < len(content):
        (length,) = LENGTH.unpack_from(content, place)
        place += LENGTH.size + length
        packets.append(read_packet(content[place - length : place]))
    try:
        decoded: list[np.ndarray | PacketError] = list(decode_payloads(packets))
    except PacketError:
        decoded = [_alone(packet) for packet in packets]
    answers = []
    for frames in decoded:
        if isinstance(frames, PacketError):
            answers.append(message(Kind.PACKET_ERROR, str(frames).encode()))
        else:
            values = np.ascontiguousarray(frames, "<f4").tobytes()
            answers.append(message(Kind.FRAMES, LENGTH.pack(0), values))
    sock.sendall(b"".join((*answers, message(Kind.DONE, b"\1"))))


def _classify(sock: socket.socket, models: Sequence[Backend], content: bytearray) -> None:
    (number,) = LENGTH.unpack_from(content)
    try:
        outputs = models[number].outputs(list(unpacked(content, LENGTH.size)))
    except ModelError as error:
        send(sock, Kind.MODEL_ERROR, str(error).encode())
        return
    parts = (outputs.logits, outputs.embeddings, outputs.distances, outputs.dimensions)
    empty = np.zeros(0, np.float32)
    answer = message(Kind.OUTPUTS, *packed([empty if part is None else part for part in parts]))
    sock.sendall(answer + message(Kind.DONE, b"\1"))


def _alone(packet: Packet) -> np.ndarray | PacketError:
    try:
        return decode_payloads([packet])[0]
    except PacketError as error:
        return error


if __name__ == "__main__":
    main()
