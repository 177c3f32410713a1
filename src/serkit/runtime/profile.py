"""One user's profile, with the model it belongs to: sounds in, better answers out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.corrections import Example, directions
from serkit.adaptation.profile import Correction, Owner, ProfileState, Voice
from serkit.adaptation.profile_file import load_profile, save_profile, update_profile
from serkit.adaptation.profile_store import SUFFIX, ProfileStore
from serkit.audio import Source
from serkit.errors import ProfileError
from serkit.runtime.backend import Classifier, Outputs
from serkit.runtime.recognizer import Examined, Recognizer

Array = NDArray[np.float32]


class Profile:
    """What was learned about one user of one model; it may be used from several threads.

    A profile that was loaded from a file is saved at every step, as one step for all processes:
    nothing that another has learned in the meantime is lost.

    Args:
        model: The model.
        state: What was learned.
        path: The file that it was loaded from; None for a profile in memory.

    Attributes:
        model: The model, for anybody.
        state: What was learned.
        path: The file.

    Raises:
        ProfileError: The profile belongs to another model.
    """

    def __init__(self, model: Recognizer, state: ProfileState, path: Path | None = None) -> None:
        state.check_owner(owner_of(model.backend))
        self.model = Recognizer(model.backend)
        self.state = state
        self.path = path
        self._changing = threading.Lock()
        self._known: tuple[ProfileState, Voice] | None = None  # of the state, until it changes

    def __repr__(self) -> str:
        corrections, heard = self.state.corrections, self.state.heard
        return (
            f"Profile(of {self.state.owner.name}, {heard.seconds:.1f} s enrolled, "
            f"{corrections.n_learned} corrections)"
        )

    @property
    def corrections(self) -> list[Correction]:
        """The corrections that can be taken back, oldest first."""
        return self.state.listed

    @classmethod
    def create(cls, model: Recognizer) -> Profile:
        """A profile in memory that has learned nothing yet; `save` writes it.

        Args:
            model: The model.
        """
        return cls(model, ProfileState.empty(owner_of(model.backend)))

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str], model: Recognizer) -> Profile:
        """Read a profile, which is saved at every step from then on.

        Args:
            name_or_path: A name given to `serkit profile create`, or the path of a file, which has
                a separator or ends with `.profile`.
            model: The model it belongs to.

        Raises:
            ProfileError: It does not exist, is damaged, or belongs to another model.
        """
        path = located(name_or_path)
        return cls(model, load_profile(path), path)

    def save(self, path: str | os.PathLike[str]) -> int:
        """Write the profile to a file, atomically.

        Args:
            path: The file; an existing one is replaced.

        Returns:
            Its size in bytes.

        Raises:
            OSError: The file cannot be written.
        """
        return save_profile(self.state, Path(path))

    def check_model(self, model: Recognizer) -> None:
        """Refuse another model.

        Raises:
            ProfileError: The profile belongs to another model.
        """
        self.state.check_owner(owner_of(model.backend))

    def check_speakers(self) -> None:
        """Refuse enrolment by a model without a speaker model.

        Raises:
            ProfileError: The model's card has no speaker model.
        """
        if self.model.card.speakers is None:
            raise ProfileError(
                f"the card of {self.model.name} has no speaker model, so it cannot be enrolled; "
                "teach it labelled recordings, or train it with a speaker model"
            )

    def enrol(self, *sources: Source) -> float:
        """Get to know the voice from speech without labels.

        Args:
            sources: Recordings, each as for a call of the model.

        Returns:
            Seconds of speech added: without digital silence, and without windows that are farther
            from the training data than the limit on the card.

        Raises:
            AudioError: As a call; nothing is learned from any of the recordings.
            PacketError: As a call.
            ProfileError: The model's card has no speaker model, so it cannot be enrolled; or no
                window of a recording is within the limit, as over another channel, where the logits
                say little of the voice. Nothing is learned from any of the recordings.
        """
        self.check_speakers()
        typical = [self._typical(self.model.examine(source)) for source in sources]

        def change(state: ProfileState) -> ProfileState:
            heard = state.heard
            for logits, seconds in typical:
                heard = heard.extended(logits, seconds)
            return state.with_heard(heard)

        self._change(change)
        return sum(seconds for _, seconds in typical)

    def learn(self, source: Source, label: str) -> Correction:
        """Learn the label of a recording; an earlier one of the same recording is replaced.

        Args:
            source: As for a call of the model.
            label: One of the model's labels.

        Returns:
            The correction, whose number `forget` takes.

        Raises:
            AudioError: As a call, or the recording is digital silence.
            PacketError: As a call.
            ProfileError: The label is unknown.
        """
        index = self.state.index_of(label)
        example = _example(self.model.examine(source))
        state = self._change(
            lambda state: state.with_corrections(state.corrections.learned(example, index))
        )
        return state.listed[-1]

    def forget(
        self, source: Source | None = None, *, number: int | None = None, last: bool = False
    ) -> Correction:
        """Take a correction back, as if it had never been learned.

        Args:
            source: The recording it was learned from, in any file format without loss.
            number: Or its number.
            last: Or the latest.

        Returns:
            The correction.

        Raises:
            AudioError: As a call of the model.
            PacketError: As a call.
            ProfileError: There is no such correction, or it is so old that its recording is needed.
        """
        if (source is not None) + (number is not None) + last != 1:
            raise ProfileError("expected a recording, the number of a correction, or the last one")
        example = None if source is None else _example(self.model.examine(source))
        taken: list[Correction] = []

        def change(state: ProfileState) -> ProfileState:
            corrections = state.corrections
            if example is not None:
                entry = corrections.by_digest(example.digest)
            else:
                entry = corrections.last() if number is None else corrections.by_id(number)
            taken.append(state.correction(entry))
            return state.with_corrections(corrections.forgotten(entry, example))

        self._change(change)
        return taken[-1]

    def logits(self, outputs: Outputs) -> Array:
        """The logits of the model for this user.

        Args:
            outputs: Of the model, for n windows.

        Returns:
            Shape `[n, n_labels]`, float32.
        """
        state = self.state
        if self._known is None or self._known[0] is not state:
            self._known = (state, state.voice(self.model.card.speakers))
        return self._known[1].logits(outputs.logits, outputs.embeddings)

    def _typical(self, examined: Examined) -> tuple[Array, float]:
        """Logits of the windows that are like the training data, and their total length."""
        typical, distances = self.model.card.typical, examined.distances
        if typical is None:
            return examined.logits, float(examined.seconds.sum())
        near = distances <= typical.limit
        if not near.any():
            raise ProfileError(
                f"unlike the training data of {self.model.name}: distance {distances.min():.2f}; "
                f"speech is enrolled up to {typical.limit:.2f}: use another microphone or a "
                "quieter room"
            )
        return examined.logits[near], float(examined.seconds[near].sum())

    def _change(self, change: Callable[[ProfileState], ProfileState]) -> ProfileState:
        with self._changing:
            if self.path is None:
                self.state = change(self.state)
            else:
                self.state = update_profile(self.path, lambda state: change(self._own(state)))
            return self.state

    def _own(self, state: ProfileState) -> ProfileState:
        """A state read again, whose file may have been replaced by that of another model."""
        state.check_owner(self.state.owner)
        return state


def owner_of(backend: Classifier) -> Owner:
    """What a profile keeps of its model."""
    card = backend.card
    return Owner(card.name, backend.digest, card.labels, backend.embedding_width)


def located(name_or_path: str | os.PathLike[str]) -> Path:
    """The file of a profile.

    Raises:
        ProfileError: There is no profile of this name, or it is not a plain one.
    """
    text = os.fspath(name_or_path)
    separators = {os.sep, os.altsep} - {None}
    if not isinstance(name_or_path, str) or text.endswith(SUFFIX) or separators & set(text):
        return Path(name_or_path)
    return ProfileStore.default().existing(name_or_path)


def _example(examined: Examined) -> Example:
    """One vector for all windows, each weighted by its length."""
    share = (examined.seconds / examined.seconds.sum()).astype(np.float32)
    vectors = directions(np.concatenate([one.embeddings for one in examined.outputs]))
    return Example(examined.digest, share @ vectors, share @ examined.logits)
