"""serkit: speech emotion recognition that fits the edge.

>>> import serkit
>>> model = serkit.load("tiny")
>>> prediction = model("voice.wav")            # doctest: +SKIP
>>> prediction.label, prediction.scores        # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from serkit.audio import read
    from serkit.errors import (
        AudioError,
        CorpusError,
        MissingExtraError,
        ModelError,
        PacketError,
        ProfileError,
        ProtocolError,
        RecipeError,
        SerkitError,
    )
    from serkit.features import FeatureRecipe
    from serkit.runtime import Caution, Prediction, Recognizer, available_models, load

# Public name -> the room it lives in; nothing is imported before it is asked for.
_EXPORTS = {
    "AudioError": "serkit.errors",
    "Caution": "serkit.runtime",
    "CorpusError": "serkit.errors",
    "FeatureRecipe": "serkit.features",
    "MissingExtraError": "serkit.errors",
    "ModelError": "serkit.errors",
    "PacketError": "serkit.errors",
    "Prediction": "serkit.runtime",
    "ProfileError": "serkit.errors",
    "ProtocolError": "serkit.errors",
    "RecipeError": "serkit.errors",
    "Recognizer": "serkit.runtime",
    "SerkitError": "serkit.errors",
    "available_models": "serkit.runtime",
    "load": "serkit.runtime",
    "read": "serkit.audio",
}

__all__ = [
    "AudioError",
    "Caution",
    "CorpusError",
    "FeatureRecipe",
    "MissingExtraError",
    "ModelError",
    "PacketError",
    "Prediction",
    "ProfileError",
    "ProtocolError",
    "RecipeError",
    "Recognizer",
    "SerkitError",
    "available_models",
    "load",
    "read",
]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'serkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
