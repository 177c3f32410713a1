"""Samples -> packets -> log-mel frames, as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import DEFAULT_QUALITY, N_QUALITIES, Basis, shipped_basis
from serkit.codec.blocks import decode_blocks, encode_blocks
from serkit.codec.frontend import BLOCK_FRAMES, N_MELS, LogMelStream, clamped
from serkit.codec.packets import FRAMES_PER_SECOND, SEQUENCES, Mode, Packet, read_packet
from serkit.codec.svd import MAX_FRAMES, decode_svd, decode_svdq
from serkit.errors import PacketError

Array = NDArray[np.float32]

DELAY_S = 0.345
"""From a sample to the packet that holds it, at most, with a block a packet: from the first frame's
to the last's 310 ms, a window of 25 ms, and one frame more."""

MAX_BLOCKS = 93
"""Blocks of a packet at most: what fits into Whisper's 30 s."""

_TIMED_EVERY = 32
# Live speech at the default quality, and the logarithm of what the next quality takes more.
_USUAL_KBPS, _PER_QUALITY = 2.0, 0.165
_FRAMES_REMEMBERED = 640.0
_MOST_DEMAND = 0.7
# A quality less for each 0.64 s of the rate that the stream is ahead.
_FRAMES_PER_QUALITY = 64.0
_MOST_CREDIT, _MOST_DEBT = 2.0, 40.0
_MAX_GAP = 6000
# Frames of a stream that may be missing for each that came, besides a gap.
_MOST_MISSING = 9
# Frames before the first packet that are interpolated; beyond, a stream was joined late.
_MOST_BEFORE = 1024
_BEYOND = 128.0


class BlockGroups:
    """Samples -> blocks as the encoder takes them, in groups that share a packet.

    Args:
        size: Blocks of a group; the last may have fewer.

    Attributes:
        peak: The largest log-mel value so far.

    Raises:
        PacketError: The size is out of range.
    """

    def __init__(self, size: int) -> None:
        if size not in range(1, MAX_BLOCKS + 1):
            raise PacketError(f"{size} blocks a packet; expected 1 to {MAX_BLOCKS}")
        self._size = int(size)
        self._frames = LogMelStream()
        self._waiting: list[Array] = []
        self.peak = -np.inf

    def push(self, samples: Array) -> list[list[Array]]:
        """Take samples and give the groups that are complete.

        Args:
            samples: Mono at 16 kHz, shape `[n]`, float32.

        Raises:
            AudioError: As `LogMelStream.push`.
        """
        return self._groups(self._frames.push(samples), last=False)

    def flush(self) -> list[list[Array]]:
        """The groups that are left, when no samples follow."""
        return self._groups(self._frames.flush(), last=True)

    def _groups(self, blocks: list[Array], *, last: bool) -> list[list[Array]]:
        for block in blocks:
            self.peak = max(self.peak, float(block.max()))
            self._waiting.append(clamped(block, self.peak))
        size = self._size
        n_ready = len(self._waiting) if last else len(self._waiting) // size * size
        ready, self._waiting = self._waiting[:n_ready], self._waiting[n_ready:]
        return [ready[i : i + size] for i in range(0, n_ready, size)]


