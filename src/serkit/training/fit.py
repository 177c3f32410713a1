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
from serkit.training.speaker_variation import shrink_speaker_variation

Array = NDArray[np.float32]

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

    The normalisation and the speaker shrinkage are fitted on `training` alone; early stopping
    and the temperature see `validation` besides.

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
    # Weighted like the training, or the largest corpus would decide what is normal.
    weights = _weights(recipe, training)
    exact = training.features.astype(np.float64)
    average = np.average(exact, axis=0, weights=weights)
    spread = np.sqrt(np.average(np.square(exact - average), axis=0, weights=weights))
    mean = average.astype(np.float32)
    scale = np.where(spread > _SMALLEST_SCALE, spread, 1.0).astype(np.float32)

    def standardised(rows: Array) -> Array:
        rows = (rows - mean) / scale
        return rows if recipe.clip is None else np.clip(rows, -recipe.clip, recipe.clip)

    shrink = shrink_speaker_variation(
        standardised(training.features),
        training.targets,
        [u.speaker_key for u in training.utterances],
        weights,
        strength=recipe.speaker_shrinkage,
    )

    def examples(data: Dataset) -> Examples:
        rows = standardised(np.concatenate((data.features[None], data.copies)))
        return Examples(rows @ shrink, data.targets, _weights(recipe, data))

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
    linear = [*network.hidden, network.output]
    layers = tuple(
        _dense(
            layer,
            recipe,
            activation="none" if layer is network.output else "relu",
            before=shrink if i == 0 else None,
        )
        for i, layer in enumerate(linear)
    )
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


def _dense(
    layer: nn.Module, recipe: Recipe, *, activation: Activation, before: Array | None
) -> Dense:
    """The layer, a linear map before it multiplied in, as a file of the recipe gives it back."""
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"a {type(layer).__name__} is no fully connected layer")
    weight: Array = layer.weight.detach().numpy()
    if before is not None:
        weight = weight @ before
    stored = weight.astype(recipe.precision).astype(np.float32)
    return Dense(stored, layer.bias.detach().numpy().copy(), activation)


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
