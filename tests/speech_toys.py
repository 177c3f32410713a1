"""A toy recipe of a network on waveforms."""

from serkit.training.speech import SpeechRecipe

LABELS = ("angry", "happy", "neutral", "sad")
ENCODER = {
    "kind": "log-mel",
    "width": 24,
    "blocks": 1,
    "heads": 2,
    "kernel": 5,
    "hop": 400,
    "range_db": 80,
}


def make_speech_recipe(**changes):
    optimiser = {"learning_rate": 3e-3, "batch_size": 16, "max_epochs": 4, "patience": None}
    return SpeechRecipe.model_validate(
        {
            "name": "toy",
            "corpora": ["ravdess"],
            "labels": LABELS,
            "encoder": ENCODER,
            "optimiser": optimiser | changes.pop("optimiser", {}),
        }
        | changes
    )
