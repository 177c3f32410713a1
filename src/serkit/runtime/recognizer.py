"""The recogniser: a recording in, a probability for each emotion out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation import softmax
from serkit.audio import ContentHash, windows
from serkit.errors import AudioError, ModelError, PacketError
from serkit.runtime.affect import affect_of
from serkit.runtime.backend import Classifier, Outputs
from serkit.runtime.card import ModelCard
from serkit.runtime.decision import (
    check_confidence,
    chosen_labels,
    decided,
    distance_cautions,
    scores_of,
)
from serkit.runtime.decoded import Recording
from serkit.runtime.prediction import MIN_DURATION_S, SILENT, Prediction, Window
from serkit.runtime.sources import Stream, is_silent, opened, window_cautions

if TYPE_CHECKING:
    from serkit.audio.voice import VoiceDetector
    from serkit.runtime.live import LiveStream
    from serkit.runtime.profile import Profile
    from serkit.runtime.timeline import Timeline, TimelineSettings


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The results of a model for one window.

    Attributes:
        probabilities: Probabilities of the requested labels, in the model's order.
        outputs: Those of the backend, without a profile.
    """

    probabilities: NDArray[np.float32]
    outputs: Outputs

    @property
    def distance(self) -> float:
        """Distance to the training data; 0 if unknown."""
        return 0.0 if self.outputs.distances is None else float(self.outputs.distances[0])

    @property
    def dimensions(self) -> NDArray[np.float64]:
        """Values of the card's dimensions, limited to -1 to 1; shape `[0]` without dimensions."""
        if self.outputs.dimensions is None:
            return np.zeros(0)
        limited: NDArray[np.float64] = np.clip(self.outputs.dimensions[0], -1.0, 1.0, dtype=float)
        return limited


