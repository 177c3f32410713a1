"""Speech recognition with Whisper on CTranslate2, by faster-whisper, fed with log-mel frames."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.errors import MissingExtraError, ModelError, TranscriptionError
from serkit.features.whisper import HOP
from serkit.serving.asr.transcript import (
    Transcript,
    TranscriptSegment,
    checked,
    require_language,
)
from serkit.serving.asr.whisper_folder import (
    MEL_BANDS,
    TOKENIZER,
    WINDOW_FRAMES,
    WINDOW_S,
    whisper_folder,
)
from serkit.text import one_line, printable

Array = NDArray[np.float32]

_FILES = ("model.bin", "config.json", TOKENIZER)
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
# Sampling after a failed beam search, as is the default, makes texts differ from run to run and
# takes up to six times as long; a text as context makes one error lead to the next.
_OPTIONS = {"beam_size": 5, "temperature": 0.0, "condition_on_previous_text": False}
# As faster-whisper's own thresholds for a failed beam search.
_REPETITIVE, _UNLIKELY = 2.4, -1.0
_UNSURE = 0.5


class FasterWhisper:
    """Whisper on CTranslate2.

    Args:
        source: A folder as CTranslate2 converts it, with `tokenizer.json`; or its id on the
            Hugging Face hub, such as `Systran/faster-whisper-base`.
        threads: Threads on a CPU.
        device: `cpu`, `cuda` or `auto`.
        download: Whether an id may be downloaded; if not, it must be in the cache.

    Raises:
        ModelError: The folder or id cannot be loaded.
        MissingExtraError: faster-whisper is not installed.
    """

    def __init__(
        self, source: str, *, threads: int = 1, device: str = "auto", download: bool = False
    ) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise MissingExtraError(
                error.name or "faster_whisper", "asr", "speech recognition with faster-whisper"
            ) from error
        repository = whisper_folder(
            source,
            *_FILES,
            patterns=(*_FILES, *_VOCABULARIES, "preprocessor_config.json"),
            extra="asr",
            download=download,
        )
        if not set(map(repository.file, _VOCABULARIES)) - {None}:
            raise ModelError(f"{repository.name} has no {_VOCABULARIES[0]}")
        try:
            self._model: Any = WhisperModel(
                str(repository.folder), device=device, cpu_threads=threads, local_files_only=True
            )
        except Exception as error:  # of many types: of CTranslate2 and of tokenizers
            raise ModelError(
                f"{repository.name} cannot be loaded: {printable(one_line(error))}"
            ) from error
        self.name = f"faster-whisper {repository.name}"
        self.n_mels = int(self._model.model.n_mels)
        if self.n_mels not in MEL_BANDS:
            raise ModelError(
                f"{repository.name}: it takes {self.n_mels} mel bands; expected 80 or 128"
            )
        self.languages: tuple[str, ...] = tuple(self._model.supported_languages)

    def transcribe(self, log_mel: Array, *, language: str | None = None) -> Transcript:
        """As `Asr.transcribe`."""
        log_mel = checked(log_mel, self.n_mels)
        require_language(language, self.languages, self.name)
        n_frames = log_mel.shape[1]
        if not n_frames:
            return Transcript("", language or self.languages[0])
        model = copy.copy(self._model)  # requests in other threads have their own
        model.feature_extractor = _Given(log_mel)
        # Only the length of the sound is looked at.
        sound = np.broadcast_to(np.float32(0.0), n_frames * HOP)
        try:
            segments, info = model.transcribe(sound, language=language, **_OPTIONS)
            found = list(segments)
        except (RuntimeError, ValueError) as error:
            raise TranscriptionError(f"{self.name} failed: {printable(one_line(error))}") from error
        warnings = []
        if info.language_probability < _UNSURE:
            warnings.append(
                f"the language may not be {info.language}: its probability is "
                f"{info.language_probability:.2f}"
            )
        warnings += [
            f"the text of {part.start:.1f} to {part.end:.1f} s may not have been said: it "
            + ("repeats itself" if part.compression_ratio > _REPETITIVE else "is unlikely")
            for part in found
            if part.compression_ratio > _REPETITIVE or part.avg_logprob < _UNLIKELY
        ]
        return Transcript.of(
            (TranscriptSegment(part.start, part.end, part.text) for part in found),
            language=info.language,
            duration_s=n_frames / FRAMES_PER_SECOND,
            warnings=warnings,
        )


class _Given:
    """A feature extractor of faster-whisper that returns features computed elsewhere."""

    sampling_rate = SAMPLE_RATE
    hop_length = HOP
    n_samples = WINDOW_S * SAMPLE_RATE
    nb_max_frames = WINDOW_FRAMES
    time_per_frame = HOP / SAMPLE_RATE

    def __init__(self, log_mel: Array) -> None:
        # faster-whisper's own adds a frame, which is not used.
        self._log_mel = np.pad(log_mel, ((0, 0), (0, 1)), mode="edge")

    def __call__(self, sound: Array, *, chunk_length: int | None = None) -> Array:
        """The given features; the arguments are faster-whisper's."""
        return self._log_mel
