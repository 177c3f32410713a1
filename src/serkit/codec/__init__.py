"""Log-mel frames <-> packets of about 2 kbit/s, in NumPy alone."""

from serkit.codec.basis import DEFAULT_QUALITY, N_QUALITIES, Basis, shipped_basis
from serkit.codec.frontend import BLOCK_FRAMES, N_MELS, LogMelStream, normalised
from serkit.codec.packets import Content, Mode, Packet, StoredBytes, read_packet, split
from serkit.codec.preview import griffin_lim
from serkit.codec.recording import (
    BLOCKS_PER_PACKET,
    MOST_HOURS,
    Coded,
    Decoded,
    Decoding,
    Recording,
    decode,
    encode_at_rate,
    encode_basis,
    encode_low_rank,
    log_mel_of,
    rmse,
    write_at_rate,
    write_basis,
    write_low_rank,
)
from serkit.codec.stream import DELAY_S, MAX_BLOCKS, Decoder, Encoder
from serkit.codec.svd import RATIOS

__all__ = [
    "BLOCKS_PER_PACKET",
    "BLOCK_FRAMES",
    "DEFAULT_QUALITY",
    "DELAY_S",
    "MAX_BLOCKS",
    "MOST_HOURS",
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
    "encode_at_rate",
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
