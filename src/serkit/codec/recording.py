"""A recording -> a file of packets -> log-mel, at once or in memory that does not grow."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import N_QUALITIES, Basis
from serkit.codec.frontend import (
    BLOCK_FRAMES,
    N_MELS,
    LogMelStream,
    clamped,
    log_mel_blocks,
    normalised,
)
from serkit.codec.packets import FRAMES_PER_SECOND, Content, Mode, Packet, read_packet, split
from serkit.codec.stream import BlockGroups, Decoder, Encoder, Packetiser
from serkit.codec.svd import (
    MAX_FRAMES,
    encode_svd,
    encode_svdq,
    rank_of_ratio,
)
from serkit.errors import AudioError, PacketError

Array = NDArray[np.float32]
Recording = Callable[[], Iterable[Array]]
"""Gives the samples of a recording in blocks, from its beginning each time it is called."""

MOST_HOURS = 6
"""Longest stream whose frames are kept as one array, in hours."""

BLOCKS_PER_PACKET = 16
"""Of a recording: 5.12 s."""

# Blocks of the packets that a rate is searched on: 5.5 minutes.
_SAMPLED_BLOCKS = 1024
_CORRECTIONS = 2
_AT_ONCE = 64
# Frames of the packets decoded at once, but for the last of them.
_FRAMES_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Coded:
    """What became of a recording.

    Attributes:
        n_bytes: Size of its packets.
        n_samples: Its length at 16 kHz.
        peak: Its largest log-mel value.
        quality: That it was coded with in the mode `basis`; None in the others.
    """

    n_bytes: int
    n_samples: int
    peak: float
    quality: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What a file of packets holds.

    Attributes:
        log_mel: As Whisper's encoder takes it, shape `[80, n_frames]`, float32.
        packets: How many there are.
        concealed: Frames that were missing and interpolated.
        first_frame: Where it begins in the stream; 0 but where more than the first 10 s are
            missing, None where no packet says so.
    """

    log_mel: Array
    packets: int
    concealed: int
    first_frame: int | None


def log_mel_of(samples: Array) -> Array:
    """`log10` mel energies of a recording, shape `[80, n_frames]`.

    Raises:
        AudioError: It is shorter than a frame, 10 ms.
    """
    blocks = log_mel_blocks(samples)
    if not blocks:
        raise _too_short()
    return np.concatenate(blocks, axis=1)


def _too_short() -> AudioError:
    return AudioError("the recording is shorter than a frame of 10 ms; there is nothing to send")


def encode_basis(
    samples: Array,
    quality: float,
    *,
    blocks_per_packet: int = BLOCKS_PER_PACKET,
    basis: Basis | None = None,
) -> bytes:
    """Code a recording in the mode `basis`.

    Args:
        samples: Mono at 16 kHz, shape `[n]`, float32.
        quality: A whole number, 0 (least bits) to 15.
        blocks_per_packet: Blocks of 320 ms that share a packet.
        basis: The one that comes with serkit if not given.

    Raises:
        AudioError: The recording is shorter than a frame.
        PacketError: The quality or the number of blocks is out of range.
    """
    out = io.BytesIO()
    write_basis(out, lambda: [samples], quality, blocks_per_packet=blocks_per_packet, basis=basis)
    return out.getvalue()


def write_basis(
    out: BinaryIO,
    recording: Recording,
    quality: float,
    *,
    blocks_per_packet: int = BLOCKS_PER_PACKET,
    basis: Basis | None = None,
) -> Coded:
    """`encode_basis` for a recording of any length; it is read once.

    Args:
        out: Takes the packets.
        recording: What is coded.
        quality: As for `encode_basis`.
        blocks_per_packet: As for `encode_basis`.
        basis: As for `encode_basis`.

    Raises:
        AudioError: The recording cannot be read, or is shorter than a frame.
        PacketError: As `encode_basis`.
    """
    encoder = Encoder(quality, blocks_per_packet=blocks_per_packet, basis=basis)
    n_samples = n_bytes = 0
    for samples in recording():
        n_samples += len(samples)
        n_bytes += sum(map(out.write, encoder.push(samples)))
    n_bytes += sum(map(out.write, encoder.flush()))
    if not n_bytes:
        raise _too_short()
    return Coded(n_bytes, n_samples, encoder.peak, int(quality))


