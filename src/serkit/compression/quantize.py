"""Quantisation of trained models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation import fit_temperature, softmax
from serkit.compression.bit_search import Trial, search_bits, search_bytes
from serkit.compression.fine_tuning import fine_tune
from serkit.compression.importance import average_bits, layer_importance
from serkit.compression.quantizer import quantize_matrix
from serkit.errors import ModelError, ProtocolError
from serkit.runtime import Model, PackedWeight, WeightedLayer, weighted
from serkit.runtime.model_file import model_bytes
from serkit.training import (
    Dataset,
    Epoch,
    Network,
    Optimiser,
    Quantisation,
    Recipe,
    fit,
)
from serkit.training.fitting import recording_weights
from serkit.training.loop import Examples

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """A quantised model and its search.

    Attributes:
        model: The quantised model.
        bits: Bit-width of each layer with weights, input first.
        trials: Steps of the search, in order; none if the bits were given.
    """

    model: Model
    bits: tuple[int, ...]
    trials: tuple[Trial, ...]

    @property
    def average_bits(self) -> float:
        """The average bit-width (Shinde et al., equation 5)."""
        return average_bits(weighted(self.model.layers), self.bits)


def quantize(
    model: Model,
    plan: Quantisation,
    validation: Dataset,
    *,
    training: Dataset | None = None,
    recipe: Recipe | None = None,
    seen: bool = False,
    seed: int = 0,
) -> Quantised:
    """Quantise the weights of a model and calibrate it again.

    A layer that is already packed is dequantised first, unless it keeps its bit-width.

    Args:
        model: The model, preferably with float32 weights.
        plan: Bits, search, rounding and fine-tuning.
        validation: Data for the search and the calibration; not test data.
        training: The training data; needed for fine-tuning.
        recipe: The training recipe; needed for fine-tuning.
        seen: Whether `validation` is part of the training data. Calibration on its labels would
            then make the model overconfident; instead, the temperature is fitted to the
            probabilities of `model`, which was calibrated on held-out speakers.
        seed: Seed of fine-tuning.

    Raises:
        ModelError: The model has no weights, has values that are not finite, or is to be fine-tuned
            without `training` and `recipe`.
        ProtocolError: The validation set has fewer than two classes.
    """
    full = weighted(model.layers)
    if not full:
        raise ModelError(f"{model.card.name} has no layer with weights")
    if not (np.isfinite(model.mean).all() and np.isfinite(model.scale).all()):
        raise ModelError(f"the normalisation of {model.card.name} is not finite")
    if len(np.unique(validation.targets)) < 2:
        raise ProtocolError(
            f"the validation set has {len(validation)} utterances of "
            f"{len(np.unique(validation.targets))} classes; expected at least two classes: hold "
            "out more speakers"
        )
    layer_importance(full)  # refuses weights that are not finite

    def rounded(layer: WeightedLayer, bits: int) -> PackedWeight:
        if isinstance(layer.weight, PackedWeight) and layer.weight.bits == bits:
            return layer.weight
        return quantize_matrix(layer.matrix, bits, per_row=plan.per_row, steps=plan.steps)

    def with_layers(layers: Iterable[WeightedLayer]) -> Model:
        """The model with its weighted layers replaced."""
        new = iter(layers)
        together = (next(new) if isinstance(old, WeightedLayer) else old for old in model.layers)
        return replace(model, layers=tuple(together))

    def accuracy(layers: Sequence[WeightedLayer]) -> float:
        answers = with_layers(layers).logits(validation.features).argmax(axis=1)
        return float(np.mean(answers == validation.targets))

    def size(layers: Sequence[WeightedLayer]) -> int:
        return len(model_bytes(_halved(with_layers(layers))))

    trials: tuple[Trial, ...] = ()
    if plan.bits is None:

        def narrowed(layer: WeightedLayer, width: int) -> WeightedLayer:
            return layer.with_parameters(rounded(layer, width), layer.bias)

        if plan.search == "bytes":
            bits, trials = search_bytes(full, narrowed, accuracy, size, margin=plan.margin)
        else:
            bits, trials = search_bits(
                full, narrowed, accuracy, size, margin=plan.margin, alpha=plan.alpha
            )
    else:
        bits = (plan.bits,) * len(full)
    weights = [rounded(layer, width) for layer, width in zip(full, bits, strict=True)]
    layers: list[WeightedLayer] = [
        layer.with_parameters(weight, layer.bias)
        for layer, weight in zip(full, weights, strict=True)
    ]
    if plan.fine_tuning:
        if training is None or recipe is None:
            raise ModelError("fine-tuning needs the training data and the recipe of the model")
        layers = _fine_tuned(weights, model, plan, training, validation, recipe, seed)
    small = _halved(with_layers(layers))
    plain = small.with_card(temperature=1.0).logits(validation.features)
    counts = recording_weights(recipe, validation) if recipe else None
    targets = softmax(model.logits(validation.features)) if seen else validation.targets
    small = small.with_card(temperature=fit_temperature(plain, targets, counts))
    return Quantised(small, bits, trials)


def learn(
    recipe: Recipe,
    training: Dataset,
    validation: Dataset,
    *,
    seed: int = 0,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Model:
    """`fit`, then `quantize` if the recipe has a quantisation; arguments as for `fit`."""
    model = fit(recipe, training, validation, seed=seed, on_epoch=on_epoch)
    if recipe.quantisation is None:
        return model
    return quantize(
        model,
        recipe.quantisation,
        validation,
        training=training,
        recipe=recipe,
        seen=recipe.refit,
        seed=seed,
    ).model


def _fine_tuned(
    weights: Sequence[PackedWeight],
    model: Model,
    plan: Quantisation,
    training: Dataset,
    validation: Dataset,
    recipe: Recipe,
    seed: int,
) -> list[WeightedLayer]:
    def examples(data: Dataset) -> Examples:
        rows = model.standardised(data.variants)
        return Examples(rows, data.targets, recording_weights(recipe, data))

    usual = recipe.optimiser if isinstance(recipe.optimiser, Optimiser) else Optimiser()
    optimiser = usual.model_copy(
        update={
            "learning_rate": plan.learning_rate,
            "max_epochs": plan.fine_tuning,
            "schedule": "one-cycle",
            "patience": None,
            "weight_decay": 0.0,
        }
    )
    network: Network = recipe.network
    return fine_tune(
        model.layers,
        weights,
        examples(training),
        examples(validation),
        optimiser,
        dropout=network.dropout,
        input_dropout=network.input_dropout,
        seed=seed,
    )


def _halved(model: Model) -> Model:
    """The model with biases and normalisation rounded to float16."""
    layers = (
        layer.with_parameters(layer.weight, _as_half(layer.bias))
        if isinstance(layer, WeightedLayer)
        else layer
        for layer in model.layers
    )
    return replace(
        model,
        layers=tuple(layers),
        mean=_as_half(model.mean, within=0.01 * model.scale),
        scale=_as_half(model.scale),
    )


def _as_half(values: Array, *, within: Array | None = None) -> Array:
    """Values rounded to float16, or unchanged if any error would be too large.

    Args:
        values: Any shape.
        within: Largest error of each value; None for a thousandth of the value.
    """
    with np.errstate(over="ignore"):
        half = values.astype(np.float16).astype(np.float32)
    allowed = 1e-3 * np.abs(values) + 1e-6 if within is None else within
    return half if bool((np.abs(half - values) <= allowed).all()) else values
