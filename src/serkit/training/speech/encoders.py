"""The network of a recipe, with pretrained weights if it has any."""

from __future__ import annotations

import torch

from serkit.networks import LogMelEncoder, SpeechClassifier, SpeechEncoder, TransformerEncoder
from serkit.training.pretrained_audio import load_encoder
from serkit.training.speech.recipe import LogMelNetwork, SpeechRecipe, Transformer


def build(recipe: SpeechRecipe, *, seed: int) -> SpeechClassifier:
    """The untrained network of a recipe; an encoder has its pretrained weights.

    Args:
        recipe: The recipe.
        seed: Seed of the initial weights.

    Raises:
        ModelError: The pretrained weights cannot be loaded.
        MissingExtraError: transformers is not installed.
    """
    plan = recipe.encoder
    torch.manual_seed(seed)
    encoder: SpeechEncoder = (
        TransformerEncoder(load_encoder(plan.source), plan.frozen)
        if isinstance(plan, Transformer)
        else _log_mel(plan)
    )
    torch.manual_seed(seed)
    return SpeechClassifier(
        encoder, len(recipe.labels), hidden=recipe.head.hidden, dropout=recipe.head.dropout
    )


def _log_mel(plan: LogMelNetwork) -> LogMelEncoder:
    return LogMelEncoder(**plan.model_dump(exclude={"kind"}))
