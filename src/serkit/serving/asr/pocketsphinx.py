"""Speech recognition with pocketsphinx: offline, English, with the model of its wheel.

It takes sound, so the frames are turned into the Griffin-Lim preview first.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from serkit.codec import N_MELS, griffin_lim
from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.errors import MissingExtraError
from serkit.serving.asr.transcript import (
    Transcript,
    TranscriptSegment,
    checked,
    require_language,
)

Array = NDArray[np.float32]

# A long recording is decoded in stretches, which end where it is quietest.
_LONGEST_S, _SHORTEST_S = 30, 20
_QUIET_S = 0.2
# A segment ends where no word is spoken for as long (chosen by hand).
_PAUSE_S = 0.3
# Silence, and noises in the dictionary of the model.
_FILLERS = ("<", "[", "++")


class Pocketsphinx:
    """pocketsphinx with its English model and default settings."""

    name = "pocketsphinx"
    n_mels = N_MELS
    languages = ("en",)

    def __init__(self) -> None:
        try:
            import pocketsphinx
        except ImportError as error:
            raise MissingExtraError(
                "pocketsphinx", "pocketsphinx", "speech recognition with pocketsphinx"
            ) from error
        self._decoder = pocketsphinx.Decoder(loglevel="FATAL")
        self._lock = Lock()

    def transcribe(self, log_mel: Array, *, language: str | None = None) -> Transcript:
        """As `Asr.transcribe`."""
        log_mel = checked(log_mel, self.n_mels)
        require_language(language, self.languages, self.name)
        segments: list[TranscriptSegment] = []
        for start, end in stretches(log_mel):
            words = self._words(griffin_lim(log_mel[:, start:end]))
            segments += _segments(words, start / FRAMES_PER_SECOND)
        duration_s = log_mel.shape[1] / FRAMES_PER_SECOND
        return Transcript.of(segments, language="en", duration_s=duration_s)

    def transcribe_sound(self, samples: Array) -> str:
        """The text of sound, to measure what the preview costs.

        Args:
            samples: Mono at 16 kHz, shape `[n]`, at most 30 s.
        """
        return " ".join(word for word, _, _ in self._words(samples))

    def _words(self, samples: Array) -> list[tuple[str, float, float]]:
        """Words with their start and end in seconds."""
        rounded = np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
        with self._lock:
            decoder = self._decoder
            # It may adapt to what it decodes; the text must not depend on earlier recordings.
            decoder.reinit_feat()
            decoder.start_utt()
            try:
                decoder.process_raw(rounded.tobytes(), full_utt=True)
            finally:
                decoder.end_utt()
            if decoder.hyp() is None:
                return []
            rate = float(decoder.config["frate"])
            return [
                (part.word.partition("(")[0], part.start_frame / rate, (part.end_frame + 1) / rate)
                for part in decoder.seg()
                if not part.word.startswith(_FILLERS)
            ]


def stretches(log_mel: Array) -> Iterator[tuple[int, int]]:
    """Stretches of 20 to 30 s that end where a recording is quietest.

    Args:
        log_mel: Shape `[n_mels, n_frames]`.

    Yields:
        First frame and the one after the last; the last stretch may be shorter.
    """
    longest, shortest = _LONGEST_S * FRAMES_PER_SECOND, _SHORTEST_S * FRAMES_PER_SECOND
    width = round(_QUIET_S * FRAMES_PER_SECOND)
    start, n_frames = 0, log_mel.shape[1]
    while n_frames - start > longest:
        loudness = log_mel[:, start + shortest : start + longest].mean(axis=0)
        smoothed = np.convolve(loudness, np.ones(width), "valid")
        end = start + shortest + int(smoothed.argmin()) + width // 2
        yield start, end
        start = end
    if start < n_frames:
        yield start, n_frames


def _segments(
    words: list[tuple[str, float, float]], offset_s: float
) -> Iterator[TranscriptSegment]:
    """Words joined to segments that end at pauses."""
    said: list[tuple[str, float, float]] = []
    for word in words:
        if said and word[1] - said[-1][2] >= _PAUSE_S:
            yield _joined(said, offset_s)
            said = []
        said.append(word)
    if said:
        yield _joined(said, offset_s)


def _joined(words: list[tuple[str, float, float]], offset_s: float) -> TranscriptSegment:
    text = " " + " ".join(word for word, _, _ in words)
    return TranscriptSegment(offset_s + words[0][1], offset_s + words[-1][2], text)
