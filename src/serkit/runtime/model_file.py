"""The model file: safetensors with a JSON description, as specified in `docs/model-format.md`."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.errors import ModelError, RecipeError
from serkit.features import FeatureRecipe
from serkit.files import write_atomically
from serkit.plain import from_json
from serkit.runtime.layers import (
    GRU,
    LSTM,
    Activation,
    AttentionPooling,
    Convolution,
    Dense,
    Layer,
    MeanPooling,
    PackedWeight,
    Weight,
)
from serkit.runtime.model import Model, ModelCard, TrainingCorpus
from serkit.runtime.packing import packed_length
from serkit.runtime.sketch import Sketch
from serkit.runtime.typical import Typical, triangle
from serkit.text import printable

FORMAT = "serkit-model"
FORMAT_VERSION = 1
METADATA_KEY = "serkit"

MAX_FILE_BYTES = 256 << 20
"""A larger file is refused unread."""

MAX_WIDTH = 1 << 16
MAX_FRAME_WIDTH = 1 << 12
MAX_LAYERS = 64
MAX_LABELS = 1024

MAX_PARAMETERS = 5_000_000
"""Weights and biases of a network at most: 20 MB once they are unpacked, 220 MB in training."""

MAX_OPERATIONS = 1_000_000_000
"""Multiplications and additions of a network for a second of sound at most."""

MAX_FRAME_BYTES = 16_000_000
"""Memory for the frames between two layers at most, for each second of sound."""

MAX_BITS = 8
LEAST, MOST = 1e-6, 1e6
"""Temperature and clip lie between."""

_OUTPUTS = ("outputs", 1, MAX_WIDTH)
# The numbers of each type of layer, with the least and the most they may be.
_NUMBERS: dict[str, tuple[tuple[str, int, int], ...]] = {
    "dense": (_OUTPUTS,),
    "convolution": (_OUTPUTS, ("kernel", 1, 255), ("stride", 1, 255)),
    "lstm": (_OUTPUTS,),
    "gru": (_OUTPUTS,),
    "attention": (),
    "mean": (),
}
_TYPES = tuple(_NUMBERS)


def save_model(model: Model, path: Path) -> int:
    """Write a model file, in one step; `load_model` gives the same model back.

    Args:
        model: What to write.
        path: Where to.

    Returns:
        Size of the file in bytes.

    Raises:
        OSError: The file cannot be written.
    """
    content = model_bytes(model)
    write_atomically(path, content)
    return len(content)


def model_bytes(model: Model) -> bytes:
    """The content of a model file.

    Numbers are stored as float16 where that holds all of a tensor exactly.
    """
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {"norm.mean": model.mean, "norm.scale": model.scale}
    for i, layer in enumerate(model.layers):
        if isinstance(layer, MeanPooling):
            continue
        if isinstance(layer.weight, PackedWeight):
            tensors[f"layers.{i}.codes"] = layer.weight.packed
            tensors[f"layers.{i}.scale"] = layer.weight.scale
        else:
            tensors[f"layers.{i}.weight"] = layer.weight
        if layer.bias.size:
            tensors[f"layers.{i}.bias"] = layer.bias
    tensors = {name: np.ascontiguousarray(_smallest(tensor)) for name, tensor in tensors.items()}
    card = model.card
    description = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": card.name,
        "labels": list(card.labels),
        "sample_rate": SAMPLE_RATE,
        "features": card.features.to_dict(),
        "network": [_described(layer) for layer in model.layers],
        "temperature": card.temperature,
        "clip": card.clip,
        "corpora": [asdict(corpus) for corpus in card.corpora],
        **({"seen": card.seen.to_dict()} if card.seen.samples else {}),
        "figures": card.figures,
        "recipe": card.recipe,
        "created_with": card.created_with,
    }
    if card.typical is not None:
        description["typical"] = asdict(card.typical)
    text = json.dumps(description, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return save(tensors, metadata={METADATA_KEY: text})


def _smallest(tensor: NDArray[Any]) -> NDArray[Any]:
    if tensor.dtype != np.float32:
        return tensor
    with np.errstate(over="ignore"):
        half = tensor.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), tensor) else tensor


def _described(layer: Layer) -> dict[str, Any]:
    if isinstance(layer, MeanPooling):
        return {"type": "mean"}
    rows, columns = layer.weight.shape
    described: dict[str, Any]
    if isinstance(layer, Dense):
        described = {
            "type": "dense",
            "inputs": columns,
            "outputs": rows,
            "activation": layer.activation,
        }
    elif isinstance(layer, Convolution):
        described = {
            "type": "convolution",
            "inputs": columns // layer.kernel,
            "outputs": rows,
            "kernel": layer.kernel,
            "stride": layer.stride,
        }
    elif isinstance(layer, AttentionPooling):
        described = {"type": "attention", "inputs": columns}
    else:
        outputs = len(layer.bias) // 4
        kind = "lstm" if isinstance(layer, LSTM) else "gru"
        described = {"type": kind, "inputs": columns - outputs, "outputs": outputs}
    if isinstance(layer.weight, PackedWeight):
        described |= {"bits": layer.weight.bits, "scales": len(layer.weight.scale)}
    return described


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model file.

    Version, layout, shapes and sizes are checked before any tensor is read, so a file can make
    the reader allocate no more than its own length.

    Args:
        path: The file.

    Returns:
        The model, its weights as float32 or packed as in the file.

    Raises:
        ModelError: The file is missing, damaged, of another version, or contradicts itself.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    file_bytes = _size_of(path)
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            if text is None:
                raise ModelError(
                    f"{path}: a safetensors file without the entry {METADATA_KEY!r} in its "
                    "metadata; expected a model written by serkit"
                )
            card, network = _parse(path, text)
            shapes = _expected_shapes(card, network)
            _check_tensors(path, file, shapes)
            tensors = {name: _tensor(path, file, name) for name in shapes}
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path}: not a model file, or truncated or damaged ({printable(error):.300}); "
            "get a fresh copy"
        ) from error
    if not (tensors["norm.scale"] > 0).all():
        raise ModelError(f"{path}: norm.scale holds values that are not positive")
    layers = tuple(_layer(tensors, i, described) for i, described in enumerate(network))
    return Model(card, tensors["norm.mean"], tensors["norm.scale"], layers, file_bytes)


def _layer(tensors: Mapping[str, NDArray[Any]], i: int, described: Mapping[str, Any]) -> Layer:
    kind = described["type"]
    if kind == "mean":
        return MeanPooling()
    weight: Weight
    if "bits" in described:
        packed, scale = tensors[f"layers.{i}.codes"], tensors[f"layers.{i}.scale"]
        weight = PackedWeight(packed, described["bits"], _weight_shape(described), scale)
    else:
        weight = tensors[f"layers.{i}.weight"]
    if kind == "attention":
        return AttentionPooling(weight)
    bias = tensors[f"layers.{i}.bias"]
    if kind == "dense":
        return Dense(weight, bias, described["activation"])
    if kind == "convolution":
        return Convolution(weight, bias, described["kernel"], described["stride"])
    return LSTM(weight, bias) if kind == "lstm" else GRU(weight, bias)


def _weight_shape(described: Mapping[str, Any]) -> tuple[int, int]:
    """Of a layer that has weights: rows and columns."""
    kind, inputs = described["type"], described["inputs"]
    if kind == "attention":
        return 1, inputs
    outputs = described["outputs"]
    if kind == "convolution":
        return outputs, inputs * described["kernel"]
    if kind == "dense":
        return outputs, inputs
    return (4 if kind == "lstm" else 3) * outputs, inputs + outputs


def _size_of(path: Path) -> int:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be opened: {error}") from error
    if path.is_dir():
        raise ModelError(f"{path}: is a directory; expected a model file")
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{path}: is a pipe or a device; expected a model file")
    size = status.st_size
    if size > MAX_FILE_BYTES:
        raise ModelError(f"{path}: {size} bytes; a model file has at most {MAX_FILE_BYTES} bytes")
    return size


def _parse(path: Path, text: str) -> tuple[ModelCard, list[Mapping[str, Any]]]:
    """The description, every value of it checked."""
    try:
        values = from_json(text)
    except ValueError as error:
        raise ModelError(f"{path}: its description is not plain JSON: {error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ModelError(f"{path}: its description is not that of a {FORMAT}")
    if type(values.get("version")) is not int or values["version"] != FORMAT_VERSION:
        raise ModelError(
            f"{path}: format version {values.get('version')!r:.40}; this serkit reads version "
            f"{FORMAT_VERSION}: install the serkit that wrote it, or train the model again"
        )

    def require(condition: bool, key: str, expected: str) -> None:
        if not condition:
            found = repr(values.get(key))
            raise ModelError(f"{path}: {key} is {found[:200]}; expected {expected}")

    labels = values.get("labels")
    require(
        isinstance(labels, list)
        and 2 <= len(labels) <= MAX_LABELS
        and all(_is_name(label) for label in labels)
        and len(set(labels)) == len(labels),
        "labels",
        f"2 to {MAX_LABELS} different names",
    )
    require(_is_name(values.get("name")), "name", "a name")
    rate = values.get("sample_rate")
    require(type(rate) is int and rate == SAMPLE_RATE, "sample_rate", str(SAMPLE_RATE))
    temperature, clip = values.get("temperature"), values.get("clip")
    require(_is_positive(temperature), "temperature", f"{LEAST:g} to {MOST:g}")
    require(clip is None or _is_positive(clip), "clip", f"null or {LEAST:g} to {MOST:g}")
    require(isinstance(values.get("corpora"), list), "corpora", "a list")
    for key in ("figures", "recipe"):
        require(isinstance(values.get(key), dict), key, "an object")
    require(isinstance(values.get("created_with"), str), "created_with", "a version")
    try:
        features = FeatureRecipe.from_dict(values.get("features", {}))
    except RecipeError as error:
        raise ModelError(f"{path}: {error!s:.500}") from error
    card = ModelCard(
        name=values["name"],
        labels=tuple(values["labels"]),
        features=features,
        temperature=float(values["temperature"]),
        clip=None if clip is None else float(clip),
        corpora=tuple(_corpus(path, corpus) for corpus in values["corpora"]),
        seen=_seen(path, values.get("seen", {})),
        figures=values["figures"],
        recipe=values["recipe"],
        created_with=values["created_with"],
        typical=_typical(path, values.get("typical")),
    )
    return card, _network(path, values.get("network"), card)


def _is_name(value: object) -> bool:
    """A text that can be written as UTF-8: no half of a character."""
    if not isinstance(value, str) or not value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and LEAST <= value <= MOST


def _corpus(path: Path, values: object) -> TrainingCorpus:
    kinds = {
        f.name: {"str": str, "bool": bool, "int": int}[str(f.type)] for f in fields(TrainingCorpus)
    }
    if (
        not isinstance(values, dict)
        or set(values) != set(kinds)
        or any(type(values[name]) is not kind for name, kind in kinds.items())
    ):
        raise ModelError(
            f"{path}: a training corpus is {values!r:.200}; expected {', '.join(kinds)}"
        )
    return TrainingCorpus(**values)


def _seen(path: Path, values: object) -> Sketch:
    try:
        return Sketch.from_dict(values)
    except ValueError as error:
        raise ModelError(f"{path}: seen is no sketch of training recordings: {error}") from error


def _typical(path: Path, values: object) -> Typical | None:
    if values is None:
        return None
    kinds = {"share": float, "limit": float, "whitening": str}
    if (
        not isinstance(values, dict)
        or set(values) != set(kinds)
        or any(type(values[name]) is not kind for name, kind in kinds.items())
        or not 0.0 < values["share"] < 1.0
        or not _is_positive(values["limit"])
    ):
        raise ModelError(
            f"{path}: typical is {values!r:.200}; expected a share between 0 and 1, a limit from "
            f"{LEAST:g} to {MOST:g} and a whitening"
        )
    try:
        triangle(values["whitening"])
    except ValueError as error:
        raise ModelError(f"{path}: the whitening of typical is damaged: {error}") from error
    return Typical(**values)


def _network(path: Path, layers: object, card: ModelCard) -> list[Mapping[str, Any]]:
    """The layers, if each takes what the one before gives."""
    if not isinstance(layers, list) or not 1 <= len(layers) <= MAX_LAYERS:
        raise ModelError(f"{path}: network is not a list of 1 to {MAX_LAYERS} layers")
    width, framed = card.features.n_features, card.features.per_frame
    for i, layer in enumerate(layers):
        kind = layer.get("type") if isinstance(layer, dict) else None
        if kind not in _TYPES:
            raise ModelError(
                f"{path}: layer {i} is {layer!r:.200}; expected one of type {', '.join(_TYPES)}"
            )
        if kind != "dense" and not framed:
            raise ModelError(f"{path}: layer {i} is of type {kind}, but gets no frames")
        if kind in ("mean", "attention"):
            framed = False
        if kind == "mean":
            continue
        if type(layer.get("inputs")) is not int or layer["inputs"] != width:
            raise ModelError(
                f"{path}: layer {i} takes {layer.get('inputs')!r:.40} inputs; expected {width}"
            )
        for key, low, most in _NUMBERS[kind]:
            # Frames are thousands, so that a layer of them must not be as wide as a vector's.
            high = MAX_FRAME_WIDTH if framed and key == "outputs" else most
            value = layer.get(key)
            if type(value) is not int or not low <= value <= high:
                raise ModelError(
                    f"{path}: layer {i} has {value!r:.40} as {key}; expected {low} to {high}"
                )
        if kind == "convolution" and layer["kernel"] % 2 == 0:
            raise ModelError(f"{path}: layer {i} has an even kernel, {layer['kernel']}")
        if kind == "dense" and layer.get("activation") not in get_args(Activation):
            raise ModelError(
                f"{path}: layer {i} has the activation {layer.get('activation')!r:.40}; "
                f"expected one of {', '.join(get_args(Activation))}"
            )
        if "bits" in layer or "scales" in layer:
            _check_packing(path, i, layer)
        width = layer["outputs"] if _OUTPUTS in _NUMBERS[kind] else width
    if framed:
        raise ModelError(f"{path}: the network ends with frames; a mean or attention is missing")
    if width != len(card.labels):
        raise ModelError(f"{path}: the network has {width} outputs for {len(card.labels)} labels")
    _check_cost(path, layers, card)
    return layers


def _check_cost(path: Path, layers: list[Mapping[str, Any]], card: ModelCard) -> None:
    """Parameters, operations and memory of a network whose layers fit together."""
    parameters, operations, most_bytes = 0, 0.0, 0.0
    # A vector is judged no more often than once a second, but for very short recordings.
    per_second = SAMPLE_RATE / card.features.hop if card.features.per_frame else 1.0
    for layer in layers:
        kind = layer["type"]
        if kind != "mean":
            n_rows, n_columns = _weight_shape(layer)
            parameters += n_rows * (n_columns + 1)
            per_second /= layer.get("stride", 1) if kind == "convolution" else 1
            operations += 2.0 * per_second * n_rows * n_columns
            most_bytes = max(most_bytes, 4.0 * per_second * n_rows)
        if kind in ("mean", "attention"):
            per_second = 1.0
    for what, found, most, unit in (
        ("parameters", parameters, MAX_PARAMETERS, ""),
        ("operations", operations, MAX_OPERATIONS, " for a second of sound"),
        ("bytes between two layers", most_bytes, MAX_FRAME_BYTES, " for a second of sound"),
    ):
        if found > most:
            raise ModelError(
                f"{path}: the network takes {found:.0f} {what}{unit}; expected at most {most}: "
                "make it narrower, or its features' hop longer"
            )


def _check_packing(path: Path, i: int, layer: Mapping[str, Any]) -> None:
    bits, scales = layer.get("bits"), layer.get("scales")
    if type(bits) is not int or not 1 <= bits <= MAX_BITS:
        raise ModelError(f"{path}: layer {i} has {bits!r:.40} bits; expected 1 to {MAX_BITS}")
    n_rows, _ = _weight_shape(layer)
    if type(scales) is not int or scales not in (1, n_rows):
        raise ModelError(
            f"{path}: layer {i} has {scales!r:.40} scales; expected 1 or {n_rows}, one for each "
            "row of the weights"
        )


def _expected_shapes(
    card: ModelCard, network: list[Mapping[str, Any]]
) -> dict[str, tuple[int, ...]]:
    n_features = card.features.n_features
    shapes: dict[str, tuple[int, ...]] = {"norm.mean": (n_features,), "norm.scale": (n_features,)}
    for i, layer in enumerate(network):
        if layer["type"] == "mean":
            continue
        n_rows, n_columns = _weight_shape(layer)
        if "bits" in layer:
            n_bytes = packed_length(n_rows * n_columns, layer["bits"])
            shapes[f"layers.{i}.codes"] = (n_bytes,)
            shapes[f"layers.{i}.scale"] = (layer["scales"],)
        else:
            shapes[f"layers.{i}.weight"] = (n_rows, n_columns)
        if layer["type"] != "attention":
            n_biases = 4 if layer["type"] in ("lstm", "gru") else 1
            shapes[f"layers.{i}.bias"] = (n_biases * layer["outputs"],)
    return shapes


def _check_tensors(path: Path, file: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Names, shapes and types as the description says; nothing is read for it."""
    names = set(file.keys())
    if names != set(shapes):
        missing, extra = sorted(set(shapes) - names), sorted(names - set(shapes))
        raise ModelError(
            f"{path}: the tensors are not those of its description: "
            f"missing {printable(', '.join(missing)) or 'none':.200}; "
            f"unexpected {printable(', '.join(extra)) or 'none':.200}"
        )
    for name, shape in shapes.items():
        tensor = file.get_slice(name)
        if tuple(tensor.get_shape()) != shape:
            raise ModelError(
                f"{path}: {name} has shape {tensor.get_shape()}; expected {list(shape)}"
            )
        allowed = ("U8",) if name.endswith(".codes") else ("F16", "F32")
        if tensor.get_dtype() not in allowed:
            raise ModelError(
                f"{path}: {name} has type {tensor.get_dtype()}; expected {' or '.join(allowed)}"
            )


def _tensor(path: Path, file: Any, name: str) -> NDArray[Any]:
    found: NDArray[Any] = file.get_tensor(name)
    if found.dtype == np.uint8:
        return found
    tensor = found.astype(np.float32, copy=False)
    if not np.isfinite(tensor).all():
        raise ModelError(f"{path}: {name} holds numbers that are not finite (NaN or infinite)")
    return tensor
