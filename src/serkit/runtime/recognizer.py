"""The call a user makes: a recording in, a probability for each emotion out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, Source, stream, windows
from serkit.errors import AudioError, ModelError
from serkit.features import extract
from serkit.runtime.caution import Caution
from serkit.runtime.model import Model, softmax
from serkit.runtime.sound_check import SoundCheck

MIN_DURATION_S = 0.1
"""Shortest recording that is judged, in seconds."""

# A window that never leaves the last bit of 16-bit audio is silent.
_SILENT_PEAK = 1.0 / 32768.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says about one recording.

    Attributes:
        label: The most probable emotion, or None; `reason` then says why.
        scores: Calibrated probability of each emotion asked for; they sum to 1. Empty where
            there was nothing to judge.
        duration_s: Length of the recording in seconds.
        model: Name of the model.
        reason: Why there is no label; None where there is one.
        warnings: Reasons not to trust the answer; none found if empty.
    """

    label: str | None
    scores: dict[str, float]
    duration_s: float
    model: str
    reason: str | None = None
    warnings: tuple[Caution, ...] = ()


class Recognizer:
    """A loaded model, ready to be called.

    Args:
        model: The model; `serkit.load` finds one by name or path.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def __repr__(self) -> str:
        return f"Recognizer({self.name!r}, labels={list(self.labels)})"

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.card.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions the model tells apart."""
        return self.model.card.labels

    def __call__(
        self,
        source: Source,
        *,
        labels: Sequence[str] | None = None,
        min_confidence: float | None = None,
        on_seconds: Callable[[float], object] | None = None,
    ) -> Prediction:
        """Recognise the emotion of one recording.

        A recording longer than 10 s is judged in windows of 8 s, as it is read, and the
        probabilities are averaged over the windows that are not silent (Ismail, V.C).

        Args:
            source: A path, the bytes of a file, a binary file or `(array, rate)`.
            labels: Restrict the answer to these; the probabilities are renormalised.
            min_confidence: Give no label below this probability.
            on_seconds: Called with the length of each window as it is read, to show progress.

        Returns:
            The prediction. Its label is None for digital silence, and where
            `min_confidence` is not reached. Its warnings say when not to trust it; a file that
            ends before its header says is judged by what could be read.

        Raises:
            AudioError: The recording cannot be read, or is shorter than 0.1 s.
            ModelError: A label is not one of the model's, or `min_confidence` is not in 0-1.
        """
        chosen = self._chosen(labels)
        if min_confidence is not None and not 0.0 <= min_confidence <= 1.0:
            raise ModelError(f"min_confidence is {min_confidence}; expected 0 to 1")
        total = np.zeros(len(chosen))
        n_samples = n_judged = 0
        total_distance = 0.0
        cautions: list[Caution] = []
        check = SoundCheck()

        def on_truncated(line: str) -> None:
            cautions.append(Caution("truncated", line))

        for samples in windows(check.watch(stream(source, on_truncated=on_truncated))):
            n_samples += len(samples)
            if on_seconds is not None:
                on_seconds(len(samples) / SAMPLE_RATE)
            if len(samples) < MIN_DURATION_S * SAMPLE_RATE:
                raise AudioError(
                    f"the recording lasts {len(samples) / SAMPLE_RATE * 1000:.3g} ms; "
                    f"at least {MIN_DURATION_S * 1000:.0f} ms are needed to judge an emotion"
                )
            if _is_silent(samples):
                continue
            n_judged += len(samples)
            scores_of_window, distance = self._judged(samples, chosen)
            total += len(samples) * scores_of_window
            total_distance += len(samples) * distance
        duration_s = n_samples / SAMPLE_RATE
        cautions += check.cautions()
        if not n_judged:
            silent = "digital silence: nothing to judge"
            return Prediction(None, {}, duration_s, self.name, silent, tuple(cautions))
        cautions += self._far(total_distance / n_judged)
        probabilities = total / n_judged
        names = [self.labels[i] for i in chosen]
        scores = {name: float(p) for name, p in zip(names, probabilities, strict=True)}
        best = max(scores, key=scores.__getitem__)
        if min_confidence is not None and scores[best] < min_confidence:
            reason = f"{best} is most probable, at {scores[best]:.2f} below {min_confidence:g}"
            return Prediction(None, scores, duration_s, self.name, reason, tuple(cautions))
        return Prediction(best, scores, duration_s, self.name, warnings=tuple(cautions))

    def predict_many(
        self,
        sources: Iterable[Source],
        *,
        labels: Sequence[str] | None = None,
        min_confidence: float | None = None,
        on_seconds: Callable[[float], object] | None = None,
    ) -> Iterator[Prediction | AudioError]:
        """Recognise many recordings; one that cannot be judged does not stop the others.

        Args:
            sources: As for a call, any number of them.
            labels: As for a call.
            min_confidence: As for a call.
            on_seconds: As for a call.

        Yields:
            For each source, in order, its prediction or the error that stood in its way.

        Raises:
            ModelError: As a call.
        """
        for source in sources:
            try:
                yield self(
                    source, labels=labels, min_confidence=min_confidence, on_seconds=on_seconds
                )
            except AudioError as error:
                yield error

    def _chosen(self, labels: Sequence[str] | None) -> list[int]:
        """Indices of the outputs asked for, in the model's order."""
        if labels is None:
            return list(range(len(self.labels)))
        if isinstance(labels, str):
            labels = [labels]
        unknown = [label for label in labels if label not in self.labels]
        if unknown or not labels:
            found = f"unknown label {', '.join(map(repr, unknown))}" if unknown else "no label"
            raise ModelError(f"{found}; the model {self.name} knows {', '.join(self.labels)}")
        return [i for i, label in enumerate(self.labels) if label in labels]

    def _judged(
        self, samples: NDArray[np.float32], chosen: list[int]
    ) -> tuple[NDArray[np.float32], float]:
        """Probabilities of a window, and its distance to the training data: 0 if unknown."""
        features = extract(self.model.card.features, samples)[None]
        with np.errstate(over="ignore", invalid="ignore"):
            logits = self.model.logits(features)[0, chosen]
            distances = self.model.distances(features)
        if not np.isfinite(logits).all():
            raise ModelError(
                f"the model {self.name} gives numbers that are not finite; its weights are too "
                "large to compute with, get a fresh copy"
            )
        return softmax(logits), 0.0 if distances is None else float(distances[0])

    def _far(self, distance: float) -> list[Caution]:
        typical = self.model.card.typical
        if typical is None or distance <= typical.limit:
            return []
        message = (
            f"unlike what {self.name} learned from: distance {distance:.2f}; "
            f"{100 * typical.share:.3g} % of new speakers lie within {typical.limit:.2f}"
        )
        return [Caution("far-from-training", message)]


def _is_silent(samples: NDArray[np.float32]) -> bool:
    """Whether nothing is heard: the samples stay within one step of 16-bit audio."""
    return bool(np.ptp(samples) < 2 * _SILENT_PEAK)
