"""Fuzz the model reader: any bytes give a working model or a `ModelError`.

    python tests/fuzz/models.py --runs 10000 --seed 0

Shipped models, and small ones with every type of layer, are mutated at random: bytes, values of the
description, names, types, shapes and values of tensors. Models that load classify a second of sound
and print their cards.
"""

from __future__ import annotations

import json
import random
import sys
import warnings
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from serkit.audio import SAMPLE_RATE
from serkit.errors import ModelError, SerkitError
from serkit.features import Descriptor, FeatureRecipe
from serkit.runtime import Model, ModelCard, NumpyBackend, Recognizer, shipped
from serkit.runtime.card_text import card_as_json, card_as_text
from serkit.runtime.layers import (
    GRU,
    LSTM,
    AttentionPooling,
    Convolution,
    Dense,
    MeanPooling,
    PackedWeight,
)
from serkit.runtime.model_file import model_bytes
from serkit.runtime.packing import packed_length

sys.path[:0] = [str(Path(__file__).parents[1])]
from fuzz.children import main
from fuzz.corpora import value_changed

SOUND = (0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)).astype(np.float32)
EXTREMES = (
    0,
    1,
    2,
    3,
    16,
    255,
    256,
    400,
    512,
    4096,
    65_535,
    65_536,
    1 << 31,
    1 << 40,
    (1 << 64) - 1,
)
NUMBERS = (0.0, -0.0, 1e-45, 1e-30, 65504.0, 1e30, 3e38, -3e38, float("inf"), float("nan"))

_Parts = tuple[dict[str, Any], bytes]


def _of_frames(*layers: Any, name: str) -> bytes:
    """A model on frames of 13 numbers."""
    recipe = FeatureRecipe(name, (Descriptor("mfcc", 13, functionals=()),))
    card = ModelCard(name, ("a", "b"), recipe)
    mean, scale = np.zeros(13, np.float32), np.ones(13, np.float32)
    return model_bytes(Model(card, mean, scale, layers))


def originals() -> list[bytes]:
    """The shipped models, and others with the remaining types of layers."""
    rng = np.random.default_rng(0)

    def some(*shape: int) -> Any:
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)

    found = [
        files("serkit.models").joinpath(f"{name}.safetensors").read_bytes()
        for name in shipped.available_models()
    ]
    head = Dense(some(2, 4), some(2), "none")
    codes = rng.integers(0, 256, packed_length(2 * 4, 3), dtype=np.uint8)
    packed = Dense(PackedWeight(codes, 3, (2, 4), some(2)), some(2), "none")
    convolution = Convolution(some(4, 13 * 5), some(4), 5, 2)
    return [
        *found,
        _of_frames(convolution, MeanPooling(), head, name="cnn"),
        _of_frames(LSTM(some(16, 17), some(16)), MeanPooling(), packed, name="lstm"),
        _of_frames(GRU(some(12, 17), some(16)), AttentionPooling(some(1, 4)), head, name="gru"),
    ]


def prepare(seed: int) -> list[bytes]:
    """Valid model files."""
    warnings.simplefilter("error")
    return originals()


def one_input(contents: list[bytes], rng: random.Random, folder: Path) -> str:
    """Mutate a model, load it, classify a recording and print the card."""
    path = folder / "m.safetensors"
    path.write_bytes(changed(rng.choice(contents), rng))
    try:
        backend = NumpyBackend.load(path)
    except ModelError as error:
        assert "\n" not in str(error), str(error)
        assert len(str(error)) < 2000, len(str(error))
        return "refused"
    json.loads(card_as_json(backend), parse_constant=_no_number)
    try:
        card_as_text(backend)
    except ModelError:
        shown = "a card that is damaged"
    else:
        shown = "loaded"
    try:
        answer = Recognizer(backend)((SOUND, SAMPLE_RATE))
    except SerkitError as error:
        return f"{shown}, and {type(error).__name__}"
    scores = np.array(list(answer.scores.values()))
    assert np.isfinite(scores).all(), scores
    assert abs(scores.sum() - 1) < 1e-3, scores
    return shown


