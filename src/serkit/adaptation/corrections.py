"""What a user's labelled recordings teach: a ridge regression on the errors of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.checks import finite_rows
from serkit.adaptation.enrolment import MAX_LEARNED
from serkit.adaptation.probabilities import softmax
from serkit.adaptation.random_numbers import uniform
from serkit.adaptation.speaker_model import contrasts
from serkit.errors import ProfileError

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

MAX_DIRECTIONS = 64
"""Directions on which a wider embedding is projected."""

MAX_ENTRIES = 512
"""Corrections that can be taken back: the latest."""

MAX_VECTORS = 128
"""Corrections that can be taken back without their recording: the latest."""

MAX_LOGIT = 1e6
"""Largest magnitude of a logit that is learned from."""

PENALTY = 1.0
"""L2 penalty of the regression."""

STRENGTH = 4.0
"""Logits for an error of probability 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A recording as the regression sees it.

    Attributes:
        digest: `content_hash` of its samples, 32 hexadecimal digits.
        vector: Its `directions`, shape `[width]`, float32.
        logits: Calibrated logits of the model without the profile, shape `[n_labels]`, float32.
    """

    digest: str
    vector: Array
    logits: Array


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A learned correction.

    Attributes:
        id: Number, from 1 in the order of learning; never given twice.
        label: Index of the label.
        digest: `content_hash` of the recording.
        example: What was learned from; None for older corrections, to save space.
    """

    id: int
    label: int
    digest: str
    example: Example | None


@dataclass(frozen=True, slots=True, eq=False)
class Corrections:
    """The moments of all corrections, and a list of the latest.

    The weights solve `(S + penalty I) W = B` with `S = sum h h'` and `B = sum h (t - p)'`, where h
    is the vector of a recording with a constant 1, t its label as one-hot target, and p the
    probabilities of the model. As in `OSELM`, the sums can be extended and reduced exactly. For a
    model whose card has a speaker model, the sums of an `Enrolment` are kept too.

    Attributes:
        moments: S, shape `[width + 1, width + 1]`, float64.
        sums: B, shape `[width + 1, n_labels]`, float64.
        counts: Corrections to each label, shape `[n_labels]`, int64.
        contrast_sums: Sum of their `contrasts`, shape `[n_labels, n_labels - 1]`, float64.
        n_learned: Number of corrections in the moments.
        next_id: Number of the next correction.
        entries: The latest corrections, oldest first.
    """

    moments: Floats
    sums: Floats
    counts: NDArray[np.int64]
    contrast_sums: Floats
    n_learned: int = 0
    next_id: int = 1
    entries: tuple[Entry, ...] = ()

    @classmethod
    def none(cls, width: int, n_labels: int) -> Corrections:
        """Nothing learned yet.

        Args:
            width: Length of the vectors, `width_of` an embedding.
            n_labels: Number of labels of the model.
        """
        return cls(
            np.zeros((width + 1, width + 1)),
            np.zeros((width + 1, n_labels)),
            np.zeros(n_labels, np.int64),
            np.zeros((n_labels, n_labels - 1)),
        )

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return len(self.moments) - 1

    @property
    def n_labels(self) -> int:
        """Number of labels of the model."""
        return int(self.sums.shape[1])

    def weights(self, adjusted: Callable[[Array], Array] | None = None) -> Floats:
        """W, shape `[width + 1, n_labels]`.

        Args:
            adjusted: Logits of the model as they are used, of those that are kept; their errors,
                rather than those of the model, are then learned, where the vector is kept too.

        Raises:
            ProfileError: The moments, read from a file, are not those of any recordings.
        """
        sums = self.sums
        examples = [entry.example for entry in self.entries if entry.example is not None]
        if adjusted is not None and examples:
            rows = with_one(np.stack([one.vector for one in examples]).astype(np.float64))
            logits = np.stack([one.logits for one in examples])
            change = softmax(adjusted(logits).astype(np.float64)) - softmax(
                logits.astype(np.float64)
            )
            sums = sums - rows.T @ change
        normal = self.moments + PENALTY * np.eye(len(self.moments))
        try:
            lower = np.linalg.cholesky(normal)
        except np.linalg.LinAlgError as error:
            raise ProfileError(
                "the moments of the profile are damaged; get a copy of it"
            ) from error
        return np.linalg.solve(lower.T, np.linalg.solve(lower, sums))

    def learned(self, example: Example, label: int) -> Corrections:
        """With one more correction; one of the same recording is replaced.

        Args:
            example: The recording.
            label: Index of its label.

        Raises:
            ProfileError: The vectors are of another width, or hold numbers that are not finite or
                too large; or there are 2^20 corrections.
        """
        self._check(example)
        if self.n_learned >= MAX_LEARNED:
            raise ProfileError(f"{self.n_learned} corrections; expected at most {MAX_LEARNED}")
        known = self._of(example.digest)
        before = self if known is None else self._without(known, example)
        entries = (*before.entries, Entry(self.next_id, label, example.digest, example))
        return replace(
            before._moved(example, label, 1.0),
            next_id=self.next_id + 1,
            entries=_bounded(entries),
        )

    def forgotten(self, entry: Entry, example: Example | None = None) -> Corrections:
        """Without a correction, as if it had never been learned.

        Args:
            entry: One of `entries`.
            example: The recording again; needed if the entry is too old to hold it.

        Raises:
            ProfileError: The recording is needed, or is another one.
        """
        if example is not None:
            self._check(example)
            if example.digest != entry.digest:
                raise ProfileError(f"correction {entry.id} was learned from another recording")
        return self._without(entry, example)

    def by_id(self, number: int) -> Entry:
        """The entry of a number.

        Raises:
            ProfileError: There is none.
        """
        found = next((entry for entry in self.entries if entry.id == number), None)
        if found is None:
            raise ProfileError(f"there is no correction {number}; {self._known}")
        return found

    def by_digest(self, digest: str) -> Entry:
        """The entry of a recording.

        Raises:
            ProfileError: There is none.
        """
        found = self._of(digest)
        if found is None:
            raise ProfileError(f"nothing has been learned from this recording; {self._known}")
        return found

    def last(self) -> Entry:
        """The latest entry.

        Raises:
            ProfileError: There is none.
        """
        if not self.entries:
            raise ProfileError("nothing has been learned that could be taken back")
        return self.entries[-1]

    @property
    def _known(self) -> str:
        if not self.entries:
            return "no corrections are listed"
        if len(self.entries) == 1:
            return f"the only one is {self.entries[0].id}"
        return f"those listed are {self.entries[0].id} to {self.entries[-1].id}"

    def _of(self, digest: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.digest == digest), None)

    def _check(self, example: Example) -> None:
        finite_rows(example.vector[None], self.width)
        bounded_logits(example.logits[None], self.n_labels)

    def _without(self, entry: Entry, example: Example | None) -> Corrections:
        learned_from = entry.example or example
        if learned_from is None:
            raise ProfileError(
                f"correction {entry.id} is older than the latest {MAX_VECTORS}; take it back with "
                "its recording"
            )
        entries = tuple(one for one in self.entries if one is not entry)
        if self.n_learned == 1:  # no rounding errors remain
            nothing = Corrections.none(self.width, self.n_labels)
            return replace(nothing, next_id=self.next_id, entries=entries)
        return replace(self._moved(learned_from, entry.label, -1.0), entries=entries)

    def _moved(self, example: Example, label: int, sign: float) -> Corrections:
        """The sums with one example more or less."""
        row = with_one(example.vector[None].astype(np.float64))[0]
        logits = example.logits.astype(np.float64)
        wanted = np.zeros(self.n_labels)
        wanted[label] = 1.0
        return replace(
            self,
            moments=self.moments + sign * np.outer(row, row),
            sums=self.sums + sign * np.outer(row, wanted - softmax(logits)),
            counts=self.counts + (sign * wanted).astype(np.int64),
            contrast_sums=self.contrast_sums + sign * np.outer(wanted, contrasts(logits[None])[0]),
            n_learned=self.n_learned + round(sign),
        )


