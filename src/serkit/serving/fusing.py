"""Answers from speech and text together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.errors import ModelError
from serkit.runtime import FusionModel, Prediction, TextEncoder
from serkit.runtime.affect import affect_of
from serkit.runtime.card import ModelCard
from serkit.runtime.decision import check_confidence, chosen_labels, decided, scores_of
from serkit.runtime.fusion import MAX_FRAMES

Array = NDArray[np.float32]

MAX_S = MAX_FRAMES / FRAMES_PER_SECOND
"""Longest recording, in seconds."""


class Fusion:
    """A fusion model and the encoder of its text; it may be used from several threads.

    Args:
        path: File of the model.
        encoder: Folder of the encoder; None for a model of speech alone.
        threads: Threads of each; 0 for one per core.

    Raises:
        ModelError: One of them cannot be read, or they do not belong together.
        MissingExtraError: ONNX Runtime or `tokenizers` is not installed.
    """

    def __init__(self, path: Path, encoder: Path | None, *, threads: int = 0) -> None:
        self._model = FusionModel.load(path, threads=threads)
        text = self._model.input.text
        self._encoder: TextEncoder | None = None
        if text is None:
            return
        if encoder is None:
            raise ModelError(f"{path}: it needs the encoder {text.encoder}; set the folder of it")
        if text.speaker:
            raise ModelError(
                f"{path}: it takes lines with their speakers, whom the server does not know"
            )
        self._encoder = TextEncoder.load(encoder, threads=threads)
        if self._encoder.digest != text.digest:
            raise ModelError(
                f"{path}: it was trained with another encoder ({text.encoder}, "
                f"{text.digest[:16]}...) than {encoder} ({self._encoder.name}, "
                f"{self._encoder.digest[:16]}...)"
            )

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.name

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        return self._model.card

    @property
    def digest(self) -> str:
        """Hash of the model."""
        return self._model.digest

    @property
    def takes_text(self) -> bool:
        """Whether it takes text; else it is a model of speech alone."""
        return self._encoder is not None

    def check(self, labels: tuple[str, ...] | None, min_confidence: float | None) -> None:
        """Refuse a question that it cannot answer.

        Raises:
            ModelError: A label is unknown, or `min_confidence` is not in 0-1.
        """
        chosen_labels(self.card, labels)
        check_confidence(min_confidence)

    def __call__(
        self,
        log_mel: Array,
        text: str | None,
        heard: Prediction,
        *,
        labels: tuple[str, ...] | None = None,
        min_confidence: float | None = None,
    ) -> tuple[Prediction, tuple[str, ...]]:
        """Answer for a recording.

        Args:
            log_mel: In the units of Whisper's encoder, shape `[80, n_frames]`, at most 30 s.
            text: What was said; None or empty if that is not known.
            heard: The answer of another model, whose warnings about the recording hold here too.
            labels: Restrict the answer to these labels; the probabilities are renormalised.
            min_confidence: Give no label below this probability.

        Returns:
            The prediction, and what it was made from.

        Raises:
            ModelError: As `check`, or the model or the encoder fails.
        """
        vectors = self._encoder.encode([text]) if text and self._encoder is not None else None
        found = self._model(log_mel, vectors)
        chosen = chosen_labels(self.card, labels)
        all_scores = np.array([found.scores[label] for label in self.card.labels])
        probabilities = np.maximum(all_scores[chosen], np.finfo(np.float32).tiny)
        scores = scores_of(self.card, chosen, probabilities / probabilities.sum())
        label, reason = decided(scores, min_confidence)
        warnings = tuple(one for one in heard.warnings if one.code != "far-from-training")
        affect = affect_of(self.card, scores, np.zeros(0))
        prediction = Prediction(
            label, scores, heard.duration_s, self.name, reason, warnings, affect
        )
        return prediction, found.modalities
