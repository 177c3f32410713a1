"""Speech through libopus, the rival of the edge codec."""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

RATE = 16_000
OPUS_KBPS = (6, 8, 10, 12, 14, 16, 24)
OPTIONS = {"application": "audio", "vbr": "on", "frame_duration": "60"}
"""What gives its log-mel the least error at a rate; `voip` alters speech to please the ear."""


def through_opus(samples: Array, kbps: int) -> tuple[int, Array]:
    """What is sent and heard with 60 ms frames: the packets' bytes, no container, and the sound.

    Args:
        samples: Mono at 16 kHz, shape `[n]`.
        kbps: The rate asked for.

    Returns:
        The bytes, and the sound moved to where it fits the original best, shape `[n]`.
    """
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "flt"
    encoder.bit_rate = 1000 * kbps
    encoder.options = OPTIONS
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = RATE, "mono"
    encoder.open()
    decoder.extradata = encoder.extradata
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    n = encoder.frame_size
    # The encoder looks ahead: what comes out is late, and more has to be sent to get all of it.
    padded = np.pad(samples, (0, -len(samples) % n + 4 * n))
    packets, parts = [], []
    for start in range(0, len(padded), n):
        frame = av.AudioFrame.from_ndarray(padded[None, start : start + n], "flt", "mono")
        frame.sample_rate, frame.pts = RATE, start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    size = sum(packet.size for packet in packets[: -(-len(samples) // n)])
    for packet in packets:
        for out in decoder.decode(packet):
            parts += [part.to_ndarray()[0] for part in resampler.resample(out)]
    parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return size, _aligned(np.concatenate(parts), samples)


def _aligned(sound: Array, samples: Array) -> Array:
    """The decoded sound moved to where it fits the original best, of the same length."""
    most = 1024
    window = min(len(samples), 4 * RATE)
    size = 1 << (window + most).bit_length() + 1
    correlation = np.fft.irfft(
        np.fft.rfft(sound[: window + most], size) * np.conj(np.fft.rfft(samples[:window], size))
    )
    delay = int(np.argmax(correlation[:most]))
    return np.pad(sound[delay:], (0, len(samples)))[: len(samples)].astype(np.float32)