class Packetiser:
    """Groups of blocks -> the packets of a stream.

    Args:
        quality: As for `Encoder`.
        kbps: As for `Encoder`.
        basis: As for `Encoder`.

    Raises:
        PacketError: The quality or the rate is out of range, or both are given.
    """

    def __init__(
        self,
        quality: float | None = None,
        *,
        kbps: float | None = None,
        basis: Basis | None = None,
    ) -> None:
        if quality is not None and kbps is not None:
            raise PacketError("quality and kbps say the same thing twice; give one of them")
        if quality is not None and quality not in range(N_QUALITIES):
            raise PacketError(f"quality {quality}; expected a whole number, 0 to {N_QUALITIES - 1}")
        self._quality = DEFAULT_QUALITY if quality is None else int(quality)
        self._rate = None if kbps is None else _RateControl(kbps)
        self._basis = basis or shipped_basis()
        self._number = 0
        self._timed = 0

    def packets(
        self, groups: Sequence[Sequence[Array]], *, peak: float | None = None
    ) -> list[bytes]:
        """The packets of groups of blocks that follow on those before.

        Args:
            groups: Blocks as `BlockGroups` gives them, a group for a packet.
            peak: The largest log-mel value of the stream, if it ends with these.
        """
        packets = []
        for i, (group, payload) in enumerate(zip(groups, self._payloads(groups), strict=True)):
            ends = i == len(groups) - 1
            packets.append(self._packet(group, payload, peak if ends else None))
            if self._rate is not None:
                self._rate.sent(len(packets[-1]), _n_frames(group))
        return packets

    def _payloads(self, groups: Sequence[Sequence[Array]]) -> Iterator[bytes]:
        if self._rate is None:
            yield from encode_blocks(self._basis, groups, self._quality)
            return
        for one in groups:  # each at the quality that those before it leave
            yield from encode_blocks(self._basis, [one], self._rate.quality)

    def _packet(self, group: Sequence[Array], payload: bytes, peak: float | None) -> bytes:
        n_frames = _n_frames(group)
        timed = self._number >= self._timed
        packet = Packet(
            Mode.BASIS,
            self._number % SEQUENCES,
            payload,
            start_frame=self._number * BLOCK_FRAMES if timed else None,
            basis=self._basis.digest if timed else b"",
            n_frames=n_frames if n_frames != BLOCK_FRAMES else None,
            peak=peak,
        )
        if timed:
            self._timed = self._number + _TIMED_EVERY
        self._number += len(group)
        return packet.to_bytes()


class Encoder:
    """Codes a stream block by block, in memory that does not grow.

    The same samples give the same packets, whatever the chunks.

    Args:
        quality: 0 (least bits) to 15; 5 where no rate is given either.
        kbps: A rate to keep on average, headers included, instead of a quality.
        blocks_per_packet: 1 for a live stream; more save headers, 0.2 kbit/s in the end, where a
            longer delay and more lost with a packet do not matter.
        basis: The one that comes with serkit if not given.

    Raises:
        PacketError: The quality, the rate or the number of blocks is out of range, or both
            quality and rate are given.
    """

    def __init__(
        self,
        quality: float | None = None,
        *,
        kbps: float | None = None,
        blocks_per_packet: int = 1,
        basis: Basis | None = None,
    ) -> None:
        self._packetiser = Packetiser(quality, kbps=kbps, basis=basis)
        self._groups = BlockGroups(blocks_per_packet)

    def push(self, samples: Array) -> list[bytes]:
        """Take samples and give the packets that are complete.

        Args:
            samples: Mono at 16 kHz, shape `[n]`, float32.

        Raises:
            AudioError: These are not samples of one channel as floats, one is not finite or beyond
                all measure, or the stream has ended; none is taken.
        """
        return self._packetiser.packets(self._groups.push(samples))

    def flush(self) -> list[bytes]:
        """The packets that are left, when no samples follow; none of a stream below 10 ms."""
        return self._packetiser.packets(self._groups.flush(), peak=self.peak)

    @property
    def peak(self) -> float:
        """The largest log-mel value so far, before it was coded."""
        return self._groups.peak


def _n_frames(group: Sequence[Array]) -> int:
    return sum(block.shape[1] for block in group)


