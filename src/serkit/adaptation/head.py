"""The interface of heads: small classifiers on vectors, trained on the device."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.checks import MAX_FEATURES, finite_rows, whole
from serkit.adaptation.probabilities import softmax
from serkit.errors import ProfileError

Vectors = NDArray[np.floating]
Floats = NDArray[np.float64]
Targets = NDArray[np.int64]

MAX_CLASSES = 1024


class Head(ABC):
    """A classifier on vectors. Its classes are text; new ones may appear in `partial_fit`.

    Args:
        n_features: Length of the vectors.
        classes: The classes known from the start; `fit` keeps them.
        fixed: Refuse any other class.

    Attributes:
        n_features: Length of the vectors.
        classes: Its classes, in the order in which they appeared.
        n_given: How many of them, the first, were known from the start.
        temperature: Divisor of the scores before the softmax.
        fixed: Whether other classes are refused.
        n_steps: Number of updates so far.

    Raises:
        ProfileError: A number is out of range.
    """

    def __init__(
        self, n_features: int, *, classes: Sequence[str] = (), fixed: bool = False
    ) -> None:
        self.n_features = whole("number of features", n_features, 1, MAX_FEATURES)
        self.temperature = 1.0
        self.n_steps = 0
        self.fixed = False
        self.classes = self._extended((), classes)
        self.n_given = len(self.classes)
        self.fixed = fixed
        self._reset()

    def fit(self, vectors: Vectors, labels: Sequence[str]) -> Self:
        """Train from scratch; classes that were not known from the start are dropped.

        Args:
            vectors: Shape `[n, n_features]`, finite.
            labels: Class of each vector.

        Raises:
            ProfileError: Shapes do not fit, a number is not finite, or a class is unknown; the head
                is unchanged. Or the training diverges; the head is untrained.
        """
        values = self._checked(vectors, labels)
        self.classes = self._extended(self.classes[: self.n_given], labels)
        self._reset()
        self._learn(values, self._targets(labels))
        return self

    def partial_fit(self, vectors: Vectors, labels: Sequence[str]) -> Self:
        """Continue the training with more vectors.

        Args:
            vectors: As for `fit`.
            labels: As for `fit`.

        Raises:
            ProfileError: As `fit`, but where the training diverges, the head keeps what it learned.
        """
        values = self._checked(vectors, labels)
        classes = self._extended(self.classes, labels)
        if classes == self.classes:
            self._learn(values, self._targets(labels))
            return self
        before = {name: learned.copy() for name, learned in self.state().items()}
        fewer, n_steps = self.classes, self.n_steps
        self.classes = classes
        self._grow(len(classes))
        try:
            self._learn(values, self._targets(labels))
        except ProfileError:
            self.classes = fewer
            self.restore(before, n_steps=n_steps)
            raise
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
        return softmax(self.scores(finite_rows(vectors, self.n_features)) / self.temperature)

    def save(self, path: str | os.PathLike[str]) -> int:
        """Write the head to a file, atomically.

        Returns:
            Size of the file in bytes.

        Raises:
            OSError: The file cannot be written; one that was there before is unharmed.
        """
        from serkit.adaptation.head_file import save_head

        return save_head(self, Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a head from a file; `Head.load` reads one of any kind.

        Raises:
            ProfileError: The file is missing, damaged, of another version, contradicts itself, or
                holds another kind of head.
        """
        from serkit.adaptation.head_file import load_head

        head = load_head(path)
        if not isinstance(head, cls):
            raise ProfileError(
                f"{path}: the file holds a head of the kind {type(head).__name__}; expected "
                f"{cls.__name__}"
            )
        return head

    @abstractmethod
    def scores(self, vectors: Vectors) -> Floats:
        """Scores before the softmax, shape `[n, n_classes]`."""

    @abstractmethod
    def state(self) -> dict[str, Floats]:
        """Everything learned, by name, float64; later training may change the arrays."""

    @abstractmethod
    def restore(self, state: dict[str, Floats], *, n_steps: int) -> None:
        """Take over the state of a head of the same settings and classes."""

    @abstractmethod
    def _reset(self) -> None:
        """Forget everything but the classes."""

    @abstractmethod
    def _learn(self, vectors: Floats, targets: Targets) -> None:
        """Train on checked vectors."""

    @abstractmethod
    def _grow(self, n_classes: int) -> None:
        """Make room for more classes."""

    def _extended(self, classes: tuple[str, ...], labels: Sequence[str]) -> tuple[str, ...]:
        """Classes followed by the labels that are not among them."""
        if isinstance(labels, str) or not all(isinstance(one, str) and one for one in labels):
            raise ProfileError("a class is not a name; expected non-empty text")
        known = set(classes)
        new = [label for label in dict.fromkeys(labels) if label not in known]
        if new and self.fixed:
            raise ProfileError(
                f"unknown class {', '.join(map(repr, new[:3]))}; the classes are "
                f"{', '.join(classes)}"
            )
        if len(classes) + len(new) > MAX_CLASSES:
            raise ProfileError(f"{len(classes) + len(new)} classes; expected at most {MAX_CLASSES}")
        return (*classes, *new)

    def _checked(self, vectors: Vectors, labels: Sequence[str]) -> Floats:
        values = finite_rows(vectors, self.n_features)
        if isinstance(labels, str) or len(labels) != len(values):
            raise ProfileError(f"{len(labels)} labels for {len(values)} vectors")
        return values

    def _targets(self, labels: Sequence[str]) -> Targets:
        index = {label: i for i, label in enumerate(self.classes)}
        return np.array([index[label] for label in labels], np.int64)
