"""What was learned about one user of one model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.corrections import (
    Corrections,
    Entry,
    bounded_logits,
    directions,
    shift,
    width_of,
)
from serkit.adaptation.enrolment import MAX_HEARD, Enrolment
from serkit.adaptation.speaker_model import MAX_CLASSES, SpeakerModel, contrasts
from serkit.errors import ProfileError

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

MAX_LABELS = MAX_CLASSES
"""Labels of a model with profiles, at most."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The model that a profile belongs to.

    Attributes:
        name: Its name, for messages.
        digest: Hash of what determines its answers, 32 hexadecimal digits.
        labels: Its classes, in the order of its outputs.
        embedding_width: Width of the input of its last layer.
    """

    name: str
    digest: str
    labels: tuple[str, ...]
    embedding_width: int

    def __str__(self) -> str:
        return f"{self.name} ({self.digest[:8]})"


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Speech without labels.

    Attributes:
        contrasts: Those of the latest windows, at most `MAX_HEARD`, oldest first; shape `[n,
            n_labels - 1]`, float32.
        n_windows: Number of windows in all.
        seconds: Their total length.
    """

    contrasts: Array
    n_windows: int = 0
    seconds: float = 0.0

    def extended(self, logits: Array, seconds: float) -> Heard:
        """With more windows.

        Args:
            logits: Calibrated logits of the model, shape `[n, n_labels]`, finite.
            seconds: Total length of the windows.

        Raises:
            ProfileError: A logit is not finite or too large.
        """
        rows = contrasts(bounded_logits(logits, self.contrasts.shape[1] + 1))
        return Heard(
            np.concatenate((self.contrasts, rows.astype(np.float32)))[-MAX_HEARD:],
            self.n_windows + len(rows),
            self.seconds + seconds,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """How the answers of a model change for its user.

    Attributes:
        enrolment: Offset of the user; None for a model without a speaker model.
        weights: `Corrections.weights` of what errors remain; None without corrections.
    """

    enrolment: Enrolment | None
    weights: Floats | None

    def logits(self, logits: Array, embeddings: Array) -> Array:
        """Logits for the user.

        Args:
            logits: Calibrated logits of the model, shape `[n, n_labels]`, float32.
            embeddings: Input of its last layer, shape `[n, embedding_width]`, float32.

        Returns:
            Shape `[n, n_labels]`, float32.
        """
        if self.enrolment is not None:
            logits = self.enrolment.adjusted(logits)
        if self.weights is not None:
            logits = logits + shift(directions(embeddings), self.weights)
        return logits


@dataclass(frozen=True, slots=True)
class Correction:
    """A label that a user gave to a recording.

    Attributes:
        id: Its number, from 1 in the order of learning.
        label: The label.
        needs_recording: Whether it is so old that only its recording takes it back.
    """

    id: int
    label: str
    needs_recording: bool


@dataclass(frozen=True, slots=True, eq=False)
class ProfileState:
    """A profile; it never changes, a step of learning makes a new one.

    Attributes:
        owner: Its model.
        heard: Speech without labels.
        corrections: From labelled recordings.
    """

    owner: Owner
    heard: Heard
    corrections: Corrections

    @classmethod
    def empty(cls, owner: Owner) -> ProfileState:
        """The profile of somebody unknown; it changes no answer.

        Raises:
            ProfileError: The model has too many labels.
        """
        n_labels = len(owner.labels)
        if n_labels > MAX_LABELS:
            raise ProfileError(
                f"{owner.name} has {n_labels} labels; a profile has at most {MAX_LABELS}"
            )
        heard = Heard(np.zeros((0, n_labels - 1), np.float32))
        return cls(owner, heard, Corrections.none(width_of(owner.embedding_width), n_labels))

    def voice(self, speakers: SpeakerModel | None) -> Voice:
        """The answers for the user.

        Args:
            speakers: The speaker model on the card of the profile's model; None if it has none.
        """
        learned, enrolment = self.corrections, None
        if speakers is not None:
            enrolment = Enrolment(
                speakers,
                heard=self.heard.contrasts,
                counts=learned.counts,
                sums=learned.contrast_sums,
            )
        weights = None
        if learned.n_learned:
            weights = learned.weights(None if enrolment is None else enrolment.adjusted)
        return Voice(enrolment, weights)

    def check_owner(self, owner: Owner) -> None:
        """Refuse another model.

        Raises:
            ProfileError: The profile belongs to another model.
        """
        if self.owner.digest != owner.digest:
            raise ProfileError(
                f"the profile belongs to the model {self.owner}, not to {owner}; use it with that "
                "model, or create a new one"
            )

    def index_of(self, label: str) -> int:
        """Index of a label of the model.

        Raises:
            ProfileError: The model has no such label.
        """
        if label not in self.owner.labels:
            raise ProfileError(
                f"unknown label {label!r:.80}; the labels of {self.owner.name} are "
                f"{', '.join(self.owner.labels)}"
            )
        return self.owner.labels.index(label)

    def with_heard(self, heard: Heard) -> ProfileState:
        """The profile with other speech."""
        return replace(self, heard=heard)

    def with_corrections(self, corrections: Corrections) -> ProfileState:
        """The profile with other corrections."""
        return replace(self, corrections=corrections)

    def correction(self, entry: Entry) -> Correction:
        """An entry as users see it."""
        return Correction(entry.id, self.owner.labels[entry.label], entry.example is None)

    @property
    def listed(self) -> list[Correction]:
        """The corrections that can be taken back, oldest first."""
        return [self.correction(entry) for entry in self.corrections.entries]

    def stats(self) -> dict[str, Any]:
        """What the profile holds, as JSON values."""
        return {
            "model": self.owner.name,
            "model_digest": self.owner.digest,
            "enrolled_s": round(self.heard.seconds, 3),
            "enrolled_windows": self.heard.n_windows,
            "corrections": self.corrections.n_learned,
            "listed": [asdict(one) for one in self.listed],
        }
