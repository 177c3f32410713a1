"""Results of a `Recognizer`."""

from __future__ import annotations

from dataclasses import dataclass

from serkit.runtime.affect import UNKNOWN, Affect, HasAffect
from serkit.runtime.caution import Caution

MIN_DURATION_S = 0.1
"""Length of the shortest recording that is classified, in seconds."""

SILENT = "digital silence: nothing to classify"
"""Why a silent recording, window or segment has no label."""


@dataclass(frozen=True, slots=True)
class Prediction(HasAffect):
    """The prediction for a recording.

    Attributes:
        label: The most probable emotion; None if there is none, for the given `reason`.
        scores: Calibrated probability of each requested emotion; they sum to 1. Empty for digital
            silence.
        duration_s: Length of the recording in seconds.
        model: Name of the model.
        reason: Why there is no label; None if there is one.
        warnings: Reasons not to trust the prediction.
        affect: Arousal, valence and dominance, and where they come from.
    """

    label: str | None
    scores: dict[str, float]
    duration_s: float
    model: str
    reason: str | None = None
    warnings: tuple[Caution, ...] = ()
    affect: Affect = UNKNOWN


@dataclass(frozen=True, slots=True)
class Window(HasAffect):
    """The prediction for a window of a recording.

    Attributes:
        start_s: Start of the window in seconds from the start of the recording.
        end_s: End of the window in seconds.
        scores: Calibrated probability of each requested emotion; they sum to 1. Empty for digital
            silence.
        warnings: Reasons not to trust the scores.
        affect: Arousal, valence and dominance, and where they come from.
    """

    start_s: float
    end_s: float
    scores: dict[str, float]
    warnings: tuple[Caution, ...] = ()
    affect: Affect = UNKNOWN
