"""Samples -> packets, as they arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.codec.basis import DEFAULT_QUALITY, N_QUALITIES, Basis
from serkit.codec.basis_file import shipped_basis
from serkit.codec.blocks import encode_blocks
from serkit.codec.frontend import BLOCK_FRAMES, LogMelStream
from serkit.codec.packets import COMPACT_SEQUENCES, MAX_FRAMES, SEQUENCES, Mode, Packet
from serkit.codec.rate_control import RateControl
from serkit.errors import PacketError
from serkit.features.whisper import HOP, N_FFT, clamped

Array = NDArray[np.float32]

DELAY_S = ((BLOCK_FRAMES - 1) * HOP + N_FFT + HOP) / SAMPLE_RATE
"""Maximum latency of a one-block packet: 310 ms of hops, a 25 ms window, a frame of look-ahead."""

MAX_BLOCKS = MAX_FRAMES // BLOCK_FRAMES
"""Blocks per packet at most."""

# Blocks from one timed packet to the next, as docs/packet-format.md demands.
_TIMED_EVERY = 32


class BlockGroups:
    """Samples -> clamped blocks, grouped by packet.

    Args:
        size: Blocks per group; the last group may have fewer.

    Attributes:
        peak: Largest log-mel value so far; -inf before the first frame.

    Raises:
        PacketError: The size is out of range.
    """

    def __init__(self, size: int) -> None:
        if size not in range(1, MAX_BLOCKS + 1):
            raise PacketError(f"blocks per packet: {size}; expected 1 to {MAX_BLOCKS}")
        self._size = int(size)
        self._frames = LogMelStream()
        self._pending: list[Array] = []
        self.peak = -np.inf

    def push(self, samples: Array) -> list[list[Array]]:
        """Take samples and return the groups they complete.

        Args:
            samples: Mono at 16 kHz, shape `[n]`, float.

        Returns:
            Groups of blocks, each block of shape `[80, 32]`.

        Raises:
            AudioError: As `LogMelStream.push`.
        """
        blocks = self._frames.push(samples)
        return self._group(blocks, last=False) if blocks else []

    def flush(self) -> list[list[Array]]:
        """End the stream and return the remaining groups; the last block may be shorter."""
        return self._group(self._frames.flush(), last=True)

    def _group(self, blocks: list[Array], *, last: bool) -> list[list[Array]]:
        for block in blocks:
            self.peak = max(self.peak, float(block.max()))
            self._pending.append(clamped(block, self.peak))
        size = self._size
        n_ready = len(self._pending) if last else len(self._pending) // size * size
        ready, self._pending = self._pending[:n_ready], self._pending[n_ready:]
        return [ready[i : i + size] for i in range(0, n_ready, size)]


class Packetiser:
    """Groups of blocks -> the packets of a stream.

    Args:
        quality: As for `Encoder`.
        kbps: As for `Encoder`.
        basis: As for `Encoder`.
        compact: As for `Encoder`.

    Raises:
        PacketError: The quality or the rate is out of range, or both are given.
    """

    def __init__(
        self,
        quality: int | None = None,
        *,
        kbps: float | None = None,
        basis: Basis | None = None,
        compact: bool = True,
    ) -> None:
        if quality is not None and kbps is not None:
            raise PacketError("quality and kbps exclude each other; give one of them")
        if quality is not None and quality not in range(N_QUALITIES):
            raise PacketError(f"quality {quality}; expected a whole number, 0 to {N_QUALITIES - 1}")
        self._quality = DEFAULT_QUALITY if quality is None else int(quality)
        self._rate_control = None if kbps is None else RateControl(kbps)
        self._basis = basis or shipped_basis()
        self._compact = compact
        self._sequence = 0
        self._next_timed = 0

    def packets(
        self, groups: Sequence[Sequence[Array]], *, peak: float | None = None
    ) -> list[bytes]:
        """Code the next groups of the stream.

        Args:
            groups: Blocks as `BlockGroups` returns them, one group per packet.
            peak: Largest log-mel value of the stream, if it ends with these groups.
        """
        if not groups:
            return []
        packets = []
        for i, (group, payload) in enumerate(zip(groups, self._payloads(groups), strict=True)):
            last = i == len(groups) - 1
            packets.append(self._packet(group, payload, peak if last else None))
            if self._rate_control is not None:
                self._rate_control.update(len(packets[-1]), _n_frames(group))
        return packets

    def _payloads(self, groups: Sequence[Sequence[Array]]) -> Iterator[bytes]:
        if self._rate_control is None:
            yield from encode_blocks(self._basis, groups, self._quality)
            return
        for group in groups:  # one by one, as each size decides the next quality
            yield from encode_blocks(self._basis, [group], self._rate_control.quality)

    def _packet(self, group: Sequence[Array], payload: bytes, peak: float | None) -> bytes:
        n_frames = _n_frames(group)
        timed = self._sequence >= self._next_timed
        compact = self._compact and not timed and n_frames == BLOCK_FRAMES and peak is None
        packet = Packet(
            Mode.BASIS,
            self._sequence % (COMPACT_SEQUENCES if compact else SEQUENCES),
            payload,
            start_frame=self._sequence * BLOCK_FRAMES if timed else None,
            basis=self._basis.digest if timed else b"",
            n_frames=n_frames if n_frames != BLOCK_FRAMES else None,
            peak=peak,
            compact=compact,
        )
        if timed:
            self._next_timed = self._sequence + _TIMED_EVERY
        self._sequence += len(group)
        return packet.to_bytes()


class Encoder:
    """Codes a stream block by block, in constant memory.

    The packets do not depend on how the samples are chunked.

    Args:
        quality: 0 (fewest bits) to 15; 5 if neither quality nor rate is given.
        kbps: Average rate to keep in kbit/s, headers included, instead of a quality.
        blocks_per_packet: 1 for a live stream. More blocks save up to 0.15 kbit/s of headers, but
            delay the packet and raise the cost of a lost one.
        basis: The shipped basis if None.
        compact: Use packets of version 2 where they are shorter; False for a receiver that reads
            version 1 only, at 3 bytes more per packet.

    Raises:
        PacketError: The quality, the rate or the number of blocks is out of range, or both
            quality and rate are given.
    """

    def __init__(
        self,
        quality: int | None = None,
        *,
        kbps: float | None = None,
        blocks_per_packet: int = 1,
        basis: Basis | None = None,
        compact: bool = True,
    ) -> None:
        self._packetiser = Packetiser(quality, kbps=kbps, basis=basis, compact=compact)
        self._groups = BlockGroups(blocks_per_packet)

    def push(self, samples: Array) -> list[bytes]:
        """Take samples and return the packets they complete.

        Args:
            samples: Mono at 16 kHz, shape `[n]`, float.

        Raises:
            AudioError: As `LogMelStream.push`; no sample is taken.
        """
        return self._packetiser.packets(self._groups.push(samples))

    def flush(self) -> list[bytes]:
        """End the stream and return the remaining packets; none for a stream below 10 ms."""
        return self._packetiser.packets(self._groups.flush(), peak=self.peak)

    @property
    def peak(self) -> float:
        """Largest log-mel value so far, before coding; -inf before the first frame."""
        return self._groups.peak


def _n_frames(group: Sequence[Array]) -> int:
    return sum(block.shape[1] for block in group)
