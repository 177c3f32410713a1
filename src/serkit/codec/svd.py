"""Spectrograms of low rank: AMSER's codec, and the same quantised.

Lu et al., *AMSER* (2024), III, equations 2 to 4: the singular value decomposition of the log-mel
spectrogram, cut off after the largest r of its k = min(m, n) singular values.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from serkit.codec.entropy import Reader, Table, Writer, frequencies, get_large, put_large
from serkit.errors import PacketError
from serkit.features.whisper import N_MELS

Array = NDArray[np.float32]

RATIOS = (0.125, 0.1875, 0.25, 0.5, 1.0)
"""The paper's compression rates r/k."""


def rank_of_ratio(ratio: float, n_frames: int) -> int:
    """The rank r of a rate r/k, at least 1."""
    return max(1, round(ratio * min(N_MELS, n_frames)))


def truncated(log_mel: Array, rank: int) -> tuple[Array, Array, Array]:
    """The largest singular values and their vectors (equations 2 and 3).

    By the theorem of Eckart and Young no matrix of this rank is nearer to the spectrogram.

    Args:
        log_mel: Shape `[80, n_frames]`.
        rank: How many.

    Returns:
        U' `[80, rank]`, S' `[rank]` and V' `[rank, n_frames]`; their product is equation 4.
    """
    left, values, right = np.linalg.svd(log_mel, full_matrices=False)
    return left[:, :rank], values[:rank], right[:rank]


def encode_svd(log_mel: Array, rank: int) -> bytes:
    """The factors as float16: rank, then U', S' and V' row by row.

    Args:
        log_mel: Shape `[80, n_frames]`, at most 3000 frames.
        rank: At most 80 and `n_frames`.
    """
    factors = truncated(log_mel, rank)
    numbers = np.concatenate([factor.ravel() for factor in factors]).astype("<f2")
    return struct.pack("<B", rank) + numbers.tobytes()


def decode_svd(payload: bytes, n_frames: int) -> Array:
    """What `encode_svd` was given, as nearly as the rank allows.

    Raises:
        PacketError: The payload's length does not fit its rank, or it holds no finite numbers.
    """
    rank = payload[0] if payload else 0
    expected = 1 + 2 * rank * (N_MELS + 1 + n_frames)
    if not 1 <= rank <= min(N_MELS, n_frames) or len(payload) != expected:
        raise PacketError(
            f"the payload has {len(payload)} bytes for rank {rank} and {n_frames} frames; "
            f"expected {expected} and a rank from 1 to {min(N_MELS, n_frames)}"
        )
    numbers: Array = np.frombuffer(payload, "<f2", offset=1).astype(np.float32)
    if not np.isfinite(numbers).all():
        raise PacketError("the payload holds numbers that are not finite")
    left, values, right = np.split(numbers, [N_MELS * rank, (N_MELS + 1) * rank])
    scaled = left.reshape(N_MELS, rank) * values
    return np.asarray(scaled @ right.reshape(rank, n_frames), np.float32)


def rank_of_error(log_mel: Array, rmse: float) -> int:
    """The least rank whose error is no larger: exactly so by the theorem of Eckart and Young.

    Args:
        log_mel: Shape `[80, n_frames]`.
        rmse: Root of the mean squared error allowed.
    """
    values = np.linalg.svd(log_mel.astype(np.float64), compute_uv=False)
    # What is left out when the largest r are kept, for r = 0, 1, ...
    left_out = np.append(np.cumsum(np.square(values)[::-1])[::-1], 0.0) / log_mel.size
    return max(1, int(np.argmax(left_out <= rmse**2)))


_MEAN_STEP = 1.0 / 16.0
_LARGEST = 20
_N_SCALES = 32


def _scale_tables() -> list[Table]:
    """Geometric laws of mean magnitude 2^(i/3 - 4), magnitudes above the largest escaped."""
    tables = []
    for i in range(_N_SCALES):
        mean = 2.0 ** (i / 3.0 - 4.0)
        ratio = mean / (1.0 + mean)
        shares = (1.0 - ratio) * ratio ** np.arange(_LARGEST + 1.0)
        shares[-1] = ratio**_LARGEST
        tables.append(Table(frequencies(np.maximum(shares, 1e-9)).tolist()))
    return tables


