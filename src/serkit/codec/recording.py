"""A whole recording at once: samples -> a file of packets -> log-mel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import N_QUALITIES, Basis
from serkit.codec.frontend import log_mel_blocks, normalised
from serkit.codec.packets import Mode, Packet, read_packet, split
from serkit.codec.stream import Decoder, Encoder
from serkit.codec.svd import (
    MAX_FRAMES,
    encode_svd,
    encode_svdq,
    rank_of_ratio,
)
from serkit.errors import AudioError, PacketError

Array = NDArray[np.float32]

_MOST_HOURS = 6
_AT_ONCE = 64


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


BLOCKS_PER_PACKET = 16
"""Of a recording: 5.12 s."""


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
    encoder = Encoder(quality, blocks_per_packet=blocks_per_packet, basis=basis)
    packets = encoder.push(samples) + encoder.flush()
    if not packets:
        raise _too_short()
    return b"".join(packets)


def encode_at_rate(
    samples: Array,
    kbps: float,
    *,
    blocks_per_packet: int = BLOCKS_PER_PACKET,
    basis: Basis | None = None,
) -> bytes:
    """Code a recording in the mode `basis` with the best quality within a rate.

    The least quality is taken where even that exceeds the rate.

    Args:
        samples: Mono at 16 kHz, shape `[n]`, float32.
        kbps: Kilobits a second, headers included.
        blocks_per_packet: Blocks of 320 ms that share a packet.
        basis: The one that comes with serkit if not given.

    Raises:
        AudioError: The recording is shorter than a frame.
        PacketError: The rate or the number of blocks is out of range.
    """
    if not kbps > 0.0:
        raise PacketError(f"{kbps} kbit/s; expected a rate above 0")

    def at(quality: int) -> bytes:
        return encode_basis(samples, quality, blocks_per_packet=blocks_per_packet, basis=basis)

    allowed = kbps * 1000.0 / 8.0 * len(samples) / 16_000.0
    low, high = 0, N_QUALITIES - 1
    best = at(low)
    while low < high:
        middle = (low + high + 1) // 2
        stream = at(middle)
        if len(stream) <= allowed:
            low, best = middle, stream
        else:
            high = middle - 1
    return best


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
    if (ratio is None) == (rmse is None):
        raise PacketError("give the ratio for svd or the error for svdq")
    if ratio is not None and not 0.0 < ratio <= 1.0:
        raise PacketError(f"the rank ratio is {ratio}; expected above 0 and at most 1")
    if rmse is not None and not 1e-3 <= rmse <= 1.0:
        raise PacketError(f"the error is {rmse}; expected 0.001 to 1")
    log_mel = log_mel_of(samples)
    peak = float(log_mel.max())
    # What the receiver clamps anyway is not worth a rank.
    log_mel = np.maximum(log_mel, np.float32(peak - 8.0))
    packets = []
    n_frames = log_mel.shape[1]
    for number, start in enumerate(range(0, n_frames, MAX_FRAMES)):
        part = log_mel[:, start : start + MAX_FRAMES]
        payload = (
            encode_svd(part, rank_of_ratio(ratio, part.shape[1]))
            if ratio is not None
            else encode_svdq(part, 4.0 * (rmse or 0.0))
        )
        packet = Packet(
            Mode.SVD if ratio is not None else Mode.SVDQ,
            number,
            payload,
            start_frame=start,
            n_frames=part.shape[1],
            peak=peak if start + MAX_FRAMES >= n_frames else None,
        )
        packets.append(packet.to_bytes())
    return b"".join(packets)


def decode(stream: bytes, *, basis: Basis | None = None) -> Decoded:
    """Decode a file of packets.

    Args:
        stream: Packets of one stream, in any order; some may be missing.
        basis: The one that comes with serkit if not given.

    Raises:
        PacketError: A packet is damaged, or of another basis; the file holds several streams
            or more than 6 hours: silence and gaps take no bytes, but memory here.
    """
    packets = list(split(stream))
    ends = {packet for packet in packets if read_packet(packet).peak is not None}
    if len(ends) > 1:
        raise PacketError(
            f"the file holds the ends of {len(ends)} streams; decode one stream at a time"
        )
    decoder = Decoder(basis=basis)
    parts, n_frames = [], 0
    for start in range(0, len(packets), _AT_ONCE):
        parts.append(decoder.extend(packets[start : start + _AT_ONCE]))
        n_frames += parts[-1].shape[1]
        if n_frames > _MOST_HOURS * 360_000:
            raise PacketError(
                f"the file covers more than {_MOST_HOURS} hours; take it packet by packet with "
                "serkit.codec.Decoder"
            )
    log_mel = np.concatenate((*parts, decoder.flush()), axis=1)
    frames = normalised(log_mel, peak=decoder.peak)
    return Decoded(frames, len(packets), decoder.concealed, decoder.first_frame)
