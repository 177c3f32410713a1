"""Chunks of a stream -> events, as JSON values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from serkit.codec import read_packet, split
from serkit.codec.packets import FRAMES_PER_SECOND, Packet
from serkit.errors import AudioError, PacketError
from serkit.runtime import LiveStream
from serkit.runtime.events import Event
from serkit.runtime.timeline_text import event_object, overall_object
from serkit.serving.decoding import Array, LiveDecoder
from serkit.serving.decoding_worker import n_frames
from serkit.serving.refusals import RefusedError
from serkit.serving.sessions import error_event
from serkit.serving.stream_text import StreamText

MAX_ERRORS = 100
"""Damaged chunks of a stream at most."""

MAX_CHUNK_S = 60
"""Sound in the packets of a chunk at most: a packet of 8 bytes may hold 0.32 s."""

ENCODINGS: dict[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
"""Encodings of PCM by name."""


Frames = Array | PacketError
"""Of a packet: `log10` mel energies, shape `[80, n]`; or why it cannot be decoded."""


@dataclass(slots=True, eq=False)
class PacketChunk:
    """The packets of a chunk.

    Attributes:
        packets: Those before the first damaged one.
        error: Why that one cannot be read; None if all can.
        frames: Of each packet, once decoded.
    """

    packets: list[Packet]
    error: PacketError | None = None
    frames: list[Frames] = field(default_factory=list)

    @classmethod
    def read(cls, chunk: bytes) -> Self:
        """Read the headers of a chunk's packets.

        Raises:
            RefusedError: They hold too much sound.
        """
        read = cls([])
        try:
            read.packets += map(read_packet, split(chunk))
        except PacketError as error:
            read.error = error
        if sum(map(n_frames, read.packets)) > MAX_CHUNK_S * FRAMES_PER_SECOND:
            raise RefusedError(
                413,
                "too_large",
                f"the packets of a message last more than {MAX_CHUNK_S} s; send fewer at once",
            )
        return read


class _Feed:
    """The common part of all feeds.

    Args:
        stream: The stream.
        text: Its text; None without a recogniser of speech.

    Attributes:
        takes_packets: Whether its chunks are packets.
        text: As given.
    """

    takes_packets = False

    def __init__(self, stream: LiveStream, text: StreamText | None = None) -> None:
        self._stream = stream
        self.text = text
        self._n_errors = 0

    def finish(self) -> list[dict[str, Any]]:
        """End the stream."""
        return self._objects(self._stream.finish())

    def close(self) -> None:
        """Give back what it holds."""
        if self.text is not None:
            self.text.close()

    def overall(self) -> dict[str, Any]:
        """The answer so far."""
        overall = self._stream.overall()
        return {"duration_s": round(overall.duration_s, 6), **overall_object(overall)}

    def _objects(self, events: list[Event]) -> list[dict[str, Any]]:
        if self.text is not None:
            self.text.take(events)
        return [event_object(event) for event in events]

    def _dropped(self, code: str, error: Exception) -> dict[str, Any]:
        """The event of a damaged chunk.

        Raises:
            Exception: There were too many.
        """
        self._n_errors += 1
        if self._n_errors > MAX_ERRORS:
            raise error
        return error_event(code, str(error))


class PacketFeed(_Feed):
    """Chunks of one or more packets of the codec, which were decoded with those of others."""

    takes_packets = True

    def push(self, chunk: PacketChunk) -> list[dict[str, Any]]:
        """Take the packets of a chunk; what follows a damaged one is dropped with it."""
        events: list[dict[str, Any]] = []
        try:
            for packet, frames in zip(chunk.packets, chunk.frames, strict=True):
                if isinstance(frames, PacketError):
                    raise frames
                events += self._objects(self._stream.push_decoded(packet, frames))
            if chunk.error is not None:
                raise chunk.error
        except PacketError as error:
            events.append(self._dropped("packet", error))
        return events


class PcmFeed(_Feed):
    """Chunks of samples.

    Args:
        stream: The stream.
        encoding: `s16le` or `f32le`.
        rate: Sampling rate in Hz.
        n_channels: Channels, interleaved.
        text: As for the others.
    """

    def __init__(
        self,
        stream: LiveStream,
        encoding: str,
        rate: int,
        n_channels: int,
        text: StreamText | None = None,
    ) -> None:
        super().__init__(stream, text)
        self._type = ENCODINGS[encoding]
        self._rate = rate
        self._n_channels = n_channels

    def push(self, chunk: bytes) -> list[dict[str, Any]]:
        """Take the samples of a chunk; one that is damaged is dropped."""
        try:
            size = self._type.itemsize * self._n_channels
            if len(chunk) % size:
                raise AudioError(f"a chunk of {len(chunk)} bytes; expected a multiple of {size}")
            samples = np.frombuffer(chunk, self._type).reshape(-1, self._n_channels)
            return self._objects(self._stream.push(samples, rate=self._rate))
        except AudioError as error:
            return [self._dropped("audio", error)]


class OpusFeed(_Feed):
    """Chunks of an Ogg or WebM file that is being recorded; a damaged one ends the stream.

    Args:
        stream: The stream.
        decoder: The process that decodes it.
        text: As for the others.
    """

    def __init__(
        self, stream: LiveStream, decoder: LiveDecoder, text: StreamText | None = None
    ) -> None:
        super().__init__(stream, text)
        self._decoder = decoder

    def push(self, chunk: bytes) -> list[dict[str, Any]]:
        """Take the next bytes."""
        return self._pushed(self._decoder.push(chunk))

    def finish(self) -> list[dict[str, Any]]:
        """End the stream."""
        events = self._pushed(self._decoder.finish())
        self._decoder.close()
        return events + super().finish()

    def close(self) -> None:
        """End the process."""
        super().close()
        self._decoder.close()

    def _pushed(self, parts: list[tuple[Array, int]]) -> list[dict[str, Any]]:
        return [
            event
            for part, rate in parts
            for event in self._objects(self._stream.push(part, rate=rate))
        ]