def bounded_logits(logits: Array, n_labels: int) -> Floats:
    """Check logits, and return them as float64.

    Args:
        logits: Shape `[n, n_labels]`.
        n_labels: Number of labels of the model.

    Raises:
        ProfileError: The shape differs, or a logit is not finite or beyond `MAX_LOGIT`.
    """
    rows = finite_rows(logits, n_labels)
    largest = float(np.abs(rows).max(initial=0.0))
    if largest > MAX_LOGIT:
        raise ProfileError(f"a logit is {largest:.3g}; expected at most {MAX_LOGIT:.3g}")
    return rows


def width_of(embedding_width: int) -> int:
    """Length of the `directions` of an embedding."""
    return min(embedding_width, MAX_DIRECTIONS)


def directions(embeddings: Array) -> Array:
    """Embeddings as unit vectors; wide ones are projected on fixed random directions first.

    Args:
        embeddings: Shape `[n, embedding_width]`, float32, finite.

    Returns:
        Shape `[n, width_of(embedding_width)]`, float32.
    """
    rows = embeddings.astype(np.float64)
    if rows.shape[1] > MAX_DIRECTIONS:
        rows = rows @ _projection(rows.shape[1])
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: Array = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return units


@lru_cache(maxsize=4)
def _projection(width: int) -> Floats:
    """The random directions, shape `[width, MAX_DIRECTIONS]`, the same on every machine."""
    values = uniform((width, MAX_DIRECTIONS), seed=0)
    values.flags.writeable = False
    return values


def shift(vectors: Array, weights: Floats) -> Array:
    """What corrections add to logits.

    Args:
        vectors: The `directions` of n windows, shape `[n, width]`.
        weights: `Corrections.weights`.

    Returns:
        Shape `[n, n_labels]`, float32.

    Raises:
        ProfileError: The vectors are of another width, or hold numbers that are not finite.
    """
    rows = with_one(finite_rows(vectors, len(weights) - 1))
    added: Array = (STRENGTH * rows @ weights).astype(np.float32)
    return added


def with_one(rows: Floats) -> Floats:
    """Rows with a constant 1, for the bias."""
    return np.concatenate((rows, np.ones((len(rows), 1))), axis=1)


def _bounded(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The latest entries, the older of them without their examples."""
    kept = entries[-MAX_ENTRIES:]
    older = tuple(
        entry if entry.example is None else replace(entry, example=None)
        for entry in kept[:-MAX_VECTORS]
    )
    return older + kept[-MAX_VECTORS:]
