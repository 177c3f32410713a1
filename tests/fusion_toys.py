"""A toy recipe of a network on log-mel and text, and a random network."""

import torch

from serkit.compression.classifier_export import save_classifier
from serkit.compression.fusion_export import export_fusion
from serkit.runtime import ModelCard, SpeechAndText, TextRecipe
from serkit.training.fusion import FusionRecipe, TrainedFusion, build

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


def save_random(path, text, kind="amser", name="toy-fusion"):
    """A random network as a file."""
    torch.manual_seed(0)
    network = build(make_fusion_recipe(kind, text=text)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    card = ModelCard(name, LABELS, SpeechAndText(text), created_with="test")
    save_classifier(export_fusion(TrainedFusion(network, card)), card, path)
    return path