def _no_number(name: str) -> None:
    raise AssertionError(f"{name} in JSON")


def changed(content: bytes, rng: random.Random) -> bytes:
    """A file with one to four mutations of one kind."""
    header, data = _parts(content)
    count = rng.choice((1, 1, 2, 4))
    kind = rng.random()
    if kind < 0.2:
        return _bytes_changed(content, rng, count, reach=8 + len(content) - len(data))
    for _ in range(count):
        if kind < 0.65:
            described = json.loads(header["__metadata__"]["serkit"])
            change = _number_changed if rng.random() < 0.6 else value_changed
            # NaN and infinity on purpose, although JSON does not have them.
            text = json.dumps(change(described, rng))
            header["__metadata__"]["serkit"] = text
            if not text.startswith("{"):
                break
        elif kind < 0.75:
            header = value_changed(header, rng)
            break
        else:
            data = _numbers_changed(header, data, rng)
    return _whole((header, data))


def _parts(content: bytes) -> _Parts:
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def _whole(parts: _Parts) -> bytes:
    header, data = parts
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def _number_changed(values: Any, rng: random.Random) -> Any:
    """JSON values with one number changed, sometimes slightly."""
    places = list(_numbers(values, ()))
    if not places:
        return values
    *way, last = rng.choice(places)
    inner = values
    for key in way:
        inner = inner[key]
    old = inner[last]
    inner[last] = rng.choice((*EXTREMES, old + 1, old - 1, 2 * old, old // 2, -old, 10 * old))
    if rng.random() < 0.2:
        inner[last] = rng.choice((0.5, 1e-300, 1e300, 0.999))
    return values


def _numbers(values: Any, way: tuple[Any, ...]) -> Any:
    items: Any = ()
    if isinstance(values, dict):
        items = values.items()
    elif isinstance(values, list):
        items = enumerate(values)
    elif isinstance(values, int | float):
        yield way
    for key, value in items:
        yield from _numbers(value, (*way, key))


def _numbers_changed(header: dict[str, Any], data: bytes, rng: random.Random) -> bytes:
    """A tensor with some or all values replaced by an extreme one."""
    name = rng.choice([name for name in header if name != "__metadata__"])
    start, end = header[name]["data_offsets"]
    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I16": "<i2", "U8": "u1"}
    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensor = np.frombuffer(data[start:end], kinds[header[name]["dtype"]]).copy()
        if not len(tensor):
            return data
        value = np.array(rng.choice(NUMBERS))
        if tensor.dtype == np.uint8:
            value = np.array(rng.choice((0, 127, 255)))
        elif tensor.dtype.kind == "i":
            value = np.array(rng.choice((-1, 0, 1, 2, 32_767)))
        if rng.random() < 0.5:
            tensor[:] = value.astype(tensor.dtype)
        else:
            tensor[rng.randrange(len(tensor))] = value.astype(tensor.dtype)
    return data[:start] + tensor.tobytes() + data[end:]


def _bytes_changed(content: bytes, rng: random.Random, count: int, reach: int) -> bytes:
    found = bytearray(content)
    for _ in range(count):
        place = rng.randrange(reach if rng.random() < 0.8 else len(content))
        match rng.randrange(5):
            case 0:
                found[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                number = rng.choice(EXTREMES)
                found[place : place + 8] = number.to_bytes(8, "little")
            case 2:
                del found[place : place + rng.choice((1, 8, 100))]
            case 3:
                found[place:place] = rng.randbytes(rng.choice((1, 8, 100)))
            case _:
                found[:8] = rng.choice(EXTREMES).to_bytes(8, "little")
    return bytes(found)


if __name__ == "__main__":
    main(__file__, prepare, one_input, runs=10_000)
