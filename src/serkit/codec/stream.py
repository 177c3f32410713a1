"""Samples -> packets -> log-mel frames, as they come."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import (
    DEFAULT_QUALITY,
    N_QUALITIES,
    Basis,
    decode_blocks,
    encode_blocks,
    shipped_basis,
)
from serkit.codec.frontend import BLOCK_FRAMES, N_MELS, LogMelStream, clamped
from serkit.codec.packets import SEQUENCES, Mode, Packet, read_packet
from serkit.codec.svd import decode_svd, decode_svdq
from serkit.errors import PacketError

Array = NDArray[np.float32]

DELAY_S = 0.355
"""From a sample to the packet that holds it, at most: a block, half a window and a frame."""

_TIMED_EVERY = 32
_MAX_GAP = 6000
_MAX_FRAMES = 3000


class Encoder:
    """Codes a stream block by block, in memory that does not grow.

    The same samples give the same packets, whatever the chunks.

    Args:
        quality: 0 (least bits) to 15.
        basis: The one that comes with serkit if not given.

    Raises:
        PacketError: The quality is out of range.
    """

    def __init__(self, quality: int = DEFAULT_QUALITY, *, basis: Basis | None = None) -> None:
        if not 0 <= quality < N_QUALITIES:
            raise PacketError(f"quality {quality}; expected 0 to {N_QUALITIES - 1}")
        self._quality = quality
        self._basis = basis or shipped_basis()
        self._frames = LogMelStream()
        self._peak = -np.inf
        self._number = 0

    def push(self, samples: Array) -> list[bytes]:
        """Take samples and give the packets that are complete.

        Args:
            samples: Mono at 16 kHz, shape `[n]`, float32.
        """
        return self._packets(self._frames.push(samples), last=False)

    def flush(self) -> list[bytes]:
        """The packets that are left, when no samples follow; none of a stream below 10 ms."""
        return self._packets(self._frames.flush(), last=True)

    def _packets(self, blocks: list[Array], *, last: bool) -> list[bytes]:
        heard = []
        for block in blocks:
            self._peak = max(self._peak, float(block.max()))
            heard.append(clamped(block, self._peak))
        payloads = encode_blocks(self._basis, heard, self._quality)
        packets = []
        for i, (block, payload) in enumerate(zip(blocks, payloads, strict=True)):
            timed = self._number % _TIMED_EVERY == 0
            n_frames = block.shape[1]
            ends = last and i == len(blocks) - 1
            packet = Packet(
                Mode.BASIS,
                self._number % SEQUENCES,
                payload,
                start_frame=self._number * BLOCK_FRAMES if timed else None,
                basis=self._basis.digest if timed else b"",
                n_frames=n_frames if n_frames < BLOCK_FRAMES else None,
                peak=self._peak if ends else None,
            )
            packets.append(packet.to_bytes())
            self._number += 1
        return packets


class Decoder:
    """Puts packets in order and makes log-mel frames of them.

    Late and repeated packets are passed over. A packet that is missing is waited for until
    `reorder` later ones have come; then its frames are interpolated between their neighbours.

    Args:
        basis: The one that comes with serkit if not given.
        reorder: How many packets a missing one is waited for.
    """

    def __init__(self, *, basis: Basis | None = None, reorder: int = 4) -> None:
        self._basis = basis
        self._reorder = reorder
        self._waiting: dict[int, Array] = {}
        self._next = 0
        self._begun = False
        self._last_frame: Array | None = None
        # A packet that says when it starts, by which those that do not are placed.
        self._anchor_number, self._anchor_frame = 0, 0
        self.concealed = 0
        self.peak: float | None = None

    def push(self, packet: bytes) -> Array:
        """Take a packet and give the frames that follow on those given before.

        Args:
            packet: One packet.

        Returns:
            `log10` mel energies, shape `[80, n]`, n perhaps 0.

        Raises:
            PacketError: The packet is damaged, of another basis, or far from those before. The
                decoder goes on as if it had not come.
        """
        return self.extend([packet])

    def extend(self, packets: Iterable[bytes]) -> Array:
        """`push` for several packets, which is faster.

        Raises:
            PacketError: One of them is damaged, of another basis, or far from those before; none
                of them is taken.
        """
        read = [read_packet(packet) for packet in packets]
        blocks = self._decoded(read)
        # Placed before anything changes, so that a packet refused leaves no trace.
        anchor = self._anchor_number, self._anchor_frame
        placed: list[tuple[int, Packet, Array]] = []
        latest = self._next
        for packet, frames in zip(read, blocks, strict=True):
            start, anchor = _place(packet, anchor)
            if not (self._begun or placed) and start > _MAX_GAP:
                latest = start  # joined late: the frames begin here
            if start - max(latest, self._next) > _MAX_GAP:
                raise PacketError(
                    f"a packet starts at {start / 100:.2f} s, more than {_MAX_GAP / 100:.0f} s "
                    f"after what came before ({latest / 100:.2f} s); begin a new decoder"
                )
            latest = max(latest, start)
            placed.append((start, packet, frames))
        self._anchor_number, self._anchor_frame = anchor
        if placed and not self._begun:
            self._begun = True
            self._next = placed[0][0] if placed[0][0] > _MAX_GAP else 0
        given: list[Array] = []
        for start, packet, frames in placed:
            if packet.peak is not None:
                self.peak = packet.peak
            if start >= self._next:
                self._waiting.setdefault(start, frames)
            given += self._ready(patient=True)
        return _joined(given)

    def flush(self) -> Array:
        """The frames that are left, when no packet follows."""
        return _joined(self._ready(patient=False))

    def _decoded(self, packets: list[Packet]) -> list[Array]:
        found: list[Array] = [np.empty((N_MELS, 0), np.float32)] * len(packets)
        ours = [i for i, packet in enumerate(packets) if packet.mode is Mode.BASIS]
        if ours:
            basis = self._basis or shipped_basis()
            for i in ours:
                if packets[i].basis and packets[i].basis != basis.digest:
                    raise PacketError(
                        f"a packet was coded with the basis {packets[i].basis.hex()}, and this "
                        f"decoder has {basis.digest.hex()}; install the serkit that sent it"
                    )
            for i, block in zip(
                ours, decode_blocks(basis, [packets[i].payload for i in ours]), strict=True
            ):
                if isinstance(block, PacketError):
                    raise block
                n_frames = packets[i].n_frames
                if n_frames is not None and not 1 <= n_frames <= BLOCK_FRAMES:
                    raise PacketError(f"a packet has {n_frames} frames; expected 1 to 32")
                found[i] = block[:, :n_frames]
        for i, packet in enumerate(packets):
            if packet.mode is Mode.BASIS:
                continue
            if packet.n_frames is None or not 1 <= packet.n_frames <= _MAX_FRAMES:
                raise PacketError(
                    f"a packet has {packet.n_frames} frames; expected 1 to {_MAX_FRAMES}"
                )
            if packet.start_frame is None:
                raise PacketError("a packet of a spectrogram does not say when it starts")
            decode = decode_svd if packet.mode is Mode.SVD else decode_svdq
            found[i] = decode(packet.payload, packet.n_frames)
        return found

    def _ready(self, *, patient: bool) -> list[Array]:
        given = []
        while self._waiting:
            first = min(self._waiting)
            if first > self._next:
                if patient and len(self._waiting) <= self._reorder:
                    break
                given.append(self._concealment(first))
                self._next = first
            frames = self._waiting.pop(first)
            # Where packets overlap, as none of one stream do, the earlier one counts.
            frames = frames[:, max(0, self._next - first) :]
            if frames.shape[1]:
                given.append(frames)
                self._last_frame = frames[:, -1]
                self._next += frames.shape[1]
        return given

    def _concealment(self, first: int) -> Array:
        """Frames between the last one given and the first one waiting."""
        after = self._waiting[first][:, 0]
        before = after if self._last_frame is None else self._last_frame
        n_missing = first - self._next
        self.concealed += n_missing
        shares = np.arange(1, n_missing + 1, dtype=np.float32) / np.float32(n_missing + 1)
        frames: Array = before[:, None] + (after - before)[:, None] * shares
        return frames


def _place(packet: Packet, anchor: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Where a packet starts, and the anchor for those that follow."""
    number, frame = anchor
    if packet.start_frame is not None:
        return packet.start_frame, (packet.sequence, packet.start_frame)
    half = SEQUENCES // 2
    ahead = (packet.sequence - number + half) % SEQUENCES - half
    start = frame + ahead * BLOCK_FRAMES
    # Moved along, so that sequence numbers may begin anew any number of times.
    return start, ((packet.sequence, start) if ahead > 0 else anchor)


def _joined(parts: list[Array]) -> Array:
    return np.concatenate(parts, axis=1) if parts else np.empty((N_MELS, 0), np.float32)
