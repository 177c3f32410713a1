"""Synthetic speech, and streams of it."""

import numpy as np

from serkit.codec import Decoder, encode_basis, split


def voice(seconds=6.0, seed=0):
    """Harmonics of a varying pitch in bursts over faint noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time)) / 16_000
    tone = sum(np.sin(k * phase) / k for k in range(1, 25))
    loud = np.clip(np.sin(2 * np.pi * 1.3 * time), 0, 1) ** 2
    return (0.1 * loud * tone + 0.002 * rng.standard_normal(len(time))).astype(np.float32)


VOICE = voice()
STREAM = encode_basis(VOICE, 5, blocks_per_packet=1)
PACKETS = list(split(STREAM))


def decoded(packets, **options):
    """The frames of packets pushed one by one, and the decoder."""
    decoder = Decoder(**options)
    parts = [decoder.push(packet) for packet in packets]
    return np.concatenate([*parts, decoder.flush()], axis=1), decoder


def rmse(one, other):
    return float(np.sqrt(np.mean(np.square(one - other))))
