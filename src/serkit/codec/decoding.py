"""A file of packets -> normalised log-mel, block by block or as one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import Basis
from serkit.codec.decoder import Decoder
from serkit.codec.frontend import BLOCK_FRAMES
from serkit.codec.packet_file import PacketFile
from serkit.codec.packets import FRAMES_PER_SECOND, Content, read_packet
from serkit.errors import PacketError
from serkit.features.whisper import normalised

Array = NDArray[np.float32]

MAX_HOURS = 6
"""Longest stream that is decoded into one array, in hours."""

# Batches of packets: many short ones at once are faster, and long ones are bounded by their frames
# (chosen by hand).
_BATCH_PACKETS = 64
_BATCH_FRAMES = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A decoded file of packets.

    Attributes:
        log_mel: Input of Whisper's encoder, shape `[80, n_frames]`, float32.
        packets: Number of packets.
        concealed: Missing frames that were interpolated.
        first_frame: Position of the first frame in the sender's stream: 0 unless more than the
            first 10 s are missing; None if no packet gives its start.
    """

    log_mel: Array
    packets: int
    concealed: int
    first_frame: int | None


def decode(stream: Content, *, basis: Basis | None = None) -> Decoded:
    """Decode a file of packets.

    Args:
        stream: Packets of one stream in any order that `PacketFile` can sort; some may be missing.
        basis: The shipped basis if None.

    Raises:
        PacketError: A packet is damaged or of another basis; the file holds several streams, or too
            many packets out of order; more is missing than `Decoder` allows; or it lasts more than
            6 hours, which takes `Decoding`.
    """
    decoding = Decoding(stream, basis=basis)
    parts, n_frames = [], 0
    for part in decoding.blocks():
        parts.append(part)
        n_frames += part.shape[1]
        if n_frames > MAX_HOURS * 3600 * FRAMES_PER_SECOND:
            raise PacketError(
                f"the file lasts more than {MAX_HOURS} hours; decode it block by block with "
                "serkit.codec.Decoding"
            )
    log_mel = np.concatenate(parts, axis=1)
    return Decoded(log_mel, decoding.n_packets, decoding.concealed, decoding.first_frame)


class Decoding:
    """Decodes a file of any length block by block.

    Args:
        stream: As for `decode`.
        basis: As for `decode`.

    Attributes:
        n_packets: Number of packets in the file.
        complete: Whether the last packet of the stream is in the file; if it is not, the stream may
            have been longer, and is normalised by the largest value received.
        concealed: Missing frames that were interpolated so far.
        first_frame: As in `Decoded`, once all blocks have been decoded.

    Raises:
        PacketError: As `decode`, at any length.
    """

    def __init__(self, stream: Content, *, basis: Basis | None = None) -> None:
        self._packets = PacketFile(stream)
        self._basis = basis
        self.n_packets = self._packets.n_packets
        self.complete = self._packets.peak is not None
        self.concealed = 0
        self.first_frame: int | None = None

    def blocks(self, on_bytes: Callable[[int], object] | None = None) -> Iterator[Array]:
        """Decode the file from its beginning.

        Args:
            on_bytes: Progress callback; takes the number of bytes decoded since its last call.

        Yields:
            Consecutive frames as Whisper's encoder takes them, shape `[80, n]`, float32.

        Raises:
            PacketError: As `decode`, at any length.
        """
        peak = self._packets.peak
        if peak is None:
            # The last packet is missing: a first pass finds the peak.
            peaks = [float(block.max()) for block in self._blocks(None) if block.size]
            peak = max(peaks, default=0.0)
        for block in self._blocks(on_bytes):
            if block.size:
                yield normalised(block, peak=peak)

    def _blocks(self, on_bytes: Callable[[int], object] | None) -> Iterator[Array]:
        decoder = Decoder(basis=self._basis)
        for packets in _batches(self._packets):
            frames = decoder.extend(packets)
            self.concealed = decoder.concealed
            yield frames
            if on_bytes:
                on_bytes(sum(map(len, packets)))
        frames = decoder.flush()
        self.concealed, self.first_frame = decoder.concealed, decoder.first_frame
        yield frames


def _batches(packets: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    n_frames = 0
    for packet in packets:
        batch.append(packet)
        n_frames += read_packet(packet).n_frames or BLOCK_FRAMES
        if len(batch) == _BATCH_PACKETS or n_frames >= _BATCH_FRAMES:
            yield batch
            batch, n_frames = [], 0
    if batch:
        yield batch
