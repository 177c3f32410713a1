"""Answers as the OpenAPI description shows them."""

from __future__ import annotations

from typing import Any

from serkit.serving.refusals import error_object

_SCORES = {"angry": 0.005, "happy": 0.027, "neutral": 0.95, "sad": 0.018}
_AFFECT = {"arousal": -0.12, "valence": 0.04, "dominance": None, "affect": "learned"}
_OVERALL: dict[str, Any] = {"label": "neutral", "scores": _SCORES, **_AFFECT, "warnings": []}


def _json(description: str, example: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"type": "object"}, "example": example}},
    }


PREDICTION = _json(
    "The answer: the most probable label, a calibrated probability for each, arousal and valence, "
    "and reasons not to trust it.",
    {**_OVERALL, "duration_s": 2.94, "model": "tiny", "modalities": ["acoustic"]},
)

TIMELINE = _json(
    "Consecutive segments, the windows they were made from, and one answer for all.",
    {
        "model": "tiny",
        "duration_s": 2.94,
        "overall": _OVERALL,
        "shares": {"neutral": 1.0},
        "segments": [
            {"start_s": 0.0, "end_s": 2.94, "confidence": 0.95, **_OVERALL},
        ],
        "windows": [{"start_s": 0.0, "end_s": 2.94, "scores": _SCORES, **_AFFECT, "warnings": []}],
        "voiced": [[0.0, 2.94]],
        "modalities": ["acoustic"],
    },
)

MODELS = _json(
    "The models.",
    {
        "models": [
            {
                "name": "tiny",
                "labels": ["angry", "happy", "neutral", "sad"],
                "dimensions": ["arousal", "valence"],
                "input": "sound",
                "takes_packets": False,
                "window_s": 4.0,
                "digest": "0" * 32,
                "commercial_use": False,
            }
        ],
        "modalities": ["acoustic"],
        "asr": None,
    },
)

HEALTH = _json("It runs.", {"status": "ok"})

READY = _json("It is ready.", {"status": "ready", "modalities": ["acoustic"], "asr": "none"})

ERRORS: dict[int | str, dict[str, Any]] = {
    status: _json(description, error_object(code, message))
    for status, description, code, message in (
        (400, "The request cannot be read.", "form", "the form cannot be read"),
        (401, "The token is missing or unknown.", "token_missing", "expected the header: "
         "Authorization: Bearer TOKEN"),
        (404, "There is no such model.", "model_unknown", "no model 'x'; expected one of tiny"),
        (408, "The body arrived too slowly.", "slow", "the body did not arrive within 30 s"),
        (413, "The recording is too large or too long.", "too_long",
         "the recording lasts 270,000.0 s or more; expected at most 600 s"),
        (422, "The recording or a parameter is wrong.", "audio", "not recognised as audio"),
        (429, "The server is full; Retry-After says when to try again.", "overloaded",
         "64 requests are in work or waiting; try again later"),
        (500, "The server failed.", "internal", "the server failed; the log has the request id"),
        (503, "The server is stopping.", "stopping", "the server is stopping"),
        (504, "The answer would have come too late.", "deadline", "no answer within 30 s; send a "
         "shorter recording, or try again"),
    )
}  # fmt: skip
