"""Recordings with known speech in synthetic room noise, for voice activity detection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, read

from degradation import speech_level

Array = NDArray[np.float32]
Rng = np.random.Generator
Stretches = NDArray[np.int64]
"""First sample, and the one after the last, of each stretch of speech; shape `[n, 2]`."""
Noise = Callable[[int, Rng, Sequence[Path]], NDArray[np.float64]]
"""Noise of a length, from a generator and other voices, at any level."""

PAUSE_S = (0.3, 2.5)
VOICES = 6
"""Speakers in babble."""

_FRAME = SAMPLE_RATE // 100
_LONGEST_GAP = 20  # frames of 10 ms: shorter pauses within a clip count as speech
_SHORTEST = 5  # frames: a shorter sound between pauses is no speech


@dataclass(frozen=True)
class Scene:
    """A recording of one speaker with pauses, without noise.

    Attributes:
        samples: At the levels of the clips; pauses are digital silence.
        speech: Where speech is.
        level_dbfs: Level of the speech.
    """

    samples: Array
    speech: Stretches
    level_dbfs: float


@lru_cache(maxsize=1024)
def _clip(path: Path) -> Array:
    return read(path)


def speech_in(samples: Array) -> Stretches:
    """Stretches of speech in a clean clip, by its level in frames of 10 ms.

    A frame is speech within 35 dB of the loud frames (95th percentile) if it also is 6 dB above the
    noise of the clip (5th percentile, at most 26 dB below the loud frames). Pauses of up to 200 ms
    are filled, then stretches below 50 ms are dropped.
    """
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    if not len(frames):
        return np.zeros((0, 2), np.int64)
    level = 10.0 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    loud, noise = np.quantile(level, 0.95), np.quantile(level, 0.05)
    speech = level > min(max(loud - 35.0, noise + 6.0), loud - 20.0)
    found: list[list[int]] = []
    for at in np.flatnonzero(speech):
        if found and at - found[-1][1] <= _LONGEST_GAP:
            found[-1][1] = at + 1
        else:
            found.append([at, at + 1])
    kept = [(first, end) for first, end in found if end - first >= _SHORTEST]
    return np.array(kept, np.int64).reshape(-1, 2) * _FRAME


def scene(clips: Sequence[Path], rng: Rng, *, seconds: float) -> Scene:
    """Clips of one speaker in random order, trimmed to their speech, with pauses.

    Args:
        clips: Recordings to choose from.
        rng: Source of all random choices.
        seconds: Length at most, unless a single clip is longer.
    """
    parts: list[Array] = []
    stretches = []
    at = 0

    def add(samples: Array) -> None:
        nonlocal at
        parts.append(samples)
        at += len(samples)

    def pause() -> Array:
        return np.zeros(round(rng.uniform(*PAUSE_S) * SAMPLE_RATE), np.float32)

    add(pause())
    for i in rng.permutation(len(clips)):
        samples = _clip(clips[i])
        speech = speech_in(samples)
        if not len(speech):
            continue
        first, end = speech[0, 0], speech[-1, 1]
        if len(stretches) and at + end - first > seconds * SAMPLE_RATE:
            break
        stretches.append(speech - first + at)
        add(samples[first:end])
        add(pause())
    samples = np.concatenate(parts)
    speech = np.concatenate(stretches) if stretches else np.zeros((0, 2), np.int64)
    spoken = [samples[first:end] for first, end in speech]
    return Scene(samples, speech, speech_level(np.concatenate(spoken)))


def with_noise(of: Scene, noise: NDArray[np.float64], snr_db: float) -> Array:
    """A scene in noise; the ratio is that of the speech level to the level of the noise."""
    level = 10.0 * np.log10(np.mean(np.square(noise)) + 1e-20)
    gain = 10.0 ** ((of.level_dbfs - snr_db - level) / 20.0)
    return (of.samples + gain * noise).astype(np.float32)


def in_room(noise: NDArray[np.float64], rng: Rng) -> NDArray[np.float64]:
    """Through a synthetic room: decaying noise (0.2 to 0.8 s to -60 dB) after a direct sound."""
    decay_s = rng.uniform(0.2, 0.8)
    t = np.arange(int(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    response = rng.standard_normal(len(t)) * 10.0 ** (-3.0 * t / decay_s)
    # The reverberation holds half to nine tenths of the energy.
    response *= np.sqrt(rng.uniform(1.0, 9.0) / np.sum(np.square(response)))
    response[0] += 1.0
    n = 1 << (len(noise) + len(response) - 2).bit_length()
    wet = np.fft.irfft(np.fft.rfft(noise, n) * np.fft.rfft(response, n), n)
    return wet[: len(noise)]


def coloured(length: int, rng: Rng, slope: float) -> NDArray[np.float64]:
    """Noise whose amplitude falls as frequency to the power of `slope`."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.maximum(np.fft.rfftfreq(length, 1.0 / SAMPLE_RATE), 30.0)
    return np.fft.irfft(spectrum * hz**-slope, length)


