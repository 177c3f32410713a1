"""What a device can learn without torch: heads, ridge regression, calibration.  NumPy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serkit._lazy import lazily

if TYPE_CHECKING:
    from serkit.adaptation.calibration import fit_temperature
    from serkit.adaptation.elm import ELM, OSELM
    from serkit.adaptation.enrolment import Enrolment
    from serkit.adaptation.gradient import Hidden, Linear
    from serkit.adaptation.head import Head
    from serkit.adaptation.holdout import HoldOut
    from serkit.adaptation.pca import PCA
    from serkit.adaptation.probabilities import softmax
    from serkit.adaptation.ridge import fit_ridge
    from serkit.adaptation.speaker_model import SpeakerModel, fit_speaker_model

_EXPORTS: dict[str, tuple[str, ...]] = {
    "serkit.adaptation.calibration": ("fit_temperature",),
    "serkit.adaptation.elm": (
        "ELM",
        "OSELM",
    ),
    "serkit.adaptation.enrolment": ("Enrolment",),
    "serkit.adaptation.gradient": (
        "Hidden",
        "Linear",
    ),
    "serkit.adaptation.head": ("Head",),
    "serkit.adaptation.holdout": ("HoldOut",),
    "serkit.adaptation.pca": ("PCA",),
    "serkit.adaptation.ridge": ("fit_ridge",),
    "serkit.adaptation.probabilities": ("softmax",),
    "serkit.adaptation.speaker_model": (
        "SpeakerModel",
        "fit_speaker_model",
    ),
}

__all__ = [
    "ELM",
    "OSELM",
    "PCA",
    "Enrolment",
    "Head",
    "Hidden",
    "HoldOut",
    "Linear",
    "SpeakerModel",
    "fit_ridge",
    "fit_speaker_model",
    "fit_temperature",
    "softmax",
]

__getattr__ = lazily(__name__, _EXPORTS)
