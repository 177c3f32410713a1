"""Emotion over time: the segments of a recording, its windows, and one answer for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, get_args

from serkit.audio import MAX_WINDOW_S, MIN_WINDOW_S
from serkit.errors import AudioError, MissingExtraError, ModelError
from serkit.runtime.affect import UNKNOWN, Affect, HasAffect
from serkit.runtime.caution import Caution
from serkit.runtime.decision import check_confidence
from serkit.runtime.prediction import Prediction, Window

Smoothing = Literal["off", "median", "hmm"]
Aggregation = Literal["mean", "duration", "confidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineSettings:
    """How a recording is cut, smoothed and summed up.

    Attributes:
        window_s: Length of a window in seconds, 0.5 to 60; None for that of the card.
        hop_s: Distance between the starts of windows in seconds, at most the window; None for
            windows that do not overlap. Where windows overlap, their probabilities are averaged.
        pause_s: Shortest pause in seconds that ends a segment; a window never spans it. Voice on
            both sides of a shorter pause is classified together with the pause.
        smoothing: `off`; `median`, the median of three consecutive windows; or `hmm`, the
            posterior of a hidden Markov model whose states are the emotions.
        dwell_s: Expected duration of an emotion in seconds, for `hmm`.
        aggregation: Weight of a window in `overall`: `mean`, all the same (Ismail, V.C);
            `duration`, its length, as in a call of the model; or `confidence`, its length times
            1 less the entropy of its probabilities over that of a uniform distribution.
        labels: Restrict the answers to these labels; the probabilities are renormalised.
        min_confidence: Give no label below this probability.

    Raises:
        AudioError: A length is out of range.
        ModelError: `min_confidence`, `smoothing` or `aggregation` is not one of the above.
    """

    window_s: float | None = None
    hop_s: float | None = None
    pause_s: float = 0.3
    smoothing: Smoothing = "off"
    dwell_s: float = 10.0
    aggregation: Aggregation = "duration"
    labels: tuple[str, ...] | None = None
    min_confidence: float | None = None

    def __post_init__(self) -> None:
        if self.window_s is not None and not MIN_WINDOW_S <= self.window_s <= MAX_WINDOW_S:
            raise AudioError(
                f"the window is {self.window_s:g} s; expected {MIN_WINDOW_S:g} to "
                f"{MAX_WINDOW_S:g} s"
            )
        for what, value in (("pause", self.pause_s), ("dwell", self.dwell_s)):
            if not 0.0 < value <= _MAX_S:
                raise AudioError(f"the {what} is {value:g} s; expected more than 0 to {_MAX_S:g} s")
        for name, chosen, kinds in (
            ("smoothing", self.smoothing, get_args(Smoothing)),
            ("aggregation", self.aggregation, get_args(Aggregation)),
        ):
            if chosen not in kinds:
                raise ModelError(f"{name} is {chosen!r}; expected {', '.join(kinds)}")
        check_confidence(self.min_confidence)

    def lengths(self, window_s: float) -> tuple[float, float]:
        """Window and hop in seconds, for a model whose card says `window_s`.

        Raises:
            AudioError: The hop is out of range.
        """
        window_s = window_s if self.window_s is None else self.window_s
        hop_s = window_s if self.hop_s is None else self.hop_s
        if not 0.0 < hop_s <= window_s:
            raise AudioError(
                f"the hop is {hop_s:g} s; expected more than 0 and at most the window of "
                f"{window_s:g} s"
            )
        return window_s, hop_s


_MAX_S = 3600.0


@dataclass(frozen=True, slots=True)
class Segment(HasAffect):
    """A stretch of a recording with one answer.

    Attributes:
        start_s: Start in seconds from the start of the recording.
        end_s: End in seconds.
        label: The most probable emotion; None if there is none, for the given `reason`.
        scores: Mean probability of each requested emotion, weighted by duration; they sum to 1.
            Empty without voice.
        reason: Why there is no label; None if there is one.
        warnings: Reasons not to trust the answer, each code once.
        affect: Arousal, valence and dominance, weighted by duration, and where they come from.
    """

    start_s: float
    end_s: float
    label: str | None
    scores: dict[str, float]
    reason: str | None = None
    warnings: tuple[Caution, ...] = ()
    affect: Affect = UNKNOWN

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s

    @property
    def confidence(self) -> float:
        """Probability of the most probable emotion, calibrated for windows; 0 without voice."""
        return max(self.scores.values(), default=0.0)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Emotion over time.

    Attributes:
        segments: Consecutive segments, which together cover the recording; pauses are segments
            without a label.
        windows: The windows that were classified, before smoothing.
        voiced: Start and end of each voiced stretch in seconds; None if voice was not detected.
        overall: One answer for the whole recording, from its windows before smoothing; its warnings
            are about the whole recording.
        channel: Number of the channel of the recording, from 0; None for the mean of all.
    """

    segments: tuple[Segment, ...]
    windows: tuple[Window, ...]
    voiced: tuple[tuple[float, float], ...] | None
    overall: Prediction
    channel: int | None = None

    @property
    def duration_s(self) -> float:
        """Length of the recording in seconds."""
        return self.overall.duration_s

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.overall.model

    @property
    def warnings(self) -> tuple[Caution, ...]:
        """Reasons not to trust the answers, about the whole recording."""
        return self.overall.warnings

    @property
    def shares(self) -> dict[str, float]:
        """Share of the labelled time of each label, by decreasing share."""
        seconds: dict[str, float] = {}
        for segment in self.segments:
            if segment.label is not None:
                seconds[segment.label] = seconds.get(segment.label, 0.0) + segment.duration_s
        total = sum(seconds.values())
        ranked = sorted(seconds.items(), key=lambda item: -item[1])
        return {label: value / total for label, value in ranked}

    def to_frame(self, file: str | None = None) -> Any:
        """The segments as a table of pandas.

        Args:
            file: Name of the recording, to make the index that audformat reads.

        Returns:
            A `DataFrame` with columns `label`, `confidence`, `arousal`, `valence`, `dominance`,
            `affect` (their source), and the score of each emotion, unless there is no voice at
            all; indexed by `start` and `end` as timedeltas, after `file` if it is given.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise MissingExtraError("pandas", "audformat", "a table of segments") from None
        rows = [_row(segment) for segment in self.segments]
        seconds = [(segment.start_s, segment.end_s) for segment in self.segments]
        arrays: list[Any] = [
            pandas.to_timedelta([bounds[i] for bounds in seconds], unit="s") for i in (0, 1)
        ]
        names = ["start", "end"]
        if file is not None:
            arrays.insert(0, pandas.Index([file] * len(rows), dtype="string"))
            names.insert(0, "file")
        index = pandas.MultiIndex.from_arrays(arrays, names=names)
        return pandas.DataFrame(rows, index=index)


def _row(segment: Segment) -> dict[str, Any]:
    return {
        "label": segment.label,
        "confidence": segment.confidence,
        "arousal": segment.arousal,
        "valence": segment.valence,
        "dominance": segment.dominance,
        "affect": segment.affect.source,
        **segment.scores,
    }
