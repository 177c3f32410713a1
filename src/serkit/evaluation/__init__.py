"""Protocols, the leak guard, and metrics with intervals."""

from serkit.evaluation.acceptance import accept
from serkit.evaluation.leak_guard import guard
from serkit.evaluation.metrics import (
    Interval,
    confusion,
    expected_calibration_error,
    mean_interval,
    speaker_interval,
    unweighted_average_recall,
    weighted_accuracy,
)
from serkit.evaluation.protocols import PROTOCOLS, Fold, Protocol, find_protocol
from serkit.evaluation.run import Outcome, evaluate

__all__ = [
    "PROTOCOLS",
    "Fold",
    "Interval",
    "Outcome",
    "Protocol",
    "accept",
    "confusion",
    "evaluate",
    "expected_calibration_error",
    "find_protocol",
    "guard",
    "mean_interval",
    "speaker_interval",
    "unweighted_average_recall",
    "weighted_accuracy",
]
