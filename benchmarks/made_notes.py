"""Long recordings whose emotions, pauses and noise are known, made from clips of one speaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.audio import read as read_audio
from serkit.metrics import LabelledTime

import noisy_rooms as rooms
from degradation import speech_level

Array = NDArray[np.float32]
Rng = np.random.Generator

DOMINANT_S, OTHER_S = (10.0, 30.0), (5.0, 15.0)
"""Speech in a passage of the dominant emotion of a note, and in one of another emotion."""
SHORT_PAUSE_S, LONG_PAUSE_S = (0.1, 0.8), (1.0, 5.0)
LONG_WITHIN, LONG_BETWEEN = 0.2, 0.5
"""Share of long pauses within a passage, and between two."""
BRIDGED_S = 0.3
"""Shorter pauses within an emotion are part of it, as in NIST's evaluations of diarization."""

NOISES: dict[str, rooms.Noise] = {
    "pink": rooms.alone(lambda n, rng: rooms.coloured(n, rng, 0.5)),
    "fan": rooms.alone(partial(rooms.fan, blades=(70.0, 140.0))),
    "hum": rooms.alone(lambda n, rng: rooms.hum(n, rng, 50.0)),
    "clatter": rooms.alone(partial(rooms.bursts, per_s=4.0, ring_s=0.15)),
    "traffic": rooms.alone(rooms.traffic),
    "babble": rooms.babble,
}


@dataclass(frozen=True)
class Note:
    """A recording of one speaker whose emotion changes.

    Attributes:
        speaker: Key of the speaker.
        dominant: The emotion of most of the speech.
        noise_name: Kind of the noise.
        samples: The speech at the levels of the clips; pauses are digital silence.
        noise: The noise, of the same length, at any level.
        level_dbfs: Level of the speech.
        truth: Stretches of speech with their emotions.
    """

    speaker: str
    dominant: str
    noise_name: str
    samples: Array
    noise: Array
    level_dbfs: float
    truth: tuple[LabelledTime, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE

    def at(self, snr_db: float) -> Array:
        """The note in its noise."""
        clean = rooms.Scene(self.samples, np.zeros((0, 2), np.int64), self.level_dbfs)
        return rooms.with_noise(clean, self.noise, snr_db)


def note(
    speaker: str,
    clips: Mapping[str, Sequence[Path]],
    dominant: str,
    noise_name: str,
    voices: Sequence[Path],
    rng: Rng,
    *,
    seconds: float,
) -> Note:
    """Make a note: passages of the dominant emotion, and of the others in turn between them.

    A passage is a sequence of clips of one emotion, each trimmed to its speech; all clips of an
    emotion occur before one occurs again.

    Args:
        speaker: Key of the speaker.
        clips: Recordings of the speaker by emotion.
        dominant: The dominant emotion, which the note begins and ends with.
        noise_name: One of `NOISES`.
        voices: Recordings of other speakers, for babble.
        rng: Source of all random choices.
        seconds: Shortest length.
    """
    parts: list[Array] = []
    truth: list[LabelledTime] = []
    at = 0

    def pause(long_share: float) -> None:
        nonlocal at
        bounds = LONG_PAUSE_S if rng.random() < long_share else SHORT_PAUSE_S
        parts.append(np.zeros(round(rng.uniform(*bounds) * SAMPLE_RATE), np.float32))
        at += len(parts[-1])

    order = {label: cycle(rng.permutation(len(paths))) for label, paths in clips.items()}
    others = cycle(rng.permutation(sorted(set(clips) - {dominant})))
    label = dominant
    pause(1.0)
    while True:
        left_s = rng.uniform(*(DOMINANT_S if label == dominant else OTHER_S))
        while left_s > 0.0:
            samples, speech = _trimmed(clips[label][next(order[label])])
            if not len(speech):
                continue
            for first, end in (speech + at) / SAMPLE_RATE:
                _append(truth, float(first), float(end), label)
            parts.append(samples)
            at += len(samples)
            left_s -= len(samples) / SAMPLE_RATE
            pause(LONG_WITHIN)
        if label == dominant and at >= seconds * SAMPLE_RATE:
            break
        label = str(next(others)) if label == dominant else dominant
        pause(LONG_BETWEEN)
    samples = np.concatenate(parts)
    spoken = [samples[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] for a, b, _ in truth]
    noise = rooms.in_room(NOISES[noise_name](len(samples), rng, voices), rng)
    return Note(
        speaker,
        dominant,
        noise_name,
        samples,
        noise.astype(np.float32),
        speech_level(np.concatenate(spoken)),
        tuple(truth),
    )


def _trimmed(path: Path) -> tuple[Array, NDArray[np.int64]]:
    """A clip from its first speech to its last, and its stretches of speech."""
    samples = read_audio(path)
    speech = rooms.speech_in(samples)
    if not len(speech):
        return samples, speech
    first, end = int(speech[0, 0]), int(speech[-1, 1])
    return samples[first:end], speech - first


def _append(truth: list[LabelledTime], start_s: float, end_s: float, label: str) -> None:
    """Add a stretch of speech, joined to the last one across a short pause."""
    if truth and truth[-1][2] == label and start_s - truth[-1][1] < BRIDGED_S:
        start_s = truth.pop()[0]
    truth.append((start_s, end_s, label))
