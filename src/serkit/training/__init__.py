"""Recipes, the one training loop, and the closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serkit._lazy import lazily

if TYPE_CHECKING:
    from serkit.training.augmentation import Augmentation, augment
    from serkit.training.data import (
        MAX_CLIP_S,
        Dataset,
        embed_dataset,
        extract_dataset,
        load_utterances,
        make_dataset,
        read_utterance,
    )
    from serkit.training.dimensions import (
        FittedDimensions,
        fit_dimensions,
        load_rated,
        ratings_of,
    )
    from serkit.training.feature_cache import FeatureCache
    from serkit.training.fitting import fit
    from serkit.training.kinds import AnyRecipe, load_any_recipe
    from serkit.training.loop import Epoch
    from serkit.training.recipe import (
        Acceptance,
        Dimensions,
        ExtremeLearning,
        Network,
        Optimiser,
        Quantisation,
        Recipe,
        Ridge,
        load_recipe,
        shipped_recipes,
    )
    from serkit.training.speakers import speakers_of
    from serkit.training.typical import typical_of
    from serkit.training.workers import one_thread, worker_pool

_EXPORTS: dict[str, tuple[str, ...]] = {
    "serkit.training.augmentation": (
        "Augmentation",
        "augment",
    ),
    "serkit.training.data": (
        "MAX_CLIP_S",
        "Dataset",
        "embed_dataset",
        "extract_dataset",
        "load_utterances",
        "make_dataset",
        "read_utterance",
    ),
    "serkit.training.dimensions": (
        "FittedDimensions",
        "fit_dimensions",
        "load_rated",
        "ratings_of",
    ),
    "serkit.training.feature_cache": ("FeatureCache",),
    "serkit.training.fitting": ("fit",),
    "serkit.training.kinds": ("AnyRecipe", "load_any_recipe"),
    "serkit.training.loop": ("Epoch",),
    "serkit.training.recipe": (
        "Acceptance",
        "Dimensions",
        "ExtremeLearning",
        "Network",
        "Optimiser",
        "Quantisation",
        "Recipe",
        "Ridge",
        "load_recipe",
        "shipped_recipes",
    ),
    "serkit.training.speakers": ("speakers_of",),
    "serkit.training.typical": ("typical_of",),
    "serkit.training.workers": (
        "one_thread",
        "worker_pool",
    ),
}

__getattr__ = lazily(__name__, _EXPORTS)

__all__ = [
    "MAX_CLIP_S",
    "Acceptance",
    "AnyRecipe",
    "Augmentation",
    "Dataset",
    "Dimensions",
    "Epoch",
    "ExtremeLearning",
    "FeatureCache",
    "FittedDimensions",
    "Network",
    "Optimiser",
    "Quantisation",
    "Recipe",
    "Ridge",
    "augment",
    "embed_dataset",
    "extract_dataset",
    "fit",
    "fit_dimensions",
    "load_any_recipe",
    "load_rated",
    "load_recipe",
    "load_utterances",
    "make_dataset",
    "one_thread",
    "ratings_of",
    "read_utterance",
    "shipped_recipes",
    "speakers_of",
    "typical_of",
    "worker_pool",
]
