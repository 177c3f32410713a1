"""Degraded speech and synthetic sounds that are not speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from serkit.corpora import Utterance
from serkit.training import read_utterance

from peers.opus import through_opus

Array = NDArray[np.float32]
Rng = np.random.Generator
Degradation = Callable[[Array, Rng, Sequence[Utterance]], Array]

RATE = 16_000
VOICES = 6
"""Speakers in babble noise."""


def in_16_bits(samples: Array) -> Array:
    """Rounded and limited to 16 bits."""
    rounded: Array = (np.clip(np.round(32768.0 * samples), -32768, 32767) / 32768.0).astype(
        np.float32
    )
    return rounded


def resampled(samples: Array, have: int, want: int) -> Array:
    """Resampled from rate `have` to rate `want`, in Hz."""
    converted: Array = soxr.resample(samples, have, want, quality="VHQ").astype(np.float32)
    return converted


def narrowband(samples: Array, *, how: str) -> Array:
    """Telephone speech at 8 kHz: `plain`, `mu-law` (G.711) or `amr` (12.2 kbit/s)."""
    low = in_16_bits(resampled(samples, RATE, 8000))
    if how == "mu-law":
        low = _mu_law(low)
    elif how == "amr":
        low = through_codec(low, "libopencore_amrnb", "amrnb", 8000, 12_200)
    return resampled(low, 8000, RATE)


def _mu_law(samples: Array) -> Array:
    """Compression, 8 bits, expansion (ITU-T G.711, continuous form)."""
    coded = np.round(127 * np.sign(samples) * np.log1p(255 * np.abs(samples)) / np.log(256)) / 127
    expanded: Array = (np.sign(coded) * (256.0 ** np.abs(coded) - 1) / 255).astype(np.float32)
    return expanded


def through_codec(samples: Array, encoder: str, decoder: str, rate: int, bits: int) -> Array:
    """Coded and decoded by FFmpeg; the codec delay is not removed.

    Args:
        samples: Mono at `rate`.
        encoder: FFmpeg's name of the encoder.
        decoder: FFmpeg's name of the decoder.
        rate: Sampling rate in Hz.
        bits: Bit rate in bit/s.
    """
    coder = av.CodecContext.create(encoder, "w")
    kind = coder.codec.audio_formats[0].name
    coder.sample_rate, coder.layout, coder.format, coder.bit_rate = rate, "mono", kind, bits
    coder.open()
    back = av.CodecContext.create(decoder, "r")
    back.sample_rate, back.layout = rate, "mono"
    convert = av.AudioResampler(format=kind, layout="mono", rate=rate, frame_size=coder.frame_size)
    plain = av.AudioResampler(format="fltp", layout="mono", rate=rate)
    whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "fltp", "mono")
    whole.sample_rate = rate
    packets = []
    for frame in [*convert.resample(whole), *convert.resample(None)]:
        packets += coder.encode(frame)
    packets += coder.encode(None)
    parts = [
        part.to_ndarray()[0]
        for packet in packets
        for frame in back.decode(packet)
        for part in plain.resample(frame)
    ]
    return np.concatenate(parts).astype(np.float32)


def clipped(samples: Array, *, by_db: float, opus: bool = False) -> Array:
    """Clipped at 48 kHz, as by an overdriven analogue-to-digital converter.

    Args:
        samples: Speech.
        by_db: Level of the peaks (99.99th percentile) above full scale, in dB.
        opus: Code with Opus at 24 kbit/s afterwards.
    """
    high = resampled(samples, RATE, 48_000)
    high = high / np.quantile(np.abs(high), 0.9999) * 10.0 ** (by_db / 20.0)
    limited = in_16_bits(0.9 * resampled(np.clip(high, -1.0, 1.0).astype(np.float32), 48_000, RATE))
    return through_opus(limited, 24)[1] if opus else limited


def speech_level(samples: Array) -> float:
    """Level in dBFS of the 32 ms frames within 30 dB of the loud frames (95th percentile)."""
    frames = samples[: len(samples) // 512 * 512].reshape(-1, 512).astype(np.float64)
    power = np.square(frames).mean(axis=1)
    loud = power >= 1e-3 * np.quantile(power, 0.95)
    return float(10.0 * np.log10(power[loud].mean() + 1e-20))


def at_level(samples: Array, level_dbfs: float) -> Array:
    """Scaled to a speech level and rounded to 16 bits."""
    gain = 10.0 ** ((level_dbfs - speech_level(samples)) / 20.0)
    return in_16_bits((gain * samples).astype(np.float32))


def noisy(
    samples: Array, rng: Rng, others: Sequence[Utterance], *, db: float, babble: bool
) -> Array:
    """With white noise or babble of other speakers at a signal-to-noise ratio in dB."""
    noise = _babble(len(samples), rng, others) if babble else rng.standard_normal(len(samples))
    power = np.mean(np.square(samples)) / np.mean(np.square(noise)) / 10.0 ** (db / 10.0)
    mixed: Array = (samples + np.sqrt(power) * noise).astype(np.float32)
    return mixed


def _babble(length: int, rng: Rng, others: Sequence[Utterance]) -> NDArray[np.float64]:
    total = np.zeros(length)
    for i in rng.choice(len(others), VOICES, replace=False):
        voice = read_utterance(others[i])
        voice = np.roll(np.resize(voice, length), int(rng.integers(length)))
        total += voice / max(float(np.sqrt(np.mean(np.square(voice)))), 1e-4)
    return total


def _deterministic(function: Callable[[Array], Array]) -> Degradation:
    return lambda samples, rng, others: function(samples)


CONDITIONS: dict[str, Degradation] = {
    "clean": _deterministic(lambda samples: samples),
    "8 kHz": _deterministic(partial(narrowband, how="plain")),
    "AMR, 12.2 kbit/s": _deterministic(partial(narrowband, how="amr")),
    "Opus, 8 kbit/s": _deterministic(lambda samples: through_opus(samples, 8)[1]),
    "MP3, 24 kbit/s": _deterministic(
        lambda samples: through_codec(samples, "libmp3lame", "mp3float", RATE, 24_000)
    ),
    **{
        f"{'babble' if babble else 'white noise'}, {db} dB": partial(noisy, db=db, babble=babble)
        for babble in (False, True)
        for db in (20, 10, 0)
    },
    "clipped by 12 dB": _deterministic(partial(clipped, by_db=12.0)),
}
"""Degradations by name; in `clean`, CREMA-D is as distributed, in Opus at 24 kbit/s."""


def _loud(values: NDArray[np.float64], rng: Rng) -> Array:
    scaled: Array = (values / np.abs(values).max() * rng.uniform(0.05, 0.9)).astype(np.float32)
    return scaled


def _times(rng: Rng) -> NDArray[np.float64]:
    return np.arange(int(RATE * rng.uniform(1.5, 6.0))) / RATE


def tone(rng: Rng) -> Array:
    """A sine of 100 Hz to 4 kHz."""
    return _loud(np.sin(2 * np.pi * 100.0 * 40.0 ** rng.uniform() * _times(rng)), rng)


def noise(rng: Rng, *, slope: float) -> Array:
    """Noise whose amplitude falls as frequency to the power of `slope`."""
    n = len(_times(rng))
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 20.0)
    return _loud(np.fft.irfft(spectrum * hz**-slope, n), rng)


def chords(rng: Rng) -> Array:
    """Triads of eight harmonics, struck two to five times a second."""
    n = len(_times(rng))
    out = np.zeros(n)
    at = 0
    while at < n:
        length = min(int(RATE * rng.uniform(0.2, 0.5)), n - at)
        t = np.arange(length) / RATE
        root = 110.0 * 2.0 ** (rng.integers(25) / 12)
        for interval in (0, int(rng.choice([3, 4])), 7):
            for harmonic in range(1, 9):
                hz = root * 2.0 ** (interval / 12) * harmonic
                if hz < 7500:
                    phase = rng.uniform(0, 2 * np.pi)
                    out[at : at + length] += np.sin(2 * np.pi * hz * t + phase) / harmonic
        out[at : at + length] *= np.exp(-t * rng.uniform(1, 6)) * np.minimum(1.0, t / 0.01)
        at += length
    return _loud(out, rng)


def clicks(rng: Rng) -> Array:
    """Three clicks a second in silence."""
    out = np.zeros(len(_times(rng)))
    for at in rng.integers(len(out), size=3 * len(out) // RATE):
        out[at : at + int(rng.integers(1, 4))] = rng.choice([-1.0, 1.0])
    return _loud(out, rng)


def hum(rng: Rng) -> Array:
    """Mains hum: eleven harmonics of 50 or 60 Hz and faint noise."""
    t = _times(rng)
    hz = rng.choice([50.0, 60.0])
    parts = sum(
        np.sin(2 * np.pi * hz * k * t + rng.uniform(0, 2 * np.pi)) / k for k in range(1, 12)
    )
    return _loud(parts + 0.01 * rng.standard_normal(len(t)), rng)


SYNTHETIC: dict[str, Callable[[Rng], Array]] = {
    "sine": tone,
    "white noise": partial(noise, slope=0.0),
    "pink noise": partial(noise, slope=0.5),
    "brown noise": partial(noise, slope=1.0),
    "chords": chords,
    "clicks in silence": clicks,
    "mains hum": hum,
}
"""Synthetic sounds, 1.5 to 6 s."""
