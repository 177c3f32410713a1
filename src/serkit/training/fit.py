"""Recipe and data -> a model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import serkit
from serkit.networks import MLP
from serkit.runtime import Activation, Dense, Model, ModelCard
from serkit.training.calibration import fit_temperature
from serkit.training.data import Dataset
from serkit.training.loop import Epoch, Examples, train
from serkit.training.recipe import Recipe

# A feature that does not vary in training is centred and otherwise left alone.
_SMALLEST_SCALE = 1e-6


def fit(
    recipe: Recipe,
    training: Dataset,
    validation: Dataset,
    *,
    seed: int = 0,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Model:
    """Train and calibrate a model; the same arguments give the same model.

    The normalisation is fitted on `training` alone; early stopping and the temperature see
    `validation` besides.

    Args:
        recipe: What to do.
        training: What the weights are learned from.
        validation: What decides when to stop and how sure to be.
        seed: Of the initial weights and the order of learning.
        on_epoch: Called with each line of the training log.

    Returns:
        The model, with weights as precise as the recipe stores them; its card names no figures
        and no corpora yet.
    """
    mean = training.features.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = training.features.std(axis=0, dtype=np.float64)
    scale = np.where(spread > _SMALLEST_SCALE, spread, 1.0).astype(np.float32)

    def examples(data: Dataset) -> Examples:
        rows = (np.concatenate((data.features[None], data.copies)) - mean) / scale
        if recipe.clip is not None:
            rows = np.clip(rows, -recipe.clip, recipe.clip)
        return Examples(rows, data.targets, _weights(recipe, data))

    torch.manual_seed(seed)
    network = MLP(
        training.features.shape[1],
        recipe.network.hidden,
        len(recipe.labels),
        dropout=recipe.network.dropout,
        input_dropout=recipe.network.input_dropout,
    )
    held_out = examples(validation)
    train(network, examples(training), held_out, recipe.optimiser, seed=seed, on_epoch=on_epoch)
    hidden = [_dense(layer, "relu", recipe) for layer in network.hidden]
    layers = (*hidden, _dense(network.output, "none", recipe))
    card = ModelCard(
        name=recipe.name,
        labels=recipe.labels,
        features=recipe.features,
        clip=recipe.clip,
        recipe=recipe.to_dict(),
        created_with=serkit.__version__,
    )
    uncalibrated = Model(card, mean, scale, layers)
    logits = uncalibrated.logits(validation.features)
    temperature = fit_temperature(logits, validation.targets, held_out.weights)
    return uncalibrated.with_card(temperature=temperature)


def _dense(layer: nn.Module, activation: Activation, recipe: Recipe) -> Dense:
    """The layer as a file of the recipe's precision would give it back."""
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"a {type(layer).__name__} is no fully connected layer")
    weight = layer.weight.detach().numpy().astype(recipe.precision).astype(np.float32)
    return Dense(weight, layer.bias.detach().numpy().copy(), activation)


def _weights(recipe: Recipe, data: Dataset) -> NDArray[np.float32]:
    """How much each row counts, mean 1."""
    if recipe.balance == "none":
        return np.ones(len(data), np.float32)
    by_corpus = recipe.balance == "corpus-class"
    groups = [(u.corpus if by_corpus else "", u.label) for u in data.utterances]
    sizes = {group: groups.count(group) for group in set(groups)}
    weights = np.array([1.0 / sizes[group] for group in groups])
    scaled: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return scaled
