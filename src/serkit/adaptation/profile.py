"""What was learned about one user of one model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from serkit.adaptation.corrections import Corrections, Entry, width_of
from serkit.adaptation.enrolment import Enrolment
from serkit.errors import ProfileError


@dataclass(frozen=True, slots=True)
class Owner:
    """The model that a profile belongs to.

    Attributes:
        name: Its name, for messages.
        digest: Hash of what determines its answers, 32 hexadecimal digits.
        labels: Its classes, in the order of its outputs.
        embedding_width: Width of the input of its last layer.
        n_features: Length of its feature vectors; 0 if it takes none, and cannot be enrolled.
    """

    name: str
    digest: str
    labels: tuple[str, ...]
    embedding_width: int
    n_features: int

    def __str__(self) -> str:
        return f"{self.name} ({self.digest[:8]})"


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
        enrolment: From unlabelled speech.
        corrections: From labelled recordings.
    """

    owner: Owner
    enrolment: Enrolment
    corrections: Corrections

    @classmethod
    def empty(cls, owner: Owner) -> ProfileState:
        """The profile of somebody unknown; it changes no answer."""
        width = width_of(owner.embedding_width)
        return cls(
            owner, Enrolment.none(owner.n_features), Corrections.none(width, len(owner.labels))
        )

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

    def with_enrolment(self, enrolment: Enrolment) -> ProfileState:
        """The profile with another enrolment."""
        return replace(self, enrolment=enrolment)

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
            "enrolled_s": round(self.enrolment.seconds, 3),
            "enrolled_windows": self.enrolment.n_windows,
            "corrections": self.corrections.n_learned,
            "listed": [asdict(one) for one in self.listed],
        }
