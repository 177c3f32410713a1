"""Export of a model as a C99 header and source file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.compression.c_layers import ACTIVATED, C_LAYERS, CArray, DenseInC
from serkit.errors import ModelError
from serkit.runtime import Model
from serkit.runtime.model import FARTHEST
from serkit.runtime.text_input import TextRecipe

_PER_LINE_BYTES, _PER_LINE_FLOATS = 24, 8


@dataclass(frozen=True, slots=True)
class CSource:
    """A model as C.

    Attributes:
        name: Prefix of all names, and stem of both files.
        header: Text of `<name>.h`.
        source: Text of `<name>.c`.
        constant_bytes: Size of the constants (flash), without the code.
        buffer_bytes: Size of the static buffers (RAM).
    """

    name: str
    header: str
    source: str
    constant_bytes: int
    buffer_bytes: int


def _in_c(model: Model) -> list[DenseInC]:
    layers = []
    for i, layer in enumerate(model.layers):
        if layer.kind not in C_LAYERS:
            raise ModelError(
                f"layer {i} is of type {layer.kind}, which cannot be exported to C; "
                f"expected {' or '.join(C_LAYERS)}"
            )
        layers.append(C_LAYERS[layer.kind](layer, i))
    return layers


def _refuse_overflow(layers: Sequence[DenseInC], limit: float, temperature: float) -> None:
    """Refuse a model whose sums may overflow float32, for any order of summation."""
    largest = float(np.finfo(np.float32).max) / 2.0
    bound = limit
    for i, layer in enumerate(layers):
        intermediate, bound = layer.bounds(bound)
        last = bound / min(1.0, temperature) if i == len(layers) - 1 else bound
        if max(intermediate, last) > largest:
            raise ModelError(
                f"outputs of layer {i} may reach {max(intermediate, last):.1g}; expected at most "
                f"{largest:.1g}, for float32: use a weight_decay, or a clip in the recipe"
            )


def export_c(model: Model) -> CSource:
    """Export a model as C99: features in, probabilities and label out.

    The source needs no heap and no library except `libm` (`expf`, `tanhf`); integer weights stay
    packed as in the model file. The input is the features of `serkit.features.extract`, or an
    embedding; any finite features give finite probabilities. The dimensions of a model are left
    out. The header can be included from C++.

    Args:
        model: The model, quantised or not.

    Raises:
        ModelError: The model takes an embedding, or a layer cannot be exported or may overflow
            float32; the message names the layer.
    """
    layers = _in_c(model)
    limit = FARTHEST if model.card.clip is None else model.card.clip
    _refuse_overflow(layers, limit, model.card.temperature)
    name = _identifier(model.card.name)
    upper = name.upper()
    n_features, n_labels = len(model.mean), len(model.card.labels)
    widths = [layer.n_outputs for layer in layers]
    arrays: list[CArray] = [("float", "mean", model.mean), ("float", "scale", model.scale)]
    calls = []
    for i, layer in enumerate(layers):
        source, target = ("a", "b") if i % 2 == 0 else ("b", "a")
        arrays += layer.arrays
        calls.append(layer.call(source, target))
    last = "b" if len(layers) % 2 else "a"
    sizes = {
        "a": max([n_features, *widths[1::2]]),
        "b": max(widths[0::2]),
    }
    constants = sum(values.nbytes for _, _, values in arrays)
    buffers = 4 * sum(sizes.values())
    about = _comment(
        [
            f"serkit model {model.card.name}: {', '.join(model.card.labels)}.",
            f"{constants} bytes of constants (flash), {buffers} bytes of static buffers (RAM).",
            "Not thread-safe: the buffers are static.",
            f"Build: cc -std=c99 -O2 your.c {name}.c -lm (it calls expf and tanhf).",
            *(f"Trained on {c.title}, {c.licence}." for c in model.card.corpora),
            *(f"Without the {name} of the model file." for name in model.card.dimensions),
        ]
    )
    header = f"""{about}#ifndef {upper}_H
#define {upper}_H

#ifdef __cplusplus
extern "C" {{
#endif

#define {upper}_N_FEATURES {n_features}
#define {upper}_N_LABELS {n_labels}

/* Names of the labels, in the order of the probabilities. */
extern const char *const {name}_labels[{upper}_N_LABELS];

/* Computes the probability of each label and returns the index of the most probable.
   Features: {_plain(_features(model))}. */
int {name}_predict(const float features[{upper}_N_FEATURES],
{" " * (len(name) + 13)}float probabilities[{upper}_N_LABELS]);

#ifdef __cplusplus
}}
#endif

#endif
"""
    most = _float(limit)
    functions = "\n".join(dict.fromkeys((ACTIVATED, *(layer.function for layer in layers))))
    labels = ", ".join(f'"{_plain(label)}"' for label in model.card.labels)
    listed = "\n".join(_array(*array) for array in arrays)
    steps = "\n    ".join(calls)
    source_text = f"""{about}#include "{name}.h"

#include <math.h>
#include <stdint.h>

const char *const {name}_labels[{upper}_N_LABELS] = {{{labels}}};

{listed}
static float a[{sizes["a"]}];
static float b[{sizes["b"]}];

{functions}
int {name}_predict(const float features[{upper}_N_FEATURES],
{" " * (len(name) + 13)}float probabilities[{upper}_N_LABELS])
{{
    for (int k = 0; k < {upper}_N_FEATURES; k++) {{
        a[k] = (features[k] - mean[k]) / scale[k];
        if (a[k] > {most}) {{
            a[k] = {most};
        }} else if (a[k] < -{most}) {{
            a[k] = -{most};
        }}
    }}
    {steps}
    int best = 0;
    for (int k = 1; k < {upper}_N_LABELS; k++) {{
        if ({last}[k] > {last}[best]) {{
            best = k;
        }}
    }}
    const float most = {last}[best];
    float sum = 0.0f;
    for (int k = 0; k < {upper}_N_LABELS; k++) {{
        probabilities[k] = expf(({last}[k] - most) / {_float(model.card.temperature)});
        sum += probabilities[k];
    }}
    for (int k = 0; k < {upper}_N_LABELS; k++) {{
        probabilities[k] /= sum;
    }}
    return best;
}}
"""
    return CSource(name, header, source_text, constants, buffers)


def _features(model: Model) -> str:
    """What the features are."""
    if isinstance(model.card.input, TextRecipe):
        return f"text, embedded by {model.card.input.encoder}"
    return f"recipe {model.recipe.name}"


def _identifier(name: str) -> str:
    return "serkit_" + re.sub(r"\W", "_", name, flags=re.ASCII).lower()


def _plain(text: str) -> str:
    """Text that is safe in C strings and comments."""
    return re.sub(r'[^\x20-\x7e]|["\\]|\*/|/\*|\?\?', "_", text)


def _comment(lines: Iterable[str]) -> str:
    return "/* " + "\n   ".join(_plain(line) for line in lines) + " */\n"


def _float(value: float) -> str:
    """A float32 constant that round-trips."""
    text = f"{np.float32(value):.9g}"
    return text + ("f" if re.search(r"[.e]", text) else ".0f")


def _array(kind: str, name: str, values: NDArray[np.uint8] | NDArray[np.float32]) -> str:
    floats = kind == "float"
    texts = [_float(v) if floats else str(v) for v in values.tolist()]
    per_line = _PER_LINE_FLOATS if floats else _PER_LINE_BYTES
    rows = (", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line))
    body = ",\n    ".join(rows)
    return f"static const {kind} {name}[{len(texts)}] = {{\n    {body}}};\n"