def encode_at_rate(
    samples: Array,
    kbps: float,
    *,
    blocks_per_packet: int = BLOCKS_PER_PACKET,
    basis: Basis | None = None,
) -> bytes:
    """Code a recording in the mode `basis` with the best quality within a rate.

    The least quality is taken where even that exceeds the rate. Beyond 5.5 minutes the quality is
    estimated, as `write_at_rate` says.

    Args:
        samples: Mono at 16 kHz, shape `[n]`, float32.
        kbps: Kilobits a second, headers included.
        blocks_per_packet: Blocks of 320 ms that share a packet.
        basis: The one that comes with serkit if not given.

    Raises:
        AudioError: The recording is shorter than a frame.
        PacketError: The rate or the number of blocks is out of range.
    """
    out = io.BytesIO()
    write_at_rate(out, lambda: [samples], kbps, blocks_per_packet=blocks_per_packet, basis=basis)
    return out.getvalue()


def write_at_rate(
    out: BinaryIO,
    recording: Recording,
    kbps: float,
    *,
    blocks_per_packet: int = BLOCKS_PER_PACKET,
    basis: Basis | None = None,
) -> Coded:
    """`encode_at_rate` for a recording of any length; it is read two to four times.

    The quality is searched on packets spread evenly over the recording, at most 5.5 minutes of it,
    and the whole is coded once; at most twice more, with a lower quality, if it exceeds the rate.
    The result may still exceed it.

    Args:
        out: Takes the packets; an empty file that can be searched and truncated.
        recording: What is coded.
        kbps: As for `encode_at_rate`.
        blocks_per_packet: As for `encode_at_rate`.
        basis: As for `encode_at_rate`.

    Raises:
        AudioError: The recording cannot be read, or is shorter than a frame.
        PacketError: As `encode_at_rate`.
    """
    if not kbps > 0.0:
        raise PacketError(f"{kbps} kbit/s; expected a rate above 0")
    sample = _Sample(recording, blocks_per_packet, basis)
    allowed = kbps * 1000.0 / 8.0 * sample.n_samples / 16_000.0
    quality = sample.best_quality(allowed)
    for corrections_left in reversed(range(1 + _CORRECTIONS)):
        coded = write_basis(
            out, recording, quality, blocks_per_packet=blocks_per_packet, basis=basis
        )
        if coded.n_bytes <= allowed or not quality or not corrections_left:
            break
        excess = coded.n_bytes / sample.estimated_bytes(quality)
        quality = min(quality - 1, sample.best_quality(allowed / excess))
        out.seek(0)
        out.truncate()
    return coded


class _Sample:
    """Packets spread evenly over a recording, to estimate the size of the whole.

    A short recording is kept whole, and its sizes are exact.

    Args:
        recording: Read once.
        blocks_per_packet: Blocks that share a packet.
        basis: The one that comes with serkit if None.

    Attributes:
        n_samples: Length of the recording.

    Raises:
        AudioError: The recording is shorter than a frame.
    """

    def __init__(self, recording: Recording, blocks_per_packet: int, basis: Basis | None) -> None:
        self.n_samples = 0
        self._basis = basis
        self._kept: list[list[Array]] = []
        self._every = 1
        self._n_groups = self._n_blocks = 0
        self._sizes: dict[int, float] = {}
        groups = BlockGroups(blocks_per_packet)
        for samples in recording():
            self.n_samples += len(samples)
            self._keep(groups.push(samples))
        self._keep(groups.flush())
        self._peak = groups.peak
        if not self._kept:
            raise _too_short()

    def _keep(self, groups: Iterable[list[Array]]) -> None:
        for group in groups:
            if self._n_groups % self._every == 0:
                self._kept.append(group)
            self._n_groups += 1
            self._n_blocks += len(group)
            if len(self._kept) * len(group) > _SAMPLED_BLOCKS:
                self._kept = self._kept[::2]
                self._every *= 2

    def estimated_bytes(self, quality: int) -> float:
        """Size of the whole at a quality."""
        if quality not in self._sizes:
            packets = Packetiser(quality, basis=self._basis).packets(self._kept, peak=self._peak)
            share = sum(map(len, self._kept)) / self._n_blocks
            self._sizes[quality] = sum(map(len, packets)) / share
        return self._sizes[quality]

    def best_quality(self, allowed: float) -> int:
        """The best quality that takes at most so many bytes; 0 if none does."""
        low, high = 0, N_QUALITIES - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.estimated_bytes(middle) <= allowed:
                low = middle
            else:
                high = middle - 1
        return low


