"""Figures of an evaluation for a model's card."""

from __future__ import annotations

from typing import Any

import numpy as np

from serkit.evaluation.figures import Figures, corpus_figures
from serkit.evaluation.outcome import Outcome


def summary(outcome: Outcome) -> dict[str, Any]:
    """UA and ECE of each tested corpus, as `figures` gives them, in JSON values for a card."""
    protocol = outcome.protocol
    rows = [_row(figures) for figures in corpus_figures(outcome)]
    result = {
        "protocol": protocol.name,
        "title": outcome.title,
        "citation": protocol.citation,
        "speaker_dependent": protocol.speaker_dependent,
        "seeds": list(outcome.seeds),
        "rows": rows,
    }
    if len(rows) > 1:
        result["mean_ua"] = _rounded(np.mean([row["ua"] for row in rows]))
    return result


def _row(figures: Figures) -> dict[str, Any]:
    ua, ece = figures.headlines["ua"], figures.headlines["ece"]
    return {
        "corpus": figures.name,
        "ua": _rounded(ua.value),
        "ua_sd": _rounded(ua.sd),
        "ua_interval": [_rounded(ua.interval.low), _rounded(ua.interval.high)]
        if ua.interval
        else None,
        "ece": _rounded(ece.value),
        "utterances": figures.utterances,
        "speakers": len(figures.speakers),
    }


def _rounded(value: float | np.floating[Any] | None) -> float | None:
    """To five decimals, as a card is part of a small file."""
    return None if value is None else round(float(value), 5)
