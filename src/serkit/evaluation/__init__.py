"""Protocols, the leak guard, and metrics with intervals."""

from serkit.evaluation.acceptance import accept, check_acceptance
from serkit.evaluation.affect import AROUSAL, VALENCE, regroup, share_within
from serkit.evaluation.comparison import Comparison, compare
from serkit.evaluation.final import fit_final, learned_from
from serkit.evaluation.folds import Fold
from serkit.evaluation.leak_guard import guard, require_classes, without_copies
from serkit.evaluation.metrics import (
    Interval,
    confusion,
    expected_calibration_error,
    f1s,
    macro_f1,
    mean_interval,
    precisions,
    recalls,
    reliability,
    speaker_interval,
    unweighted_average_recall,
    weighted_accuracy,
    weighted_f1,
)
from serkit.evaluation.outcome import FoldResult, Outcome
from serkit.evaluation.protocols import PROTOCOLS, Protocol, find_protocol
from serkit.evaluation.run import (
    Classifier,
    Learner,
    evaluate,
    evaluate_model,
    guarded_folds,
    trained_on,
)
from serkit.evaluation.run_folder import load_run, require_free, save_run

__all__ = [
    "AROUSAL",
    "PROTOCOLS",
    "VALENCE",
    "Classifier",
    "Comparison",
    "Fold",
    "FoldResult",
    "Interval",
    "Learner",
    "Outcome",
    "Protocol",
    "accept",
    "check_acceptance",
    "compare",
    "confusion",
    "evaluate",
    "evaluate_model",
    "expected_calibration_error",
    "f1s",
    "find_protocol",
    "fit_final",
    "guard",
    "guarded_folds",
    "learned_from",
    "load_run",
    "macro_f1",
    "mean_interval",
    "precisions",
    "recalls",
    "regroup",
    "reliability",
    "require_classes",
    "require_free",
    "save_run",
    "share_within",
    "speaker_interval",
    "trained_on",
    "unweighted_average_recall",
    "weighted_accuracy",
    "weighted_f1",
    "without_copies",
]
