"""Recipes of every kind, told apart by a key."""

from __future__ import annotations

import os

from serkit.training.fusion.recipe import FusionRecipe
from serkit.training.recipe import Recipe, checked, read_recipe
from serkit.training.speech.recipe import SpeechRecipe

AnyRecipe = Recipe | SpeechRecipe | FusionRecipe


def load_any_recipe(name_or_path: str | os.PathLike[str]) -> AnyRecipe:
    """Read a recipe of any kind.

    With `encoder`, it is of a network on waveforms; with `fusion`, of one on log-mel and text.

    Args:
        name_or_path: As for `serkit.training.load_recipe`.

    Raises:
        RecipeError: The recipe does not exist or is invalid.
    """
    name, values = read_recipe(name_or_path)
    keys = values if isinstance(values, dict) else {}
    if "encoder" in keys:
        return checked(SpeechRecipe, name, values)
    if "fusion" in keys:
        return checked(FusionRecipe, name, values)
    return checked(Recipe, name, values)
