"""The network of a recipe, with pretrained weights if it has any."""

from __future__ import annotations

from typing import Any

import torch

from serkit.errors import MissingExtraError, ModelError
from serkit.networks import LogMelEncoder, SpeechClassifier, SpeechEncoder, TransformerEncoder
from serkit.text import one_line, printable, shortened, shown
from serkit.training.pretrained import refuse_pickles
from serkit.training.speech.recipe import LogMelNetwork, SpeechRecipe, Transformer

FAMILIES = ("hubert", "wav2vec2", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat", "sew")
"""Kinds of transformers with a convolutional feature encoder."""

# Parameters that only masked pre-training uses, which some files leave out.
_UNUSED = ("masked_spec_embed",)


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
        TransformerEncoder(load_transformer(plan), plan.frozen)
        if isinstance(plan, Transformer)
        else _log_mel(plan)
    )
    torch.manual_seed(seed)
    return SpeechClassifier(
        encoder, len(recipe.labels), hidden=recipe.head.hidden, dropout=recipe.head.dropout
    )


def _log_mel(plan: LogMelNetwork) -> LogMelEncoder:
    return LogMelEncoder(**plan.model_dump(exclude={"kind"}))


def load_transformer(plan: Transformer) -> Any:
    """Load a transformer of the HuBERT family.

    Weights are read from safetensors files only, and no code of a repository is run. An id is
    downloaded from the Hugging Face hub, unless `HF_HUB_OFFLINE` is set. SpecAugment, which
    transformers applies by default in training, is switched off: the recipe names its augmentation.

    Raises:
        ModelError: It cannot be loaded, its weights are pickled or incomplete, or it is of another
            family.
        MissingExtraError: transformers is not installed.
    """
    try:
        from transformers import AutoConfig, AutoModel
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError(
            error.name or "transformers", "speech", "loading a speech transformer"
        ) from error
    source = plan.source
    refuse_pickles(source)
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        if config.model_type not in FAMILIES:
            raise ModelError(
                f"it is of the family {shown(config.model_type, 40)}; expected one of "
                f"{', '.join(FAMILIES)}"
            )
        config.apply_spec_augment = False
        transformer, found = AutoModel.from_pretrained(
            source,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # of many types: of the hub, of safetensors, of configurations
        raise ModelError(
            f"{shown(source)} cannot be loaded as a speech transformer: "
            f"{shortened(printable(one_line(error)), 300)}; expected an id on the Hugging Face hub "
            "or a folder with config.json and model.safetensors"
        ) from error
    missing = sorted(
        str(name)
        for kind in ("missing_keys", "mismatched_keys")
        for name in found.get(kind, ())
        if not str(name).endswith(_UNUSED)
    )
    if missing:
        raise ModelError(
            f"{shown(source)} lacks {len(missing)} of the weights of its architecture, or has them "
            f"in another shape, such as {shortened(printable(missing[0]), 100)}; get a fresh copy"
        )
    return transformer