_SCALES = _scale_tables()


def encode_svdq(log_mel: Array, rmse: float) -> bytes:
    """Factors of the rank that an error asks for, quantised and entropy-coded.

    The mean of each mel band goes first, so that the rest has a smaller rank. Half of the squared
    error is left to the rank, half to the quantiser: with `A = U sqrt(S)` and `B = sqrt(S) V`,
    scaled to the same mean square, a step d costs `2 * d^2 / 12 * sum(S) / sqrt(80 * n_frames)`.

    Args:
        log_mel: Shape `[80, n_frames]`, at most 3000 frames.
        rmse: Root of the mean squared error aimed at.
    """
    n_frames = log_mel.shape[1]
    mean = np.round(log_mel.mean(axis=1) / _MEAN_STEP)
    rest = log_mel - np.float32(_MEAN_STEP) * mean[:, None].astype(np.float32)
    allowed = rmse / 2.0**0.5
    rank = min(rank_of_error(rest, allowed), min(N_MELS, n_frames))
    left, values, right = truncated(rest, rank)
    area = (N_MELS * n_frames) ** 0.5
    step = allowed * (6.0 * area / max(float(values.sum()), 1e-6)) ** 0.5
    # As sent: in sixteenths of a power of two.
    exponent = int(np.clip(np.round(16.0 * np.log2(step)), -128, 127))
    step = 2.0 ** (exponent / 16.0)
    balance = (N_MELS / n_frames) ** 0.25
    root = np.sqrt(values)
    columns = np.concatenate((left * root * balance, (right.T * root) / balance))
    codes = np.round(columns / step).astype(np.int64)
    writer = Writer()
    writer.put_bits(rank, 7)
    writer.put_bits(exponent + 128, 8)
    previous = 0
    for value in mean.astype(int).tolist():
        _put_signed(writer, value - previous, _SCALES[18])
        previous = value
    for column in codes.T:
        magnitude = float(np.abs(column).mean())
        scale = int(np.clip(np.round(3.0 * (np.log2(magnitude + 1e-3) + 4.0)), 0, _N_SCALES - 1))
        writer.put_bits(scale, 5)
        for value in column.tolist():
            _put_signed(writer, value, _SCALES[scale])
    return writer.to_bytes()


def decode_svdq(payload: bytes, n_frames: int) -> Array:
    """What `encode_svdq` was given, as nearly as the error allows.

    Raises:
        PacketError: The payload says something impossible.
    """
    reader = Reader(payload)
    rank = reader.get_bits(7)
    if not 1 <= rank <= min(N_MELS, n_frames):
        raise PacketError(f"the payload is of rank {rank}; expected 1 to {min(N_MELS, n_frames)}")
    step = 2.0 ** ((reader.get_bits(8) - 128) / 16.0)
    mean = np.cumsum([_get_signed(reader, _SCALES[18]) for _ in range(N_MELS)])
    columns = np.empty((rank, N_MELS + n_frames))
    for column in columns:
        table = _SCALES[reader.get_bits(5)]
        column[:] = [_get_signed(reader, table) for _ in range(N_MELS + n_frames)]
    reader.finish()
    # The encoder's scaling of the one half against the other cancels out.
    left, right = columns[:, :N_MELS], columns[:, N_MELS:]
    product: Array = (_MEAN_STEP * mean[:, None] + step**2 * left.T @ right).astype(np.float32)
    return product


def _put_signed(writer: Writer, value: int, table: Table) -> None:
    magnitude = abs(value)
    writer.put(table, min(magnitude, _LARGEST))
    if magnitude >= _LARGEST:
        put_large(writer, magnitude - _LARGEST)
    if magnitude:
        writer.put_bits(int(value < 0), 1)


def _get_signed(reader: Reader, table: Table) -> int:
    magnitude = reader.get(table)
    if magnitude == _LARGEST:
        magnitude += get_large(reader)
    return -magnitude if magnitude and reader.get_bits(1) else magnitude
