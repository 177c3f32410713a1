"""Metrics of classification, calibration, regression and diarization. NumPy only."""

from serkit.metrics.calibration import (
    N_BINS,
    calibration_error,
    expected_calibration_error,
    reliability,
)
from serkit.metrics.classification import (
    confusion,
    f1s,
    macro_f1,
    precisions,
    recalls,
    unweighted_average_recall,
    weighted_accuracy,
    weighted_f1,
)
from serkit.metrics.diarization import (
    DiarizationError,
    LabelledTime,
    change_distances,
    diarization_error,
    label_changes,
    label_times,
)
from serkit.metrics.intervals import (
    Interval,
    clustered_intervals,
    mean_interval,
    per_speaker,
    speaker_interval,
)
from serkit.metrics.regression import concordance, correlation, moments
from serkit.metrics.seeds import mean_over_seeds

__all__ = [
    "N_BINS",
    "DiarizationError",
    "Interval",
    "LabelledTime",
    "calibration_error",
    "change_distances",
    "clustered_intervals",
    "concordance",
    "confusion",
    "correlation",
    "diarization_error",
    "expected_calibration_error",
    "f1s",
    "label_changes",
    "label_times",
    "macro_f1",
    "mean_interval",
    "mean_over_seeds",
    "moments",
    "per_speaker",
    "precisions",
    "recalls",
    "reliability",
    "speaker_interval",
    "unweighted_average_recall",
    "weighted_accuracy",
    "weighted_f1",
]