@dataclass(frozen=True, slots=True, eq=False)
class _Classified:
    """A window and its results.

    Attributes:
        start: Index of its first sample or frame.
        content: Samples or frames.
        answer: Its results; None for digital silence.
    """

    start: int
    content: NDArray[np.float32]
    answer: Answer | None

    @property
    def length(self) -> int:
        """Number of samples or frames."""
        return int(self.content.shape[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """A recording as a model sees it.

    Attributes:
        digest: `content_hash` of its samples, or of its frames.
        seconds: Lengths of the windows that are not silent, shape `[n_windows]`.
        outputs: Outputs of the model for each of them.
    """

    digest: str
    seconds: NDArray[np.float64]
    outputs: tuple[Outputs, ...]

    @property
    def logits(self) -> NDArray[np.float32]:
        """Calibrated logits of the windows, shape `[n_windows, n_labels]`."""
        return np.concatenate([one.logits for one in self.outputs])

    @property
    def distances(self) -> NDArray[np.float64]:
        """Distances of the windows to the training data, shape `[n_windows]`; 0 if unknown."""
        return np.array(
            [0.0 if one.distances is None else float(one.distances[0]) for one in self.outputs]
        )


class Recognizer:
    """A loaded model, ready to be called; it may be called from several threads.

    Args:
        backend: The model; `serkit.load` loads one by name or path.
        profile: Of the user; `with_profile` loads one.

    Attributes:
        backend: The model.
        profile: The profile; None for anybody.
    """

    def __init__(self, backend: Classifier, profile: Profile | None = None) -> None:
        self.backend = backend
        self.profile = profile

    def __repr__(self) -> str:
        return f"Recognizer({self.name!r}, labels={list(self.labels)})"

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self.backend.card

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of the model."""
        return self.card.labels

    def __call__(
        self,
        source: Recording,
        *,
        labels: Sequence[str] | None = None,
        min_confidence: float | None = None,
        on_seconds: Callable[[float], object] | None = None,
    ) -> Prediction:
        """Recognise the emotion of one recording.

        A long recording is classified in windows of the card's `window_s` as it is read, and the
        probabilities are averaged over the windows that are not silent, weighted by their lengths
        (Ismail, V.C).

        Args:
            source: A path, the bytes of a file, a binary file or `(array, rate)`; or, for a model
                that takes log-mel, packets of the codec (`.smel`); or what one of them was decoded
                to.
            labels: Restrict the prediction to these labels; the probabilities are renormalised.
            min_confidence: Return no label below this probability.
            on_seconds: Progress callback; takes the length in seconds of each window.

        Returns:
            The prediction. Its label is None for digital silence, and if `min_confidence` is not
            reached. A truncated file is classified up to its end, with a warning.

        Raises:
            AudioError: The recording cannot be read, is shorter than 0.1 s, or holds packets while
                the model takes sound.
            PacketError: A packet is damaged, or of another basis.
            ModelError: A label is unknown, or `min_confidence` is not in 0-1.
        """
        chosen = chosen_labels(self.card, labels)
        check_confidence(min_confidence)
        total, dimensions = np.zeros(len(chosen)), np.zeros(len(self.card.dimensions))
        length = n_classified = 0
        total_distance = 0.0
        with opened(source, self.card) as stream:
            for window in self._classified(stream, chosen, hop_s=None):
                length += window.length
                if on_seconds is not None:
                    on_seconds(window.length / stream.rate)
                if window.answer is None:
                    continue
                n_classified += window.length
                total += window.length * window.answer.probabilities
                dimensions += window.length * window.answer.dimensions
                total_distance += window.length * window.answer.distance
            cautions = stream.cautions()
            duration_s = length / stream.rate
        if not n_classified:
            return Prediction(None, {}, duration_s, self.name, SILENT, cautions)
        cautions += distance_cautions(self.card, total_distance / n_classified)
        scores = scores_of(self.card, chosen, total / n_classified)
        label, reason = decided(scores, min_confidence)
        affect = affect_of(self.card, scores, dimensions / n_classified)
        return Prediction(label, scores, duration_s, self.name, reason, cautions, affect)

    def windows(
        self, source: Recording, *, labels: Sequence[str] | None = None, hop_s: float | None = None
    ) -> Iterator[Window]:
        """Classify the windows of a recording as it is read, in constant memory.

        The warnings of a window are about its own samples. `truncated` and `lost-packets` are given
        to the window at which they are noticed. A model that takes log-mel has no samples to check
        in a window; a call checks those of the whole recording.

        Args:
            source: As for a call.
            labels: As for a call.
            hop_s: Distance between the starts of windows in seconds, at most the `window_s` of the
                card; None for windows that do not overlap, as in a call.

        Yields:
            Consecutive windows, which together cover the recording.

        Raises:
            AudioError: As a call, or `hop_s` is out of range.
            PacketError: As a call.
            ModelError: A label is unknown.
        """
        chosen = chosen_labels(self.card, labels)
        with opened(source, self.card) as stream:
            for window in self._classified(stream, chosen, hop_s=hop_s):
                seconds = (
                    window.start / stream.rate,
                    (window.start + window.length) / stream.rate,
                )
                cautions = stream.losses() + window_cautions(window.content)
                answer = window.answer
                if answer is None:
                    yield Window(*seconds, {}, cautions)
                    continue
                scores = scores_of(self.card, chosen, answer.probabilities)
                cautions += distance_cautions(self.card, answer.distance)
                affect = affect_of(self.card, scores, answer.dimensions)
                yield Window(*seconds, scores, cautions, affect)

    def timeline(
        self,
        source: Recording,
        settings: TimelineSettings | None = None,
        *,
        detector: VoiceDetector | str | None = "bands",
        channel: int | None = None,
        on_seconds: Callable[[float], object] | None = None,
    ) -> Timeline:
        """Recognise emotion over time, in one pass.

        Args:
            source: As for a call.
            settings: How to cut, smooth and sum up; None for the defaults.
            detector: Detects voice, or its name, see `serkit.audio.voice`; None to classify
                everything. Packets hold no sound to detect voice in, and are classified entirely.
            channel: Number of the channel of sound, from 0, such as that of one speaker; None for
                the mean of all.
            on_seconds: Progress callback; takes the length in seconds of each part read.

        Returns:
            The segments, windows and voiced stretches. Without voice the only segment has no label.
            A truncated file is classified up to its end, with a warning.

        Raises:
            AudioError: The recording cannot be read, or holds packets while the model takes sound;
                or the hop is out of range, or there is no such detector or channel.
            PacketError: As a call.
            ModelError: A label is unknown.
            MissingExtraError: The package of the detector is not installed.
        """
        from serkit.runtime.whole import timeline

        return timeline(
            self, source, settings, detector=detector, channel=channel, on_seconds=on_seconds
        )

    def stream(
        self,
        settings: TimelineSettings | None = None,
        *,
        detector: VoiceDetector | str | None = "bands",
    ) -> LiveStream:
        """Recognise a stream as it arrives; the answers are those of `timeline`.

        Args:
            settings: As for `timeline`.
            detector: As for `timeline`.

        Raises:
            AudioError: The hop is out of range, or there is no such detector.
            ModelError: A label is unknown.
            MissingExtraError: The package of the detector is not installed.
        """
        from serkit.runtime.live import LiveStream

        return LiveStream(self, settings, detector)

    def embed(self, source: Recording, *, hop_s: float | None = None) -> NDArray[np.float32]:
        """The embeddings of the windows of a recording: the input of the model's last layer.

        Args:
            source: As for a call.
            hop_s: As for `windows`.

        Returns:
            Shape `[n_windows, width]`, float32; digital silence has none.

        Raises:
            AudioError: As for `windows`, or the recording is digital silence.
            PacketError: As a call.
        """
        chosen = chosen_labels(self.card, None)
        with opened(source, self.card) as stream:
            windows = self._classified(stream, chosen, hop_s=hop_s)
            embeddings = [w.answer.outputs.embeddings[0] for w in windows if w.answer is not None]
        if not embeddings:
            raise AudioError("digital silence: nothing to embed")
        return np.stack(embeddings)

    def predict_many(
        self,
        sources: Iterable[Recording],
        *,
        labels: Sequence[str] | None = None,
        min_confidence: float | None = None,
        on_seconds: Callable[[float], object] | None = None,
    ) -> Iterator[Prediction | AudioError | PacketError]:
        """Recognise many recordings; an error in one does not stop the others.

        Args:
            sources: Recordings, each as for a call.
            labels: As for a call.
            min_confidence: As for a call.
            on_seconds: As for a call.

        Yields:
            The prediction or error of each source, in order.

        Raises:
            ModelError: As a call.
        """
        for source in sources:
            try:
                yield self(
                    source, labels=labels, min_confidence=min_confidence, on_seconds=on_seconds
                )
            except (AudioError, PacketError) as error:
                yield error

    def with_profile(self, profile: str | os.PathLike[str] | Profile) -> Recognizer:
        """The same model for one user.

        Args:
            profile: A profile, which may go on learning; or the name of one (see `serkit profile`)
                or the path of its file.

        Raises:
            ProfileError: The profile does not exist, is damaged, or belongs to another model.
        """
        from serkit.runtime.profile import Profile

        if not isinstance(profile, Profile):
            profile = Profile.load(profile, self)
        profile.check_model(self)
        return Recognizer(self.backend, profile)

    def examine(self, source: Recording) -> Examined:
        """What a profile learns from: the outputs of the model, without a profile.

        Args:
            source: As for a call.

        Raises:
            AudioError: As a call, or the recording is digital silence.
            PacketError: As a call.
        """
        digest = ContentHash()
        with opened(source, self.card) as stream:
            stream = stream.watched(digest.update)
            found = [
                (window.length, window.answer.outputs)
                for window in self._classified(stream, chosen_labels(self.card, None), hop_s=None)
                if window.answer is not None
            ]
            rate = stream.rate
        if not found:
            raise AudioError("digital silence: nothing to learn from")
        seconds = np.array([length / rate for length, _ in found])
        return Examined(digest.hexdigest(), seconds, tuple(one for _, one in found))

    def classify(self, content: NDArray[np.float32], chosen: Sequence[int]) -> Answer | None:
        """Classify one window, of at least `MIN_DURATION_S`.

        Args:
            content: Samples or frames, as the backend takes them.
            chosen: Indices of the requested labels.

        Returns:
            The results; None for digital silence.

        Raises:
            ModelError: The outputs of the backend are not finite, or its dimensions are not those
                of its card.
        """
        if is_silent(content):
            return None
        outputs = self.backend.outputs([content])
        dimensions = np.zeros((1, 0)) if outputs.dimensions is None else outputs.dimensions
        if dimensions.shape != (1, len(self.card.dimensions)):
            raise ModelError(
                f"{self.name} gave dimensions of shape {dimensions.shape}; expected "
                f"(1, {len(self.card.dimensions)}), as on its card"
            )
        if not (np.isfinite(outputs.logits).all() and np.isfinite(dimensions).all()):
            raise ModelError(
                f"the outputs of {self.name} are not finite: its weights overflow; get a fresh "
                "copy of the model"
            )
        logits = outputs.logits if self.profile is None else self.profile.logits(outputs)
        chosen_logits = logits[0, chosen]
        return Answer(softmax(chosen_logits) if len(chosen) else chosen_logits, outputs)

    def _classified(
        self, stream: Stream, chosen: list[int], *, hop_s: float | None
    ) -> Iterator[_Classified]:
        cut = windows(stream.blocks, window_s=self.card.window_s, hop_s=hop_s, rate=stream.rate)
        n_windows = 0
        for start, content in cut:
            n_windows += 1
            length_s = content.shape[-1] / stream.rate
            if length_s < MIN_DURATION_S:
                raise _too_short(length_s)
            yield _Classified(start, content, self.classify(content, chosen))
        if not n_windows:
            raise _too_short(0.0)


def _too_short(length_s: float) -> AudioError:
    return AudioError(
        f"the recording lasts {length_s * 1000:.3g} ms; expected at least "
        f"{MIN_DURATION_S * 1000:.0f} ms"
    )
