"""Log-mel frames <-> packets of about 2 kbit/s, with no dependency but NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serkit._lazy import lazily

if TYPE_CHECKING:
    from serkit.codec.basis import DEFAULT_QUALITY, N_QUALITIES, Basis
    from serkit.codec.basis_file import shipped_basis
    from serkit.codec.decoder import Decoder
    from serkit.codec.decoding import MAX_HOURS, Decoded, Decoding, decode
    from serkit.codec.distortion import rmse
    from serkit.codec.encoder import DELAY_S, MAX_BLOCKS, Encoder
    from serkit.codec.frontend import BLOCK_FRAMES, LogMelStream, log_mel_of
    from serkit.codec.packets import Content, Mode, Packet, StoredBytes, read_packet, split
    from serkit.codec.preview import griffin_lim
    from serkit.codec.recording import (
        BLOCKS_PER_PACKET,
        Coded,
        Recording,
        encode_basis,
        encode_low_rank,
        write_at_rate,
        write_basis,
        write_low_rank,
    )
    from serkit.codec.svd import RATIOS
    from serkit.features.whisper import N_MELS, normalised

_EXPORTS: dict[str, tuple[str, ...]] = {
    "serkit.codec.basis": (
        "DEFAULT_QUALITY",
        "N_QUALITIES",
        "Basis",
    ),
    "serkit.codec.basis_file": ("shipped_basis",),
    "serkit.codec.decoder": ("Decoder",),
    "serkit.codec.decoding": (
        "MAX_HOURS",
        "Decoded",
        "Decoding",
        "decode",
    ),
    "serkit.codec.distortion": ("rmse",),
    "serkit.codec.encoder": (
        "DELAY_S",
        "MAX_BLOCKS",
        "Encoder",
    ),
    "serkit.codec.frontend": (
        "BLOCK_FRAMES",
        "LogMelStream",
        "log_mel_of",
    ),
    "serkit.codec.packets": (
        "Content",
        "Mode",
        "Packet",
        "StoredBytes",
        "read_packet",
        "split",
    ),
    "serkit.codec.preview": ("griffin_lim",),
    "serkit.codec.recording": (
        "BLOCKS_PER_PACKET",
        "Coded",
        "Recording",
        "encode_basis",
        "encode_low_rank",
        "write_at_rate",
        "write_basis",
        "write_low_rank",
    ),
    "serkit.codec.svd": ("RATIOS",),
    "serkit.features.whisper": (
        "N_MELS",
        "normalised",
    ),
}

__all__ = [
    "BLOCKS_PER_PACKET",
    "BLOCK_FRAMES",
    "DEFAULT_QUALITY",
    "DELAY_S",
    "MAX_BLOCKS",
    "MAX_HOURS",
    "N_MELS",
    "N_QUALITIES",
    "RATIOS",
    "Basis",
    "Coded",
    "Content",
    "Decoded",
    "Decoder",
    "Decoding",
    "Encoder",
    "LogMelStream",
    "Mode",
    "Packet",
    "Recording",
    "StoredBytes",
    "decode",
    "encode_basis",
    "encode_low_rank",
    "griffin_lim",
    "log_mel_of",
    "normalised",
    "read_packet",
    "rmse",
    "shipped_basis",
    "split",
    "write_at_rate",
    "write_basis",
    "write_low_rank",
]

__getattr__ = lazily(__name__, _EXPORTS)
