"""A whole recording -> its packets, in a file or in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.codec.basis import Basis
from serkit.codec.encoder import Encoder
from serkit.codec.frontend import log_mel_blocks, too_short
from serkit.codec.packets import MAX_FRAMES, Mode, Packet
from serkit.codec.rate_search import PacketSample
from serkit.codec.svd import encode_svd, encode_svdq, rank_of_ratio
from serkit.errors import PacketError
from serkit.features.whisper import clamped

Array = NDArray[np.float32]
Recording = Callable[[], Iterable[Array]]
"""Returns the samples of a recording in blocks, from the beginning at each call."""

BLOCKS_PER_PACKET = 16
"""Blocks per packet of a file: 5.12 s."""

# Times that a recording is coded again because the sampled packets promised too low a rate.
_MAX_CORRECTIONS = 2


@dataclass(frozen=True, slots=True)
class Coded:
    """The result of coding a recording.

    Attributes:
        n_bytes: Size of its packets.
        n_samples: Length at 16 kHz.
        peak: Largest log-mel value.
        quality: Quality in the mode `basis`; None in the others.
    """

    n_bytes: int
    n_samples: int
    peak: float
    quality: int | None = None


def encode_basis(
    samples: Array,
    quality: int,
    *,
    blocks_per_packet: int = BLOCKS_PER_PACKET,
    basis: Basis | None = None,
) -> bytes:
    """Code a recording in the mode `basis`.

    Args:
        samples: Mono at 16 kHz, shape `[n]`, float.
        quality: 0 (fewest bits) to 15.
        blocks_per_packet: Blocks of 320 ms per packet.
        basis: The shipped basis if None.

    Raises:
        AudioError: The recording is shorter than a frame.
        PacketError: The quality or the number of blocks is out of range.
    """
    write = partial(write_basis, quality=quality, blocks_per_packet=blocks_per_packet, basis=basis)
    return _in_memory(write, samples)


def encode_low_rank(
    samples: Array, *, ratio: float | None = None, rmse: float | None = None
) -> bytes:
    """Code a recording in the mode `svd` or `svdq`.

    Args:
        samples: Mono at 16 kHz, shape `[n]`, float.
        ratio: For `svd`: r/k, above 0 and at most 1.
        rmse: For `svdq`: target error of the normalised log-mel, 0.001 to 1.

    Raises:
        AudioError: The recording is shorter than a frame.
        PacketError: Not exactly one of ratio and rmse is given, or it is out of range.
    """
    return _in_memory(partial(write_low_rank, ratio=ratio, rmse=rmse), samples)


def _in_memory(write: Callable[[BinaryIO, Recording], Coded], samples: Array) -> bytes:
    out = io.BytesIO()
    write(out, lambda: [samples])
    return out.getvalue()


def write_basis(
    out: BinaryIO,
    recording: Recording,
    quality: int,
    *,
    blocks_per_packet: int = BLOCKS_PER_PACKET,
    basis: Basis | None = None,
) -> Coded:
    """`encode_basis` for a recording of any length, which is read once.

    Args:
        out: Receives the packets.
        recording: The recording.
        quality: As for `encode_basis`.
        blocks_per_packet: As for `encode_basis`.
        basis: As for `encode_basis`.

    Raises:
        AudioError: The recording cannot be read, or is shorter than a frame.
        PacketError: As `encode_basis`.
    """
    encoder = Encoder(quality, blocks_per_packet=blocks_per_packet, basis=basis)
    blocks = _Counted(recording())

    def packets() -> Iterator[bytes]:
        for samples in blocks:
            yield from encoder.push(samples)
        yield from encoder.flush()

    n_bytes = _write(out, packets())
    return Coded(n_bytes, blocks.n_samples, encoder.peak, int(quality))


def write_at_rate(
    out: BinaryIO,
    recording: Recording,
    kbps: float,
    *,
    blocks_per_packet: int = BLOCKS_PER_PACKET,
    basis: Basis | None = None,
) -> Coded:
    """Code a recording in the mode `basis` at the best quality within a rate.

    The recording may be of any length and is read two to four times. The quality is searched on
    packets spread evenly over the recording, at most 5.5 minutes of it. Then the whole is coded,
    and again at a lower quality if it exceeds the rate, at most twice. The result may still exceed
    the rate, as quality 0 does where even that is too much.

    Args:
        out: Receives the packets; an empty file that can be seeked and truncated.
        recording: The recording.
        kbps: Rate in kbit/s, headers included.
        blocks_per_packet: As for `encode_basis`.
        basis: As for `encode_basis`.

    Raises:
        AudioError: The recording cannot be read, or is shorter than a frame.
        PacketError: The rate or the number of blocks is out of range.
    """
    if not kbps > 0.0:
        raise PacketError(f"the rate is {kbps} kbit/s; expected above 0")
    sample = PacketSample(recording(), blocks_per_packet, basis)
    max_bytes = kbps * 1000.0 / 8.0 * sample.n_samples / SAMPLE_RATE
    quality = sample.best_quality(max_bytes)
    for corrections_left in reversed(range(1 + _MAX_CORRECTIONS)):
        coded = write_basis(
            out, recording, quality, blocks_per_packet=blocks_per_packet, basis=basis
        )
        if coded.n_bytes <= max_bytes or not quality or not corrections_left:
            break
        excess = coded.n_bytes / sample.estimated_bytes(quality)
        quality = min(quality - 1, sample.best_quality(max_bytes / excess))
        out.seek(0)
        out.truncate()
    return coded


def write_low_rank(
    out: BinaryIO, recording: Recording, *, ratio: float | None = None, rmse: float | None = None
) -> Coded:
    """`encode_low_rank` for a recording of any length, which is read twice, first for its peak.

    Args:
        out: Receives the packets.
        recording: The recording.
        ratio: As for `encode_low_rank`.
        rmse: As for `encode_low_rank`.

    Raises:
        AudioError: The recording cannot be read, or is shorter than a frame.
        PacketError: As `encode_low_rank`.
    """
    encode_part = _low_rank_coder(ratio, rmse)
    n_frames, peak = 0, -np.inf
    blocks = _Counted(recording())
    for block in log_mel_blocks(blocks):
        n_frames += block.shape[1]
        peak = max(peak, float(block.max()))

    def packets() -> Iterator[bytes]:
        for number, part in enumerate(_parts(log_mel_blocks(recording()))):
            start = number * MAX_FRAMES
            packet = Packet(
                Mode.SVDQ if ratio is None else Mode.SVD,
                number,
                # Clamped first, as what the receiver clamps anyway is not worth a rank.
                encode_part(clamped(part, peak)),
                start_frame=start,
                n_frames=part.shape[1],
                peak=peak if start + MAX_FRAMES >= n_frames else None,
            )
            yield packet.to_bytes()

    return Coded(_write(out, packets()), blocks.n_samples, peak)


def _low_rank_coder(ratio: float | None, rmse: float | None) -> Callable[[Array], bytes]:
    """Codes up to 30 s of log-mel with exactly one of the two settings."""
    if ratio is not None and rmse is None:
        if not 0.0 < ratio <= 1.0:
            raise PacketError(f"the rank ratio is {ratio}; expected above 0 and at most 1")
        return lambda part: encode_svd(part, rank_of_ratio(ratio, part.shape[1]))
    if rmse is not None and ratio is None:
        if not 1e-3 <= rmse <= 1.0:
            raise PacketError(f"the RMSE is {rmse}; expected 0.001 to 1")
        # Normalisation divides by 4.
        return lambda part: encode_svdq(part, 4.0 * rmse)
    raise PacketError("give either a rank ratio, for svd, or an RMSE, for svdq")


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


class _Counted:
    """Blocks of samples, counted as they are read."""

    def __init__(self, blocks: Iterable[Array]) -> None:
        self._blocks = blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[Array]:
        for samples in self._blocks:
            self.n_samples += len(samples)
            yield samples


def _write(out: BinaryIO, packets: Iterable[bytes]) -> int:
    """Write the packets of a recording and return their size."""
    n_bytes = sum(map(out.write, packets))
    if not n_bytes:
        raise too_short()
    return n_bytes
