"""serkit: speech emotion recognition that fits the edge.

>>> import serkit
>>> model = serkit.load("tiny")
>>> prediction = model("voice.wav")            # doctest: +SKIP
>>> prediction.label, prediction.scores        # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serkit._lazy import lazily

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
        ServerError,
        TranscriptionError,
    )
    from serkit.features import FeatureRecipe
    from serkit.runtime import (
        Caution,
        Prediction,
        Recognizer,
        Segment,
        Timeline,
        TimelineSettings,
        Window,
        available_models,
        load,
    )
    from serkit.runtime.profile import Profile
    from serkit.serving.client import AsyncClient, Client

# Imported on first access; the subpackages are attributes too.
_EXPORTS: dict[str, tuple[str, ...]] = {
    "serkit.audio": ("read",),
    "serkit.errors": (
        "AudioError",
        "CorpusError",
        "MissingExtraError",
        "ModelError",
        "PacketError",
        "ProfileError",
        "ProtocolError",
        "RecipeError",
        "SerkitError",
        "ServerError",
        "TranscriptionError",
    ),
    "serkit.features": ("FeatureRecipe",),
    "serkit.runtime": (
        "Caution",
        "Prediction",
        "Recognizer",
        "Segment",
        "Timeline",
        "TimelineSettings",
        "Window",
        "available_models",
        "load",
    ),
    # Not in `serkit.runtime`, whose import needs no profiles.
    "serkit.runtime.profile": ("Profile",),
    "serkit.serving.client": ("AsyncClient", "Client"),
}
_ROOMS = (
    "adaptation",
    "audio",
    "codec",
    "compression",
    "corpora",
    "errors",
    "evaluation",
    "features",
    "metrics",
    "networks",
    "runtime",
    "training",
)

__all__ = [
    "AsyncClient",
    "AudioError",
    "Caution",
    "Client",
    "CorpusError",
    "FeatureRecipe",
    "MissingExtraError",
    "ModelError",
    "PacketError",
    "Prediction",
    "Profile",
    "ProfileError",
    "ProtocolError",
    "RecipeError",
    "Recognizer",
    "Segment",
    "SerkitError",
    "ServerError",
    "Timeline",
    "TimelineSettings",
    "TranscriptionError",
    "Window",
    "available_models",
    "load",
    "read",
]


__getattr__ = lazily(__name__, _EXPORTS, submodules=_ROOMS)


def __dir__() -> list[str]:
    return [*__all__, *_ROOMS, "__version__"]