def encode_low_rank(
    samples: Array, *, ratio: float | None = None, rmse: float | None = None
) -> bytes:
    """Code a recording in the mode `svd`, or `svdq`.

    Args:
        samples: Mono at 16 kHz, shape `[n]`, float32.
        ratio: Of `svd`: the rate r/k, above 0 and at most 1.
        rmse: Of `svdq`: the error aimed at, of the log-mel as Whisper's encoder takes it.

    Raises:
        AudioError: The recording is shorter than a frame.
        PacketError: Not one of the two is given, or it is out of range.
    """
    out = io.BytesIO()
    write_low_rank(out, lambda: [samples], ratio=ratio, rmse=rmse)
    return out.getvalue()


def write_low_rank(
    out: BinaryIO, recording: Recording, *, ratio: float | None = None, rmse: float | None = None
) -> Coded:
    """`encode_low_rank` for a recording of any length; it is read twice, first for its maximum.

    Args:
        out: Takes the packets.
        recording: What is coded.
        ratio: As for `encode_low_rank`.
        rmse: As for `encode_low_rank`.

    Raises:
        AudioError: The recording cannot be read, or is shorter than a frame.
        PacketError: As `encode_low_rank`.
    """
    if (ratio is None) == (rmse is None):
        raise PacketError("give the ratio for svd or the error for svdq")
    if ratio is not None and not 0.0 < ratio <= 1.0:
        raise PacketError(f"the rank ratio is {ratio}; expected above 0 and at most 1")
    if rmse is not None and not 1e-3 <= rmse <= 1.0:
        raise PacketError(f"the error is {rmse}; expected 0.001 to 1")
    n_samples = n_frames = n_bytes = 0
    peak = -np.inf

    def counted() -> Iterator[Array]:
        nonlocal n_samples
        for samples in recording():
            n_samples += len(samples)
            yield samples

    for block in _log_mel_blocks(counted()):
        n_frames += block.shape[1]
        peak = max(peak, float(block.max()))
    if not n_frames:
        raise _too_short()
    for number, part in enumerate(_parts(_log_mel_blocks(recording()))):
        # What the receiver clamps anyway is not worth a rank.
        part = clamped(part, peak)
        start = number * MAX_FRAMES
        packet = Packet(
            Mode.SVD if ratio is not None else Mode.SVDQ,
            number,
            encode_svd(part, rank_of_ratio(ratio, part.shape[1]))
            if ratio is not None
            else encode_svdq(part, 4.0 * (rmse or 0.0)),
            start_frame=start,
            n_frames=part.shape[1],
            peak=peak if start + MAX_FRAMES >= n_frames else None,
        )
        n_bytes += out.write(packet.to_bytes())
    return Coded(n_bytes, n_samples, peak)


def _log_mel_blocks(recording: Iterable[Array]) -> Iterator[Array]:
    frames = LogMelStream()
    for samples in recording:
        yield from frames.push(samples)
    yield from frames.flush()


def _parts(blocks: Iterable[Array]) -> Iterator[Array]:
    """Blocks joined to parts of 30 s; the last may be shorter."""
    held: list[Array] = []
    n_held = 0
    for block in blocks:
        held.append(block)
        n_held += block.shape[1]
        if n_held >= MAX_FRAMES:
            joined = np.concatenate(held, axis=1)
            yield joined[:, :MAX_FRAMES]
            held, n_held = [joined[:, MAX_FRAMES:]], n_held - MAX_FRAMES
    if n_held:
        yield np.concatenate(held, axis=1)


