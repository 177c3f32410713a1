"""Training and calibration of a network on log-mel and text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import serkit
from serkit.adaptation import fit_temperature
from serkit.features.whisper import N_MELS
from serkit.networks.fusion import FusionNetwork, make_fusion
from serkit.runtime import ModelCard
from serkit.runtime.inputs import SpeechAndText
from serkit.training.fusion.data import FusionData
from serkit.training.fusion.recipe import FusionRecipe
from serkit.training.loop import Epoch, Examples, train

Array = NDArray[np.float32]

_AT_ONCE = 64


@dataclass(frozen=True, slots=True, eq=False)
class TrainedFusion:
    """A trained network on log-mel and text.

    Attributes:
        network: The network, in evaluation mode.
        card: Its card.
    """

    network: FusionNetwork
    card: ModelCard

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.network.parameters())

    def logits(self, data: FusionData) -> Array:
        """Calibrated logits, shape `[n, n_labels]`, float32."""
        return _logits(self.network, data) / np.float32(self.card.temperature)

    def with_card(self, **changes: Any) -> TrainedFusion:
        """The same network with other values on its card."""
        return replace(self, card=replace(self.card, **changes))


def learn_fusion(
    recipe: FusionRecipe,
    training: FusionData,
    validation: FusionData,
    *,
    seed: int = 0,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrainedFusion:
    """Train and calibrate a network; the same arguments give the same model.

    Args:
        recipe: The recipe, bound to its encoder.
        training: Training data.
        validation: Data for early stopping and calibration.
        seed: Seed of the initial weights and of all that is random in training.
        on_epoch: Called with each line of the training log.

    Returns:
        The model; its card has no figures and corpora yet.

    Raises:
        RecipeError: The training diverged.
        CorpusError: A recording cannot be read.
    """
    network = build(recipe, seed=seed)
    lesson, check = (
        Examples(data, data.targets, np.ones(len(data), np.float32))
        for data in (training, validation)
    )
    train(network, lesson, check, recipe.optimiser, seed=seed, on_epoch=on_epoch)
    temperature = fit_temperature(_logits(network, validation), validation.targets)
    card = ModelCard(
        name=recipe.name,
        labels=recipe.labels,
        input=SpeechAndText(recipe.text),
        window_s=recipe.log_mel.max_s,
        temperature=temperature,
        recipe=recipe.on_card(),
        created_with=serkit.__version__,
    )
    return TrainedFusion(network, card)


def build(recipe: FusionRecipe, *, seed: int = 0) -> FusionNetwork:
    """The untrained network of a recipe.

    Args:
        recipe: The recipe, bound to its encoder.
        seed: Seed of the initial weights.
    """
    torch.manual_seed(seed)
    width = 1 if recipe.text is None else recipe.text.width
    plan = recipe.fusion
    return make_fusion(plan.kind, len(recipe.labels), n_mels=N_MELS, text_width=width, **plan.sizes)


def _logits(network: FusionNetwork, data: FusionData) -> Array:
    """Logits in evaluation mode, recordings of about one length together."""
    order = np.argsort(data.lengths, kind="stable")
    logits = np.zeros((len(data), network.output.out_features), np.float32)
    network.eval()
    with torch.no_grad():
        for batch in np.array_split(order, -(-len(order) // _AT_ONCE)) if len(order) else ():
            logits[batch] = network(*data.batch(torch.from_numpy(batch), None)).numpy()
    return logits
