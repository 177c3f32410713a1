"""Recipes, the one training loop, and the closed form."""

from serkit.training.augmentation import Augmentation, augment
from serkit.training.calibration import fit_temperature
from serkit.training.data import (
    Dataset,
    extract_dataset,
    load_utterances,
    make_dataset,
    read_utterance,
)
from serkit.training.feature_cache import FeatureCache
from serkit.training.fit import fit
from serkit.training.holdout import HoldOut
from serkit.training.loop import Epoch
from serkit.training.recipe import (
    Acceptance,
    Network,
    Optimiser,
    Quantisation,
    Recipe,
    Ridge,
    load_recipe,
    shipped_recipes,
)
from serkit.training.typical import typical_of
from serkit.training.workers import one_thread, worker_pool

__all__ = [
    "Acceptance",
    "Augmentation",
    "Dataset",
    "Epoch",
    "FeatureCache",
    "HoldOut",
    "Network",
    "Optimiser",
    "Quantisation",
    "Recipe",
    "Ridge",
    "augment",
    "extract_dataset",
    "fit",
    "fit_temperature",
    "load_recipe",
    "load_utterances",
    "make_dataset",
    "one_thread",
    "read_utterance",
    "shipped_recipes",
    "typical_of",
    "worker_pool",
]