class _RateControl:
    """The quality that keeps a stream to a rate.

    It follows from what speech takes on average, from how much more or less this speech takes, and
    from how far the stream is ahead of its rate.

    Args:
        kbps: The rate.

    Raises:
        PacketError: The rate is not above 0.
    """

    def __init__(self, kbps: float) -> None:
        if not 0.0 < kbps < np.inf:
            raise PacketError(f"{kbps} kbit/s; expected a rate above 0")
        self._kbps = kbps
        self._demand = 0.0
        self._debt = 0.0

    @property
    def quality(self) -> int:
        """Of the packet that comes next."""
        usual = DEFAULT_QUALITY + (np.log(self._kbps / _USUAL_KBPS) - self._demand) / _PER_QUALITY
        return int(np.clip(np.round(usual - self._debt), 0, N_QUALITIES - 1))

    def sent(self, n_bytes: int, n_frames: int) -> None:
        """Note a packet of the quality that was said.

        Args:
            n_bytes: Its size.
            n_frames: How many frames it holds.
        """
        kbps = 8e-3 * n_bytes * FRAMES_PER_SECOND / n_frames
        usual = np.log(_USUAL_KBPS) + (self.quality - DEFAULT_QUALITY) * _PER_QUALITY
        share = min(1.0, n_frames / _FRAMES_REMEMBERED)
        demand = (1.0 - share) * self._demand + share * (np.log(kbps) - usual)
        ahead = (kbps / self._kbps - 1.0) * n_frames / _FRAMES_PER_QUALITY
        # In long silence little is saved up, or the next word would burst.
        self._demand = float(np.clip(demand, -_MOST_DEMAND, _MOST_DEMAND))
        self._debt = float(np.clip(self._debt + ahead, -_MOST_CREDIT, _MOST_DEBT))


