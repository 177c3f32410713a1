"""The interface of heads: small classifiers on vectors, trained on the device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ProfileError

Vectors = NDArray[np.floating]
Floats = NDArray[np.float64]
Targets = NDArray[np.int64]

MAX_FEATURES = 1 << 16
MAX_CLASSES = 1024


class Head(ABC):
    """A classifier on vectors. Its classes are text; new ones may appear in `partial_fit`.

    Args:
        n_features: Length of the vectors.
        classes: The classes known from the start.
        fixed: Refuse any other class.

    Attributes:
        n_features: Length of the vectors.
        classes: Its classes, in the order in which they appeared.
        temperature: Divisor of the scores before the softmax.
        fixed: Whether other classes are refused.
        n_steps: Number of updates so far.

    Raises:
        ProfileError: A number is out of range.
    """

    def __init__(
        self, n_features: int, *, classes: Sequence[str] = (), fixed: bool = False
    ) -> None:
        if not 1 <= n_features <= MAX_FEATURES:
            raise ProfileError(f"{n_features} features; expected 1 to {MAX_FEATURES}")
        self.n_features = n_features
        self.classes: tuple[str, ...] = ()
        self.temperature = 1.0
        self.n_steps = 0
        self.fixed = False
        self._add(classes)
        self.fixed = fixed

    def fit(self, vectors: Vectors, labels: Sequence[str]) -> Self:
        """Train from scratch.

        Args:
            vectors: Shape `[n, n_features]`, finite.
            labels: Class of each vector.

        Raises:
            ProfileError: Shapes do not fit, a number is not finite, or a class is unknown.
        """
        vectors, targets = self._checked(vectors, labels)
        self._reset()
        self._learn(vectors, targets)
        return self

    def partial_fit(self, vectors: Vectors, labels: Sequence[str]) -> Self:
        """Continue the training with more vectors; arguments as of `fit`."""
        self._learn(*self._checked(vectors, labels))
        return self

    def predict_proba(self, vectors: Vectors) -> Floats:
        """Probability of each class: the softmax of the scores over the temperature.

        Args:
            vectors: Shape `[n, n_features]`, finite.

        Returns:
            Shape `[n, n_classes]`, in the order of `classes`.

        Raises:
            ProfileError: Shapes do not fit, a number is not finite, or there is no class yet.
        """
        if not self.classes:
            raise ProfileError("the head has no classes yet; train it first")
        scores = self.scores(self._checked_vectors(vectors)) / self.temperature
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
        return probabilities

    @abstractmethod
    def scores(self, vectors: Vectors) -> Floats:
        """Scores before the softmax, shape `[n, n_classes]`."""

    @abstractmethod
    def state(self) -> dict[str, Floats]:
        """Everything learned, by name, float64."""

    @abstractmethod
    def restore(self, state: dict[str, Floats], *, n_steps: int) -> None:
        """Take over the state of a head of the same settings and classes."""

    @abstractmethod
    def _reset(self) -> None:
        """Forget everything but the classes."""

    @abstractmethod
    def _learn(self, vectors: Floats, targets: Targets) -> None:
        """Train on checked vectors."""

    def _grow(self, n_classes: int) -> None:  # noqa: B027  # nothing to do by default
        """Make room for more classes."""

    def _add(self, labels: Sequence[str]) -> None:
        new = [label for label in dict.fromkeys(labels) if label not in self.classes]
        if not new:
            return
        if self.fixed:
            raise ProfileError(
                f"unknown class {', '.join(map(repr, new[:3]))}; the classes are "
                f"{', '.join(self.classes)}"
            )
        if not all(isinstance(label, str) and label for label in new):
            raise ProfileError("a class is not a name; expected non-empty text")
        if len(self.classes) + len(new) > MAX_CLASSES:
            raise ProfileError(
                f"{len(self.classes) + len(new)} classes; expected at most {MAX_CLASSES}"
            )
        self.classes += tuple(new)
        self._grow(len(self.classes))

    def _checked_vectors(self, vectors: Vectors) -> Floats:
        values = np.asarray(vectors)
        if values.ndim != 2 or values.shape[1] != self.n_features or values.dtype.kind != "f":
            raise ProfileError(
                f"the vectors are {values.dtype} of shape {list(values.shape)}; expected floats of "
                f"shape [n, {self.n_features}]"
            )
        if not np.isfinite(values).all():
            raise ProfileError("the vectors hold numbers that are not finite (NaN or infinite)")
        return values.astype(np.float64)

    def _checked(self, vectors: Vectors, labels: Sequence[str]) -> tuple[Floats, Targets]:
        values = self._checked_vectors(vectors)
        if isinstance(labels, str) or len(labels) != len(values):
            raise ProfileError(f"{len(labels)} labels for {len(values)} vectors")
        self._add(labels)
        index = {label: i for i, label in enumerate(self.classes)}
        return values, np.array([index[label] for label in labels], np.int64)


def one_hot(targets: Targets, n_classes: int) -> Floats:
    """Indices as rows of 0 and 1, shape `[n, n_classes]`."""
    rows = np.zeros((len(targets), n_classes))
    rows[np.arange(len(targets)), targets] = 1.0
    return rows
