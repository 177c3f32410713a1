"""A toy recipe of a network on log-mel and text."""

from serkit.runtime import TextRecipe
from serkit.training.fusion import FusionRecipe

LABELS = ("angry", "happy", "neutral", "sad")
TEXT_WIDTH = 6
TEXT = TextRecipe("toy", "0" * 64, TEXT_WIDTH, 8)


def make_fusion_recipe(kind="amser", **changes):
    """A small network, bound to an encoder of width `TEXT_WIDTH`."""
    sizes = {"channels": (4, 6), "stride": 2} if kind in ("amser", "acoustic") else {}
    optimiser = {"learning_rate": 3e-3, "batch_size": 8, "max_epochs": 2, "patience": None}
    return FusionRecipe.model_validate(
        {
            "name": "toy",
            "corpora": ["ravdess"],
            "labels": LABELS,
            "fusion": {"kind": kind, "width": 16, "dropout": 0.0}
            | sizes
            | changes.pop("fusion", {}),
            "text": None if kind == "acoustic" else TEXT,
            "optimiser": optimiser | changes.pop("optimiser", {}),
        }
        | changes
    )