class Decoder:
    """Puts packets in order and makes log-mel frames of them.

    Late and repeated packets are passed over. A packet that is missing is waited for until
    `reorder` later ones have come; then its frames are interpolated between their neighbours, and
    so are those before the first packet, up to 10 s. One that joins later begins with the first
    packet it gets. At most 60 s and nine times as much as has come may be missing in all, so that
    few packets cannot become hours.

    Args:
        basis: The one that comes with serkit if not given.
        reorder: How many packets a missing one is waited for.

    Attributes:
        concealed: How many frames were interpolated.
        peak: The largest log-mel value of the stream; None until its last packet has come.
    """

    def __init__(self, *, basis: Basis | None = None, reorder: int = 4) -> None:
        self._basis = basis
        self._reorder = reorder
        self._waiting: dict[int, Array] = {}
        self._timeline = _Timeline()
        self._first: int | None = None
        self._next = 0
        self._received = 0
        self._last_frame: Array | None = None
        self.concealed = 0
        self.peak: float | None = None

    @property
    def first_frame(self) -> int | None:
        """Where the first frame given lies in the stream, 0 if it was heard from its beginning.

        None as long as no packet has said when it starts.
        """
        offset = self._timeline.offset
        return None if self._first is None or offset is None else self._first + offset

    def push(self, packet: bytes) -> Array:
        """Take a packet and give the frames that follow on those given before.

        Args:
            packet: One packet.

        Returns:
            `log10` mel energies, shape `[80, n]`, n perhaps 0.

        Raises:
            PacketError: The packet is damaged, of another basis, or too much is missing: more
                than 60 s before it, or more of the whole stream than 60 s and nine times what has
                come; after that a new decoder has to begin. This one goes on as if the packet had
                not come.
        """
        return self.extend([packet])

    def extend(self, packets: Iterable[bytes]) -> Array:
        """`push` for several packets, which is faster.

        Raises:
            PacketError: One of them is damaged, of another basis, or too much is missing before
                it, as for `push`; none of them is taken.
        """
        read = [read_packet(packet) for packet in packets]
        blocks = self._decoded(read)
        # Placed before anything changes, so that a packet refused leaves no trace.
        timeline, first = self._timeline, self._first
        placed: list[tuple[int, Packet, Array]] = []
        ends = [start + frames.shape[1] for start, frames in self._waiting.items()]
        latest = max([self._next, *ends])
        received = self._received
        for packet, frames in zip(read, blocks, strict=True):
            start, timeline = timeline.place(packet)
            if first is None:
                latest = first = start if start > _MOST_BEFORE else 0
            if start - latest > _MAX_GAP:
                raise PacketError(
                    f"before a packet {(start - latest) / FRAMES_PER_SECOND:.2f} s are missing, "
                    f"more than {_MAX_GAP / FRAMES_PER_SECOND:.0f} s; begin a new decoder"
                )
            if start + frames.shape[1] > self._next:
                received += frames.shape[1]
            latest = max(latest, start + frames.shape[1])
            missing = latest - first - received
            if missing > _MAX_GAP + _MOST_MISSING * received:
                raise PacketError(
                    f"{missing / FRAMES_PER_SECOND:.2f} s of the stream are missing, and "
                    f"{received / FRAMES_PER_SECOND:.2f} s have come; expected at most "
                    f"{_MAX_GAP / FRAMES_PER_SECOND:.0f} s and {_MOST_MISSING} times what has come "
                    "to be missing; begin a new decoder"
                )
            placed.append((start, packet, frames))
        if self._first is None and first is not None:
            self._first = self._next = first
        self._timeline, self._received = timeline, received
        given: list[Array] = []
        for start, packet, frames in placed:
            if packet.peak is not None:
                self.peak = packet.peak
            if start + frames.shape[1] > self._next:
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
            sizes = [_checked_size(packets[i].n_frames, BLOCK_FRAMES) for i in ours]
            payloads = [packets[i].payload for i in ours]
            n_blocks = [-(-size // BLOCK_FRAMES) for size in sizes]
            decoded = decode_blocks(basis, payloads, n_blocks)
            for i, frames, size in zip(ours, decoded, sizes, strict=True):
                if isinstance(frames, PacketError):
                    raise frames
                found[i] = frames[:, :size]
        for i, packet in enumerate(packets):
            if packet.mode is Mode.BASIS:
                continue
            if packet.start_frame is None:
                raise PacketError("a packet of a spectrogram does not say when it starts")
            decode = decode_svd if packet.mode is Mode.SVD else decode_svdq
            found[i] = decode(packet.payload, _checked_size(packet.n_frames, 0))
        for frames in found:
            # A peak could not say it, and a preview would overflow.
            if not np.abs(frames).max() <= _BEYOND:
                raise PacketError("a packet holds log-mel values beyond all measure")
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


@dataclass(frozen=True, slots=True)
class _Timeline:
    """Where packets lie in a decoder's own count of frames.

    Attributes:
        number: A packet's sequence number, by which others are placed; None before the first.
        frame: Where that packet starts.
        offset: What has to be added to the decoder's count for the sender's; None until a packet
            has said when it starts.
    """

    number: int | None = None
    frame: int = 0
    offset: int | None = None

    def place(self, packet: Packet) -> tuple[int, _Timeline]:
        """Where a packet starts, and what places those that follow."""
        said = packet.start_frame
        if packet.mode is not Mode.BASIS and said is not None:
            offset = self.offset or 0
            return said - offset, replace(self, offset=offset)
        if self.number is None:
            # Of a stream joined late nobody knows how often its numbers have begun anew.
            start = packet.sequence * BLOCK_FRAMES if said is None else said
        else:
            half = SEQUENCES // 2
            ahead = (packet.sequence - self.number + half) % SEQUENCES - half
            start = self.frame + ahead * BLOCK_FRAMES
        offset_now = self.offset
        if said is not None:
            if offset_now is None:
                offset_now = said - start
            # What a packet says counts, if more is missing than its number can tell.
            start = said - offset_now
        # Moved along, so that sequence numbers may begin anew any number of times.
        onwards = self.number is None or start > self.frame
        number, frame = (packet.sequence, start) if onwards else (self.number, self.frame)
        return start, _Timeline(number, frame, offset_now)


def _checked_size(n_frames: int | None, usual: int) -> int:
    """How many frames a packet holds that says so, or does not."""
    n_frames = usual if n_frames is None else n_frames
    if not 1 <= n_frames <= MAX_FRAMES:
        raise PacketError(f"a packet has {n_frames} frames; expected 1 to {MAX_FRAMES}")
    return n_frames


def _joined(parts: list[Array]) -> Array:
    return np.concatenate(parts, axis=1) if parts else np.empty((N_MELS, 0), np.float32)
