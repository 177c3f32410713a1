"""A trained model as a teacher: its probabilities of recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, SUFFIXES
from serkit.corpora import Utterance
from serkit.corpora.clips import files_below
from serkit.errors import AudioError, CorpusError, RecipeError
from serkit.runtime import ModelCard, Recognizer
from serkit.training.data import read_utterance
from serkit.training.speech.recordings import Recordings

Array = NDArray[np.float32]
Track = Callable[[Iterable[Array], int], Iterable[Array]]

# A teacher that is sure says nothing about the other classes, at any temperature.
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Teacher:
    """A model of any backend that labels recordings softly.

    Attributes:
        recognizer: The model.
        track: Wraps the results to show progress: `track(results, total)`.
    """

    recognizer: Recognizer
    track: Track | None = None

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self.recognizer.card

    def log_probabilities(self, labels: Sequence[str], recordings: Recordings) -> Array:
        """Logarithms of the calibrated probabilities of whole recordings, without preprocessing.

        Args:
            labels: Labels to restrict the answers to.
            recordings: The recordings; a silent one has equal probabilities.

        Returns:
            Shape `[n, n_labels]`, float32.

        Raises:
            RecipeError: The teacher lacks a label.
            CorpusError: A recording cannot be read.
        """
        missing = [label for label in labels if label not in self.recognizer.labels]
        if missing:
            raise RecipeError(
                f"the teacher {self.card.name} does not know {', '.join(missing)}; its labels are "
                f"{', '.join(self.recognizer.labels) or 'none, as it has dimensions only'}"
            )
        rows: Iterable[Array] = (self._row(labels, recordings, i) for i in range(len(recordings)))
        found = list(self.track(rows, len(recordings)) if self.track else rows)
        return np.log(np.maximum(np.stack(found), np.float32(_LEAST)))

    def _row(self, labels: Sequence[str], recordings: Recordings, i: int) -> Array:
        utterance = recordings.utterances[i]
        samples = read_utterance(utterance, max_clip_s=recordings.max_clip_s)
        try:
            scores = self.recognizer((samples, SAMPLE_RATE), labels=labels).scores
        except AudioError as error:
            raise CorpusError(f"{utterance.audio}: {error}") from error
        uniform = 1.0 / len(labels)
        return np.array([scores.get(label, uniform) for label in labels], np.float32)


def unlabelled_utterances(folder: Path) -> tuple[Utterance, ...]:
    """The recordings below a folder, as utterances without a label.

    Args:
        folder: The folder.

    Raises:
        CorpusError: There is no folder, or no recording in it.
    """
    found = files_below(folder) if folder.is_dir() else ()
    paths = tuple(path for path in found if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise CorpusError(f"{folder} holds no recording; expected {', '.join(SUFFIXES)}")
    return tuple(Utterance(path, "", str(path), "unlabelled") for path in paths)
