"""Speech coded by libopus."""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

RATE = 16_000
OPUS_KBPS = (6, 8, 10, 12, 14, 16, 24)
OPTIONS = {"application": "audio", "vbr": "on", "frame_duration": "60"}
"""Options of least log-mel error at a given rate; `voip` alters speech perceptually."""


def through_opus(samples: Array, kbps: int) -> tuple[int, Array]:
    """Encode and decode speech in packets of 60 ms.

    Args:
        samples: Mono at 16 kHz, shape `[n]`.
        kbps: Target rate in kbit/s.

    Returns:
        The bytes of the packets, without a container, and the decoded sound, shape `[n]`, aligned
        with the original.
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
    # The codec delays its output; padding flushes the last samples.
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
    """The decoded sound shifted by its delay (the peak of the correlation), length unchanged."""
    max_delay = 1024
    window = min(len(samples), 4 * RATE)
    size = 1 << (window + max_delay).bit_length() + 1
    correlation = np.fft.irfft(
        np.fft.rfft(sound[: window + max_delay], size)
        * np.conj(np.fft.rfft(samples[:window], size))
    )
    delay = int(np.argmax(correlation[:max_delay]))
    return np.pad(sound[delay:], (0, len(samples)))[: len(samples)].astype(np.float32)
