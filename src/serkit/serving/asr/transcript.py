"""What speech recognition takes and gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.errors import AudioError, TranscriptionError
from serkit.text import shown

Array = NDArray[np.float32]

MAX_S = 3600
"""Longest recording, in seconds."""

# Log-mel of samples up to 1e12 is within -1.5 and 8.
_MAX_VALUE = 16.0


@dataclass(frozen=True, slots=True)
class TranscriptSegment:
    """A stretch of speech and its text.

    Attributes:
        start_s: Start in the recording, in seconds.
        end_s: End, in seconds.
        text: Text, without surrounding spaces.
    """

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of a recording.

    Attributes:
        text: The whole text; empty if no speech was found.
        language: Code of the language, such as `en`.
        segments: The text in parts, in the order of time.
        warnings: Reasons not to trust the text, one line each.
    """

    text: str
    language: str
    segments: tuple[TranscriptSegment, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        segments: Iterable[TranscriptSegment],
        *,
        language: str,
        duration_s: float,
        warnings: Iterable[str] = (),
    ) -> Transcript:
        """A transcript of segments as a recogniser gives them.

        Args:
            segments: In the order of time. Their texts are joined as they are, then stripped, as
                not all languages put spaces between words; empty ones are left out. Times are
                limited to the recording.
            language: As in the class.
            duration_s: Length of the recording in seconds.
            warnings: As in the class.
        """
        found = [segment for segment in segments if segment.text.strip()]
        limited = (
            TranscriptSegment(
                round(min(max(0.0, segment.start_s), duration_s), 3),
                round(min(max(0.0, segment.start_s, segment.end_s), duration_s), 3),
                segment.text.strip(),
            )
            for segment in found
        )
        text = "".join(segment.text for segment in found).strip()
        return cls(text, language, tuple(limited), tuple(warnings))


class Asr(Protocol):
    """A speech recogniser that takes log-mel frames."""

    @property
    def name(self) -> str:
        """Backend and model, for people."""

    @property
    def n_mels(self) -> int:
        """Mel bands that it takes: 80, or 128 for large-v3."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages it knows."""

    def transcribe(self, log_mel: Array, *, language: str | None = None) -> Transcript:
        """Transcribe a recording.

        Args:
            log_mel: As Whisper's encoder takes it, shape `[n_mels, n_frames]`, float32, 100 frames
                per second, at most `MAX_S` seconds.
            language: Code of the language spoken; detected if None.

        Raises:
            AudioError: The frames are of another shape or type, not finite, or too many.
            TranscriptionError: The recogniser does not know the language, or failed.
        """


def checked(log_mel: Array, n_mels: int) -> Array:
    """The frames, contiguous and float32, after checks.

    Args:
        log_mel: As for `Asr.transcribe`.
        n_mels: Mel bands to expect.

    Raises:
        AudioError: As `Asr.transcribe`.
    """
    if log_mel.ndim != 2 or log_mel.shape[0] != n_mels or log_mel.dtype.kind != "f":
        raise AudioError(
            f"log-mel is {log_mel.dtype} of shape {list(log_mel.shape)}; expected float32 of shape "
            f"[{n_mels}, n_frames]"
        )
    if log_mel.shape[1] > MAX_S * FRAMES_PER_SECOND:
        raise AudioError(
            f"the recording lasts {log_mel.shape[1] / FRAMES_PER_SECOND:.0f} s; expected at most "
            f"{MAX_S} s for speech recognition; send it in parts"
        )
    if not np.abs(log_mel).max(initial=0.0) <= _MAX_VALUE:
        raise AudioError(
            f"log-mel is not finite or beyond {_MAX_VALUE:g}; expected values as Whisper's encoder "
            "takes them"
        )
    return np.ascontiguousarray(log_mel, np.float32)


def require_language(language: str | None, known: tuple[str, ...], name: str) -> None:
    """Refuse a language that a recogniser does not know.

    Raises:
        TranscriptionError: The language is not one of the known.
    """
    if language is not None and language not in known:
        raise TranscriptionError(
            f"language is {shown(language, 40)}; {name} knows {', '.join(known)}"
        )