def decode(stream: Content, *, basis: Basis | None = None) -> Decoded:
    """Decode a file of packets.

    Args:
        stream: Packets of one stream, in any order; some may be missing.
        basis: The one that comes with serkit if not given.

    Raises:
        PacketError: A packet is damaged, or of another basis; the file holds several streams, or
            more is missing than `Decoder` allows; or it covers more than 6 hours, which take
            `Decoding`.
    """
    decoding = Decoding(stream, basis=basis)
    parts, n_frames = [], 0
    for part in decoding.blocks():
        parts.append(part)
        n_frames += part.shape[1]
        if n_frames > MOST_HOURS * 3600 * FRAMES_PER_SECOND:
            raise PacketError(
                f"the file covers more than {MOST_HOURS} hours; take it block by block with "
                "serkit.codec.Decoding"
            )
    log_mel = np.concatenate(parts, axis=1)
    return Decoded(log_mel, decoding.n_packets, decoding.concealed, decoding.first_frame)


class Decoding:
    """`decode` for a file of any length, block by block.

    Args:
        stream: As for `decode`.
        basis: As for `decode`.

    Attributes:
        n_packets: How many packets the file holds.
        concealed: Frames so far that were missing and interpolated.
        first_frame: As of `Decoded`, when all blocks have been given.

    Raises:
        PacketError: As `decode`, whatever the length.
    """

    def __init__(self, stream: Content, *, basis: Basis | None = None) -> None:
        self._stream = stream
        self._basis = basis
        self.n_packets = 0
        self.concealed = 0
        self.first_frame: int | None = None
        ends = set()
        for packet in split(stream):
            self.n_packets += 1
            peak = read_packet(packet).peak
            if peak is not None:
                ends.add((packet, peak))
        if len(ends) > 1:
            raise PacketError(
                f"the file holds the ends of {len(ends)} streams; decode one stream at a time"
            )
        self._peak = next(iter(ends))[1] if ends else None

    def blocks(self, on_bytes: Callable[[int], object] | None = None) -> Iterator[Array]:
        """Decode the file from its beginning.

        Args:
            on_bytes: Called with the number of bytes decoded since the last call, to show
                progress.

        Yields:
            The frames in order, as Whisper's encoder takes them, shape `[80, n]`, float32.

        Raises:
            PacketError: As `decode`, whatever the length.
        """
        peak = self._peak
        if peak is None:
            # Without its end only the frames themselves say it.
            largest = [float(block.max()) for block in self._blocks(None) if block.size]
            peak = max(largest, default=0.0)
        for block in self._blocks(on_bytes):
            if block.size:
                yield normalised(block, peak=peak)

    def _blocks(self, on_bytes: Callable[[int], object] | None) -> Iterator[Array]:
        decoder = Decoder(basis=self._basis)
        for packets in _batches(split(self._stream)):
            yield decoder.extend(packets)
            if on_bytes:
                on_bytes(sum(map(len, packets)))
        yield decoder.flush()
        self.concealed, self.first_frame = decoder.concealed, decoder.first_frame


def _batches(packets: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Packets that are decoded at once, as it is faster."""
    batch: list[bytes] = []
    n_frames = 0
    for packet in packets:
        batch.append(packet)
        n_frames += read_packet(packet).n_frames or BLOCK_FRAMES
        if len(batch) == _AT_ONCE or n_frames >= _FRAMES_AT_ONCE:
            yield batch
            batch, n_frames = [], 0
    if batch:
        yield batch


def rmse(
    recording: Recording, coded: Coded, stream: Content, *, basis: Basis | None = None
) -> float:
    """Root of the mean squared error of the normalised log-mel, block by block.

    Args:
        recording: What was coded; it is read once.
        coded: What became of it.
        stream: Its packets.
        basis: As for `decode`.

    Raises:
        AudioError: The recording cannot be read any more, or is longer than before.
    """
    total, n_frames = 0.0, 0
    decoded = Decoding(stream, basis=basis).blocks()
    found = np.empty((0, 0), np.float32)
    for block in _log_mel_blocks(recording()):
        wanted = normalised(block, peak=coded.peak)
        parts, n_held = [found], found.shape[1]
        while n_held < wanted.shape[1]:
            part = next(decoded, None)
            if part is None:
                raise AudioError("the recording became longer while it was coded; code it again")
            parts.append(part)
            n_held += part.shape[1]
        if len(parts) > 1:
            found = np.concatenate([part for part in parts if part.size], axis=1)
        error = found[:, : wanted.shape[1]] - wanted
        total += float(np.square(error).sum(dtype=float))
        n_frames += wanted.shape[1]
        found = found[:, wanted.shape[1] :]
    return float((total / (N_MELS * n_frames)) ** 0.5)
