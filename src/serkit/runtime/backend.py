"""The interface between a `Recognizer` and a model: windows in, logits and embeddings out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from serkit.runtime.card import ModelCard

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Results of a backend for n windows.

    Attributes:
        logits: Calibrated logits, shape `[n, n_labels]`, float32.
        embeddings: Input of the last layer, shape `[n, width]`, float32.
        distances: Distance to the training data, shape `[n]`, float32; None if unknown.
        dimensions: Values of the card's `dimensions`, shape `[n, n_dimensions]`, float32; a
            `Recognizer` limits them to -1 to 1. None if the card has no dimensions.
    """

    logits: Array
    embeddings: Array
    distances: Array | None
    dimensions: Array | None = None

    def __getitem__(self, index: int) -> Outputs:
        """The results for one window, as those of one."""
        one = slice(index, index + 1)
        return Outputs(
            self.logits[one],
            self.embeddings[one],
            None if self.distances is None else self.distances[one],
            None if self.dimensions is None else self.dimensions[one],
        )

    @classmethod
    def joined(cls, parts: Sequence[Outputs]) -> Outputs:
        """The results of one model for several windows as one, in their order."""
        distances = [part.distances for part in parts if part.distances is not None]
        dimensions = [part.dimensions for part in parts if part.dimensions is not None]
        return cls(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.embeddings for part in parts]),
            np.concatenate(distances) if distances else None,
            np.concatenate(dimensions) if dimensions else None,
        )


class Classifier(Protocol):
    """A loaded model, which computes its own input from windows of sound."""

    @property
    def card(self) -> ModelCard:
        """The card of the model."""

    @property
    def file_bytes(self) -> int:
        """Size of the file."""

    @property
    def embedding_width(self) -> int:
        """Width of the embeddings."""

    @property
    def digest(self) -> str:
        """Hash of all that determines logits and embeddings, 32 hexadecimal digits."""

    @property
    def facts(self) -> dict[str, Any]:
        """Further JSON values to show with the card, such as the number of parameters."""

    def outputs(self, windows: Sequence[Array]) -> Outputs:
        """Classify windows.

        Logits and embeddings are computed together: features take most of the time.

        Args:
            windows: Each mono at 16 kHz, shape `[n_samples]`; or, if `card.input` is a
                `LogMelRecipe`, `log10` mel energies, shape `[80, n_frames]`; float32.
        """


class Backend(Classifier, Protocol):
    """A loaded model file of any format."""

    @staticmethod
    def reads(path: str | os.PathLike[str]) -> bool:
        """Whether a file is of its format, by the first bytes."""

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, threads: int = 0, providers: Sequence[str] = ()
    ) -> Self:
        """Load a file.

        Args:
            path: The file.
            threads: Threads of one computation; 0 for the default of the library.
            providers: Accelerators by name, the preferred one first; empty for the CPU.

        Raises:
            ModelError: The file is missing or damaged, or the backend has no such option.
        """
