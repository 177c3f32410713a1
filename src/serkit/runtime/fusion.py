"""Networks on log-mel and text vectors in ONNX Runtime, without torch.

The graph has the inputs `frames` `[n, 80, n_frames]` and `frame_counts` `[n]`, and, unless it is of
speech alone, `vectors` `[n, n_vectors, text_width]` and `vector_counts` `[n]`; a count of 0 is an
absent modality. Its output is `logits` `[n, n_labels]`. All are float32, as the inputs of a graph
have one type here; counts are whole numbers. The metadata property `serkit` is that of other ONNX
models, with the input `speech_and_text`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation import softmax
from serkit.errors import AudioError, ModelError
from serkit.features.whisper import N_MELS
from serkit.runtime.inputs import SpeechAndText
from serkit.runtime.onnx_model import LOGITS, OnnxModel, Shapes, described, read_model
from serkit.runtime.text_input import MAX_TOKENS

Array = NDArray[np.float32]
Pair = tuple[Array | None, Array | None]

FRAMES, FRAME_COUNTS = "frames", "frame_counts"
VECTORS, VECTOR_COUNTS = "vectors", "vector_counts"

MAX_FRAMES = 3000
"""Frames of a recording, at most: 30 s."""

MAX_VECTORS = MAX_TOKENS
"""Text vectors of a recording, at most."""


@dataclass(frozen=True, slots=True)
class FusionPrediction:
    """The prediction for the speech and the text of a recording.

    Attributes:
        label: The most probable emotion.
        scores: Calibrated probability of each emotion; they sum to 1.
        modalities: What it was made from: `acoustic`, `text` or both.
        model: Name of the model.
    """

    label: str
    scores: dict[str, float]
    modalities: tuple[str, ...]
    model: str


class FusionModel(OnnxModel):
    """A network on log-mel and text vectors. It may be called from several threads."""

    _KIND = SpeechAndText

    @staticmethod
    def reads(path: str | os.PathLike[str]) -> bool:
        """Whether a file is such a model, by its description."""
        try:
            described(Path(path), read_model(Path(path)), SpeechAndText)
        except ModelError:
            return False
        return True

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions."""
        return self._card.labels

    @property
    def input(self) -> SpeechAndText:
        """The input; its `text` names the encoder of the text vectors."""
        if not isinstance(self._card.input, SpeechAndText):  # checked when the file was read
            raise ModelError(f"{self._path}: the input is no speech and text")
        return self._card.input

    def __call__(
        self, log_mel: Array | None, text_vectors: Array | None = None
    ) -> FusionPrediction:
        """Classify one recording; see `batch`."""
        return self.batch([(log_mel, text_vectors)])[0]

    def batch(self, pairs: Sequence[Pair]) -> list[FusionPrediction]:
        """Classify recordings together; padding has no influence on their answers.

        Args:
            pairs: For each recording its log-mel in the units of Whisper's encoder, as
                `serkit.codec.decode` gives it, shape `[80, n_frames]`, and the vectors of its text,
                shape `[n_vectors, text_width]` or `[text_width]`. Either may be None, or have no
                frames or vectors, but not both.

        Raises:
            AudioError: The log-mel has another shape, is longer than 30 s or not finite, or nothing
                is given.
            ModelError: The vectors have another shape or are not finite, text is given alone to a
                model of speech alone, or the graph fails.
        """
        if not pairs:
            return []
        speech = [self._speech(log_mel) for log_mel, _ in pairs]
        texts = [self._text(vectors) for _, vectors in pairs]
        for log_mel, vectors in zip(speech, texts, strict=True):
            if not log_mel.shape[1] and not len(vectors):
                raise AudioError(
                    f"{self._card.name} was given nothing it can use; expected log-mel"
                    f"{'' if self.input.text is None else ' or text'}"
                )
        inputs = {
            FRAMES: _padded([one.T for one in speech], N_MELS).transpose(0, 2, 1),
            FRAME_COUNTS: np.array([one.shape[1] for one in speech], np.float32),
        }
        if self.input.text is not None:
            inputs[VECTORS] = _padded(texts, self.input.text.width)
            inputs[VECTOR_COUNTS] = np.array([len(one) for one in texts], np.float32)
        (logits,) = self._session.run(
            **{name: np.ascontiguousarray(rows) for name, rows in inputs.items()}
        )
        expected = (len(pairs), len(self.labels))
        if logits.shape != expected or not np.isfinite(logits).all():
            raise ModelError(
                f"{self._path}: logits have shape {list(logits.shape)} or are not finite; expected "
                f"{list(expected)}: get a fresh copy of the model"
            )
        probabilities = softmax(logits / np.float32(self._card.temperature))
        return [
            FusionPrediction(
                self.labels[int(row.argmax())],
                dict(zip(self.labels, row.tolist(), strict=True)),
                tuple(
                    name
                    for name, n in (("acoustic", log_mel.shape[1]), ("text", len(vectors)))
                    if n
                ),
                self._card.name,
            )
            for row, log_mel, vectors in zip(probabilities, speech, texts, strict=True)
        ]

    def _inputs(self) -> Shapes:
        inputs: dict[str, tuple[int | None, ...]] = {
            FRAMES: (None, N_MELS, None),
            FRAME_COUNTS: (None,),
        }
        text = self.input.text
        if text is not None:
            inputs |= {VECTORS: (None, None, text.width), VECTOR_COUNTS: (None,)}
        return inputs

    def _outputs(self) -> Shapes:
        return {LOGITS: (None, len(self._card.labels))}

    def _speech(self, log_mel: Array | None) -> Array:
        """The log-mel, checked; no frames if there is none."""
        if log_mel is None:
            return np.zeros((N_MELS, 0), np.float32)
        if log_mel.ndim != 2 or log_mel.shape[0] != N_MELS or log_mel.shape[1] > MAX_FRAMES:
            raise AudioError(
                f"the log-mel has shape {list(log_mel.shape)}; expected [{N_MELS}, n_frames] with "
                f"at most {MAX_FRAMES} frames: cut it into windows"
            )
        rows: Array = np.asarray(log_mel, np.float32)
        if not np.isfinite(rows).all():
            raise AudioError("the log-mel has values that are not finite")
        return rows

    def _text(self, vectors: Array | None) -> Array:
        """The text vectors, checked; none if there is no text, or the model takes none."""
        text = self.input.text
        if vectors is None or text is None:
            return np.zeros((0, 1 if text is None else text.width), np.float32)
        rows: Array = np.atleast_2d(np.asarray(vectors, np.float32))
        if rows.ndim != 2 or rows.shape[1] != text.width or len(rows) > MAX_VECTORS:
            raise ModelError(
                f"the text vectors have shape {list(np.shape(vectors))}; {self._card.name} expects "
                f"[n, {text.width}] of the encoder {text.encoder}, at most {MAX_VECTORS}"
            )
        if not np.isfinite(rows).all():
            raise ModelError("the text vectors have values that are not finite")
        return rows


def _padded(sequences: Sequence[Array], width: int) -> Array:
    """Sequences `[n_rows, width]` with zeros after their ends, at least one row each."""
    longest = max(1, *(len(one) for one in sequences))
    out = np.zeros((len(sequences), longest, width), np.float32)
    for row, one in zip(out, sequences, strict=True):
        row[: len(one)] = one
    return out
