"""Model files of the NumPy backend, as specified in `docs/model-format.md`."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.container import Format, TensorSpec, container_bytes, open_container
from serkit.errors import ModelError
from serkit.files import write_atomically
from serkit.runtime.card import ModelCard
from serkit.runtime.card_description import check_card, describe_card
from serkit.runtime.inputs import Embedding, SpeechAndText, Waveform, kind_of
from serkit.runtime.layers import Dense
from serkit.runtime.model import Model
from serkit.runtime.network_description import (
    LayerDescription,
    check_network,
    describe,
    tensors_of,
)
from serkit.runtime.text_input import TextRecipe

FORMAT = Format("serkit-model", 1, "model", max_bytes=256 << 20, error=ModelError)

_DIMENSIONS = "dimensions"
"""Prefix of the tensors of the layer of the dimensions."""


def save_model(model: Model, path: Path) -> int:
    """Write a model file atomically; `load_model` gives the same model back.

    Args:
        model: The model.
        path: The file.

    Returns:
        Size of the file in bytes.

    Raises:
        OSError: The file cannot be written.
    """
    content = model_bytes(model)
    write_atomically(path, content)
    return len(content)


def model_bytes(model: Model) -> bytes:
    """The content of a model file; float16 is used for tensors that it represents exactly."""
    network = [describe(layer) for layer in model.layers]
    return container_bytes(
        FORMAT, describe_card(model.card) | {"network": network}, _tensors(model)
    )


def digest_of(model: Model) -> str:
    """Hash of all that determines logits and embeddings of a model, 32 hexadecimal digits.

    BLAKE2b of the labels, the input, the normalisation and the network; name, corpora, figures and
    dimensions may change without a change of the hash.
    """
    card = describe_card(model.card)
    keys = ("labels", "sample_rate", kind_of(model.card.input), "temperature", "clip")
    described = {key: card[key] for key in keys}
    described["network"] = [describe(layer) for layer in model.layers]
    digest = hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=16)
    for name, values in sorted(_tensors(replace(model, dimensions=None)).items()):
        plain = values.astype("<f4") if values.dtype.kind == "f" else values
        digest.update(f"{name} {values.shape}".encode())
        digest.update(np.ascontiguousarray(plain).tobytes())
    return digest.hexdigest()


def _tensors(model: Model) -> dict[str, NDArray[Any]]:
    tensors = {"norm.mean": model.mean, "norm.scale": model.scale}
    for i, layer in enumerate(model.layers):
        tensors |= tensors_of(layer, f"layers.{i}")
    if model.dimensions is not None:
        tensors |= tensors_of(model.dimensions, _DIMENSIONS)
    return tensors


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model file.

    Version, values, shapes and sizes are checked before any tensor is read.

    Args:
        path: The file.

    Returns:
        The model, its weights in float32 or packed as in the file.

    Raises:
        ModelError: The file is missing, damaged, inconsistent or of another version.
    """
    with open_container(path, FORMAT) as contents:
        try:
            card = check_card(contents.description)
            n_inputs, frames_per_second = _input_of(card)
            if not card.labels:
                raise ModelError("labels is []; expected at least 2 names")
            network = check_network(
                contents.description.get("network"),
                n_inputs=n_inputs,
                frames_per_second=frames_per_second,
                n_labels=len(card.labels),
            )
        except ModelError as error:
            raise ModelError(f"{contents.path}: {error}") from error
        specs = {name: TensorSpec((n_inputs,)) for name in ("norm.mean", "norm.scale")}
        for i, layer in enumerate(network):
            specs |= layer.specs(f"layers.{i}")
        head = LayerDescription(
            Dense, network[-1].n_inputs, len(card.dimensions), {"activation": "none"}
        )
        if card.dimensions:
            specs |= head.specs(_DIMENSIONS)
        tensors = contents.tensors(specs)
        if not (tensors["norm.scale"] > 0).all():
            raise ModelError(f"{contents.path}: norm.scale holds values that are not positive")
        for name, values in tensors.items():
            # A step of 0 is that of weights that are all 0.
            if name.endswith(".scale") and not (values >= 0).all():
                raise ModelError(f"{contents.path}: {name} holds negative values")
    layers = tuple(layer.layer(tensors, f"layers.{i}") for i, layer in enumerate(network))
    mean, scale = tensors["norm.mean"], tensors["norm.scale"]
    dimensions = head.layer(tensors, _DIMENSIONS) if card.dimensions else None
    return Model(card, mean, scale, layers, dimensions, contents.file_bytes)


def _input_of(card: ModelCard) -> tuple[int, float | None]:
    """Width of the network's input, and frames per second of sound if the input is frames."""
    recipe = card.input
    if isinstance(recipe, Waveform | SpeechAndText):
        raise ModelError(
            f"the input of {card.name} is {kind_of(recipe)}; expected features, log-mel, text or "
            "an embedding"
        )
    if isinstance(recipe, Embedding):
        return recipe.width, None
    if isinstance(recipe, TextRecipe) or not recipe.per_frame:
        return recipe.n_features, None
    return recipe.n_features, SAMPLE_RATE / recipe.hop
