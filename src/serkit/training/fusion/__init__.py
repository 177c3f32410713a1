"""Training of networks on coded log-mel and text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serkit._lazy import lazily

if TYPE_CHECKING:
    from serkit.training.fusion.data import FusionData, coded, make_fusion_data, packets_of
    from serkit.training.fusion.fitting import TrainedFusion, build, learn_fusion
    from serkit.training.fusion.recipe import Coding, Fusion, FusionRecipe, Spectrograms

_EXPORTS: dict[str, tuple[str, ...]] = {
    "serkit.training.fusion.data": ("FusionData", "coded", "make_fusion_data", "packets_of"),
    "serkit.training.fusion.fitting": ("TrainedFusion", "build", "learn_fusion"),
    "serkit.training.fusion.recipe": ("Coding", "Fusion", "FusionRecipe", "Spectrograms"),
}

__getattr__ = lazily(__name__, _EXPORTS)

__all__ = [
    "Coding",
    "Fusion",
    "FusionData",
    "FusionRecipe",
    "Spectrograms",
    "TrainedFusion",
    "build",
    "coded",
    "learn_fusion",
    "make_fusion_data",
    "packets_of",
]
