"""Training of a model by a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

import serkit
from serkit.adaptation import OSELM
from serkit.adaptation.calibration import fit_temperature
from serkit.adaptation.pca import PCA
from serkit.adaptation.ridge import fit_ridge
from serkit.errors import RecipeError
from serkit.features import Features, Sequences
from serkit.networks import Layer as TorchLayer
from serkit.networks import LayeredNetwork, attention_gru, cnn, lstm, mlp
from serkit.runtime import Dense, Layer, Model, ModelCard, WeightedLayer
from serkit.training.conversion import to_runtime
from serkit.training.data import Dataset
from serkit.training.loop import Epoch, Examples, train
from serkit.training.recipe import ExtremeLearning, Network, Optimiser, Recipe, Ridge
from serkit.training.speaker_variation import shrink_speaker_variation

Array = NDArray[np.float32]

# Features of smaller standard deviation in training are centred but not scaled.
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

    Normalisation, speaker shrinkage, principal components and weights are fitted on `training`;
    early stopping and the temperature use `validation`. A recipe with `refit` is then trained again
    on both, with the same temperature.

    Args:
        recipe: The training recipe.
        training: Training data.
        validation: Validation data, for early stopping and calibration.
        seed: Seed of the initial weights and of the order of examples.
        on_epoch: Called with each line of the training log; not called by ridge regression.

    Returns:
        The model, with weights rounded to the recipe's precision; its card has no figures and
        corpora yet.

    Raises:
        RecipeError: The training diverged.
    """
    model = _learn(recipe, training, validation, seed=seed, on_epoch=on_epoch)
    logits = model.logits(validation.features)
    weights = recording_weights(recipe, validation)
    temperature = fit_temperature(logits, validation.targets, weights)
    if recipe.refit:
        together = training.joined(validation)
        model = _learn(recipe, together, validation, seed=seed, on_epoch=None)
    return model.with_card(temperature=temperature)


def _learn(
    recipe: Recipe,
    training: Dataset,
    validation: Dataset,
    *,
    seed: int,
    on_epoch: Callable[[Epoch], None] | None,
) -> Model:
    """Train a model without calibration."""
    # With the weights of the training: otherwise the largest corpus would dominate.
    weights = recording_weights(recipe, training)
    mean, scale = normalisation(training.features, weights)
    card = ModelCard(
        name=recipe.name,
        labels=recipe.labels,
        input=recipe.input,
        window_s=recipe.window_s,
        clip=recipe.clip,
        recipe=recipe.on_card(),
        created_with=serkit.__version__,
    )
    model = Model(card, mean, scale, ())

    shrink = None
    standardised = model.standardised(training.features)
    if recipe.speaker_shrinkage and not isinstance(standardised, Sequences):
        shrink = shrink_speaker_variation(
            standardised,
            training.targets,
            [u.speaker_key for u in training.utterances],
            weights,
            strength=recipe.speaker_shrinkage,
        )

    pca = None
    if recipe.pca is not None and not isinstance(standardised, Sequences):
        pca = PCA(recipe.pca).fit(standardised if shrink is None else standardised @ shrink)

    def examples(data: Dataset) -> Examples:
        rows = model.standardised(data.variants)
        if shrink is not None and not isinstance(rows, Sequences):
            rows = rows @ shrink
        if pca is not None and not isinstance(rows, Sequences):
            rows = _projected(rows, pca)
        return Examples(rows, data.targets, recording_weights(recipe, data))

    layers = (
        _by_gradient(
            recipe, recipe.optimiser, examples(training), examples(validation), seed, on_epoch
        )
        if isinstance(recipe.optimiser, Optimiser)
        else _closed_form(recipe.optimiser, examples(training), len(recipe.labels), seed)
    )
    # Maps of the input are multiplied into the weights: the file has no tensors for them.
    first = layers[0]
    if pca is not None and isinstance(first, Dense):
        weight = first.matrix @ pca.components.astype(np.float32)
        first = first.with_parameters(weight, first.bias - weight @ pca.mean.astype(np.float32))
        layers[0] = first
    if shrink is not None and isinstance(first, Dense):
        layers[0] = first.with_parameters(first.matrix @ shrink, first.bias)
    model = replace(model, layers=tuple(_stored(layer, recipe) for layer in layers))
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.isfinite(model.logits(validation.features)).all()
    if not finite:
        raise RecipeError(
            f"the training of {recipe.name} diverged: its outputs are not finite; check the "
            "features, lower the learning_rate, or store weights as float32"
        )
    return model