def swelling(length: int, rng: Rng) -> NDArray[np.float64]:
    """Coloured noise whose level changes every few seconds, gradually or at once."""
    changes = 2 + length // (2 * SAMPLE_RATE)
    at = np.sort(rng.integers(length, size=changes))
    level_db = np.interp(np.arange(length), at, 8.0 * rng.standard_normal(changes))
    level_db += np.repeat(
        8.0 * rng.standard_normal(changes + 1), np.diff(np.concatenate(([0], at, [length])))
    ) * (rng.random() < 0.5)
    return coloured(length, rng, rng.uniform(-0.2, 1.1)) * 10.0 ** (level_db / 20.0)


def babble(length: int, rng: Rng, others: Sequence[Path]) -> NDArray[np.float64]:
    """Six voices at once, each a sequence of clips at equal levels."""
    total = np.zeros(length)
    for _ in range(VOICES):
        voice: list[Array] = []
        while sum(map(len, voice)) < length:
            samples = _clip(others[int(rng.integers(len(others)))])
            rms = float(np.sqrt(np.mean(np.square(samples)))) or 1.0
            voice.append(samples / rms)
        total += np.roll(np.concatenate(voice)[:length], int(rng.integers(length)))
    return total


def hum(length: int, rng: Rng, hz: float) -> NDArray[np.float64]:
    """Mains hum: harmonics of 50 or 60 Hz whose levels drift, and faint pink noise."""
    t = np.arange(length) / SAMPLE_RATE
    total = np.zeros(length)
    for k in range(1, 16):
        drift = 1.0 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.05, 0.5) * t + rng.uniform(0, 6.28))
        total += drift * np.sin(2 * np.pi * hz * k * t + rng.uniform(0, 6.28)) / k
    pink = coloured(length, rng, 0.5)
    return total / total.std() + 0.3 * pink / pink.std()


def fan(length: int, rng: Rng, blades: tuple[float, float]) -> NDArray[np.float64]:
    """A fan: brown noise that pulses with the blades, and their tone with harmonics.

    Args:
        length: Samples.
        rng: Source of all random choices.
        blades: Range of the blades per second.
    """
    t = np.arange(length) / SAMPLE_RATE
    rate = rng.uniform(*blades)
    wobble = rate * t + 0.3 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * t)
    air = coloured(length, rng, rng.uniform(0.6, 1.0))
    air *= (1.0 + 0.3 * np.sin(2 * np.pi * wobble)) / air.std()
    tone = sum(np.sin(2 * np.pi * k * wobble + rng.uniform(0, 6.28)) / k for k in range(1, 5))
    whole: NDArray[np.float64] = air + rng.uniform(0.1, 0.5) * tone
    return whole


def bursts(length: int, rng: Rng, *, per_s: float, ring_s: float) -> NDArray[np.float64]:
    """Short decaying noises, such as keys, dishes or rain, over faint pink noise.

    Args:
        length: Samples.
        rng: Source of all random choices.
        per_s: Their mean number per second.
        ring_s: Time to -60 dB.
    """
    pink = coloured(length, rng, 0.5)
    total = 0.1 * pink / pink.std()
    t = np.arange(int(ring_s * SAMPLE_RATE)) / SAMPLE_RATE
    for at in rng.integers(length, size=int(per_s * length / SAMPLE_RATE)):
        sound = rng.standard_normal(len(t)) * 10.0 ** (-3.0 * t / ring_s)
        sound += (
            2.0 * np.sin(2 * np.pi * rng.uniform(800.0, 5000.0) * t) * 10.0 ** (-3.0 * t / ring_s)
        )
        part = total[at : at + len(t)]
        part += rng.lognormal(0.0, 0.7) * sound[: len(part)]
    return total


def traffic(length: int, rng: Rng) -> NDArray[np.float64]:
    """A street: brown noise that swells as cars pass."""
    t = np.arange(length) / SAMPLE_RATE
    swell = np.full(length, 0.3)
    for _ in range(1 + length // (5 * SAMPLE_RATE)):
        swell += rng.uniform(0.5, 2.0) * np.exp(
            -np.square((t - rng.uniform(0, t[-1])) / rng.uniform(0.7, 2.0))
        )
    return swell * coloured(length, rng, 0.9)


def chords(length: int, rng: Rng) -> NDArray[np.float64]:
    """Music-like: triads with harmonics, struck two to four times a second."""
    total = np.zeros(length)
    at = 0
    while at < length:
        n = min(int(SAMPLE_RATE * rng.uniform(0.25, 0.5)), length - at)
        t = np.arange(n) / SAMPLE_RATE
        root = 110.0 * 2.0 ** (rng.integers(25) / 12)
        for step in (0, int(rng.choice([3, 4])), 7):
            for k in range(1, 9):
                hz = root * 2.0 ** (step / 12) * k
                if hz < 7500:
                    total[at : at + n] += np.sin(2 * np.pi * (hz * t + rng.uniform())) / k
        total[at : at + n] *= np.exp(-t * rng.uniform(1, 6)) * np.minimum(1.0, t / 0.01)
        at += n
    return total


def alone(noise: Callable[[int, Rng], NDArray[np.float64]]) -> Noise:
    """A noise without voices."""
    return lambda length, rng, others: noise(length, rng)
