"""Protocols, the leak guard, and figures with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serkit._lazy import lazily

if TYPE_CHECKING:
    from serkit.evaluation.acceptance import accept, check_acceptance, fit_acceptance, protocol_of
    from serkit.evaluation.affect import AROUSAL, VALENCE, regroup, share_within
    from serkit.evaluation.comparison import Comparison, compare
    from serkit.evaluation.dimensions import dimension_figures, with_dimensions
    from serkit.evaluation.final import (
        fit_final,
        fit_final_fusion,
        fit_final_speech,
        learned_from,
        under_licence,
    )
    from serkit.evaluation.folds import Fold
    from serkit.evaluation.leak_guard import guard, require_classes, without_copies
    from serkit.evaluation.outcome import FoldResult, Outcome
    from serkit.evaluation.protocols import PROTOCOLS, Protocol, find_protocol
    from serkit.evaluation.run import (
        Classifier,
        Learner,
        evaluate,
        guarded_folds,
        split_utterances,
    )
    from serkit.evaluation.run_folder import load_run, require_free, save_run
    from serkit.evaluation.seen import Seen, refuse_seen, seen_by_content, seen_by_name
    from serkit.evaluation.shrinking import Shrunk, shrink
    from serkit.evaluation.trained import evaluate_model
    from serkit.evaluation.tuning import evaluate_tuning

_EXPORTS: dict[str, tuple[str, ...]] = {
    "serkit.evaluation.acceptance": (
        "accept",
        "check_acceptance",
        "fit_acceptance",
        "protocol_of",
    ),
    "serkit.evaluation.affect": (
        "AROUSAL",
        "VALENCE",
        "regroup",
        "share_within",
    ),
    "serkit.evaluation.comparison": (
        "Comparison",
        "compare",
    ),
    "serkit.evaluation.dimensions": ("dimension_figures", "with_dimensions"),
    "serkit.evaluation.final": (
        "fit_final",
        "fit_final_fusion",
        "fit_final_speech",
        "learned_from",
        "under_licence",
    ),
    "serkit.evaluation.folds": ("Fold",),
    "serkit.evaluation.leak_guard": (
        "guard",
        "require_classes",
        "without_copies",
    ),
    "serkit.evaluation.outcome": (
        "FoldResult",
        "Outcome",
    ),
    "serkit.evaluation.protocols": (
        "PROTOCOLS",
        "Protocol",
        "find_protocol",
    ),
    "serkit.evaluation.run": (
        "Classifier",
        "Learner",
        "evaluate",
        "guarded_folds",
        "split_utterances",
    ),
    "serkit.evaluation.run_folder": (
        "load_run",
        "require_free",
        "save_run",
    ),
    "serkit.evaluation.seen": ("Seen", "refuse_seen", "seen_by_content", "seen_by_name"),
    "serkit.evaluation.shrinking": ("Shrunk", "shrink"),
    "serkit.evaluation.trained": ("evaluate_model",),
    "serkit.evaluation.tuning": ("evaluate_tuning",),
}

__getattr__ = lazily(__name__, _EXPORTS)

__all__ = [
    "AROUSAL",
    "PROTOCOLS",
    "VALENCE",
    "Classifier",
    "Comparison",
    "Fold",
    "FoldResult",
    "Learner",
    "Outcome",
    "Protocol",
    "Seen",
    "Shrunk",
    "accept",
    "check_acceptance",
    "compare",
    "dimension_figures",
    "evaluate",
    "evaluate_model",
    "evaluate_tuning",
    "find_protocol",
    "fit_acceptance",
    "fit_final",
    "fit_final_fusion",
    "fit_final_speech",
    "guard",
    "guarded_folds",
    "learned_from",
    "load_run",
    "protocol_of",
    "refuse_seen",
    "regroup",
    "require_classes",
    "require_free",
    "save_run",
    "seen_by_content",
    "seen_by_name",
    "share_within",
    "shrink",
    "split_utterances",
    "under_licence",
    "with_dimensions",
    "without_copies",
]