def _projected(rows: Array, pca: PCA) -> Array:
    """Coordinates of vectors along the components; the last axis holds the features."""
    flat = pca.transform(rows.reshape(-1, rows.shape[-1])).astype(np.float32)
    return flat.reshape(*rows.shape[:-1], pca.n_components)


def _closed_form(
    solver: Ridge | ExtremeLearning, training: Examples, n_labels: int, seed: int
) -> list[Layer]:
    if not isinstance(training.features, np.ndarray):
        raise RecipeError(
            f"{solver.name} takes vectors, but the recipe keeps frames; use functionals"
        )
    n_variants, n, n_features = training.features.shape
    rows = training.features.reshape(n_variants * n, n_features)
    hidden: list[Layer] = []
    if isinstance(solver, ExtremeLearning):
        layer = _random_layer(n_features, solver, seed)
        hidden, rows = [layer], layer(rows)
    weight, bias = fit_ridge(
        rows,
        np.tile(training.targets, n_variants),
        # A recording and its copies together have the weight of one recording.
        np.tile(training.weights / np.float32(n_variants), n_variants),
        n_labels=n_labels,
        penalty=solver.penalty,
    )
    return [*hidden, Dense(weight, bias)]


def _random_layer(n_features: int, solver: ExtremeLearning, seed: int) -> Dense:
    """The hidden layer of the head `OSELM`."""
    chosen = seed if solver.seed is None else solver.seed
    head = OSELM(n_features, n_hidden=solver.units, scale=solver.scale, seed=chosen)
    random = head.hidden_weights
    weight = np.ascontiguousarray(random[:, :-1], np.float32)
    return Dense(weight, random[:, -1].astype(np.float32), "tanh")


def _by_gradient(
    recipe: Recipe,
    optimiser: Optimiser,
    training: Examples,
    validation: Examples,
    seed: int,
    on_epoch: Callable[[Epoch], None] | None,
) -> list[Layer]:
    torch.manual_seed(seed)
    n_inputs = recipe.pca or recipe.input.n_features
    layers = _layers(recipe.network, n_inputs, len(recipe.labels))
    network = LayeredNetwork(
        layers,
        dropout=recipe.network.dropout,
        input_dropout=recipe.network.input_dropout,
    )
    train(network, training, validation, optimiser, seed=seed, on_epoch=on_epoch)
    return [to_runtime(layer) for layer in layers]


def _layers(network: Network, n_inputs: int, n_labels: int) -> list[TorchLayer]:
    if network.family == "cnn":
        return cnn(n_inputs, network.hidden, n_labels, kernel=network.kernel, stride=network.stride)
    if network.family == "mlp":
        return mlp(n_inputs, network.hidden, n_labels, activation=network.activation)
    make = {"lstm": lstm, "attention-gru": attention_gru}[network.family]
    return make(n_inputs, network.hidden, n_labels)


def normalisation(features: Features, weights: Array) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of each feature; frames of a recording weigh equally.

    Args:
        features: Features as in a `Dataset`.
        weights: Weight of each recording, shape `[n]`.

    Returns:
        Mean and standard deviation, each of shape `[n_features]`, float32; a constant feature has
        the standard deviation 1.
    """
    if isinstance(features, Sequences):
        exact = features.values.astype(np.float64)
        mean = np.average(features.mean(exact), axis=0, weights=weights)
        squares = features.mean(np.square(exact - mean[:, None]))
    else:
        exact = features.astype(np.float64)
        mean = np.average(exact, axis=0, weights=weights)
        squares = np.square(exact - mean)
    spread = np.sqrt(np.average(squares, axis=0, weights=weights))
    scale = np.where(spread > _SMALLEST_SCALE, spread, 1.0).astype(np.float32)
    return mean.astype(np.float32), scale


def _stored(layer: Layer, recipe: Recipe) -> Layer:
    """The layer with its weights rounded to the precision of the file."""
    if not isinstance(layer, WeightedLayer):
        return layer
    with np.errstate(over="ignore"):  # an overflow is detected in the outputs
        weight = layer.matrix.astype(recipe.precision).astype(np.float32)
    return layer.with_parameters(weight, layer.bias)


def recording_weights(recipe: Recipe, data: Dataset) -> NDArray[np.float32]:
    """Weight of each recording under the recipe's balance, mean 1, shape `[n]`, float32."""
    if recipe.balance == "none":
        return np.ones(len(data), np.float32)
    by_corpus = recipe.balance == "corpus-class"
    groups = [(u.corpus if by_corpus else "", u.label) for u in data.utterances]
    sizes = {group: groups.count(group) for group in set(groups)}
    weights = np.array([1.0 / sizes[group] for group in groups])
    scaled: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return scaled
