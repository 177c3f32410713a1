"""A model -> one C99 header and source, for where there is no Python."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ModelError
from serkit.runtime import Dense, Model, PackedWeight
from serkit.runtime.model import FARTHEST

_PER_LINE_BYTES, _PER_LINE_FLOATS = 24, 8

_PACKED = """\
/* Code number i of a stream of codes, each `bits` bits wide, lowest bits first. */
static unsigned code_at(const uint8_t *packed, unsigned long i, unsigned bits)
{
    const unsigned long first = i * bits;
    const unsigned offset = (unsigned)(first & 7u);
    unsigned value = (unsigned)packed[first >> 3] >> offset;
    if (offset + bits > 8u) {
        value |= (unsigned)packed[(first >> 3) + 1u] << (8u - offset);
    }
    return value & ((1u << bits) - 1u);
}

/* out = activation(weights * in + bias), the weights being scale * (code - middle). */
static void dense_packed(const float *in, float *out, int n_in, int n_out, unsigned bits,
                         const uint8_t *packed, const float *scale, int n_scales,
                         const float *bias, int relu)
{
    const float middle = 0.5f * (float)((1u << bits) - 1u);
    unsigned long i = 0;
    for (int o = 0; o < n_out; o++) {
        float sum = 0.0f;
        for (int k = 0; k < n_in; k++, i++) {
            sum += in[k] * ((float)code_at(packed, i, bits) - middle);
        }
        sum = sum * scale[n_scales == 1 ? 0 : o] + bias[o];
        out[o] = relu && sum < 0.0f ? 0.0f : sum;
    }
}
"""

_FULL = """\
/* out = activation(weights * in + bias). */
static void dense(const float *in, float *out, int n_in, int n_out, const float *weights,
                  const float *bias, int relu)
{
    for (int o = 0; o < n_out; o++) {
        float sum = bias[o];
        for (int k = 0; k < n_in; k++) {
            sum += in[k] * weights[(long)o * n_in + k];
        }
        out[o] = relu && sum < 0.0f ? 0.0f : sum;
    }
}
"""


@dataclass(frozen=True, slots=True)
class CSource:
    """A model as C.

    Attributes:
        name: Prefix of every name, and of the files.
        header: Text of `<name>.h`.
        source: Text of `<name>.c`.
        constant_bytes: Of the constants, which go to flash; the code comes on top.
        buffer_bytes: Of the static buffers, which go to RAM.
    """

    name: str
    header: str
    source: str
    constant_bytes: int
    buffer_bytes: int


def _dense_only(model: Model) -> list[Dense]:
    found = []
    for i, layer in enumerate(model.layers):
        if not isinstance(layer, Dense):
            raise ModelError(
                f"layer {i} is of the type {type(layer).__name__}, which cannot be exported to C; "
                "only Dense can"
            )
        found.append(layer)
    return found


def _refuse_overflow(layers: Sequence[Dense], farthest: float, temperature: float) -> None:
    """Bound every sum, whatever its order, by the sizes of weights and inputs."""
    largest = float(np.finfo(np.float32).max) / 2.0
    bound = farthest
    for i, layer in enumerate(layers):
        weight = layer.weight
        # Codes are summed before they are scaled.
        codes = (
            bound * weight.shape[1] * float(weight.middle)
            if isinstance(weight, PackedWeight)
            else 0.0
        )
        sizes = np.abs(layer.matrix, dtype=np.float64).sum(axis=1)
        bound = float((sizes * bound + np.abs(layer.bias)).max())
        last = bound / min(1.0, temperature) if i == len(layers) - 1 else bound
        if max(codes, last) > largest:
            raise ModelError(
                f"layer {i} may give {max(codes, last):.1g}, and a float holds {2 * largest:.1g}; "
                "train with smaller weights, or give the recipe a clip"
            )


def export_c(model: Model) -> CSource:
    """Write a model as C99: features in, probabilities and label out.

    The source needs no heap, no other library than the mathematics one (`expf`), and keeps integer
    weights packed as in the model file. It takes the features that `serkit.features.extract`
    gives; any finite ones give finite probabilities. C++ can include the header.

    Args:
        model: Quantised or not.

    Raises:
        ModelError: A layer is of a kind that cannot be exported, or its weights are so large that
            float32 may overflow; it is named.
    """
    layers = _dense_only(model)
    farthest = FARTHEST if model.card.clip is None else model.card.clip
    _refuse_overflow(layers, farthest, model.card.temperature)
    name = _identifier(model.card.name)
    upper = name.upper()
    n_features, n_labels = len(model.mean), len(model.card.labels)
    widths = [len(layer.bias) for layer in layers]
    arrays: list[tuple[str, str, NDArray[np.uint8] | NDArray[np.float32]]] = [
        ("float", "mean", model.mean),
        ("float", "scale", model.scale),
    ]
    calls = []
    for i, layer in enumerate(layers):
        source, target = ("a", "b") if i % 2 == 0 else ("b", "a")
        n_out, n_in = layer.weight.shape
        relu = int(layer.activation == "relu")
        if isinstance(layer.weight, PackedWeight):
            packed = layer.weight
            arrays += [
                ("uint8_t", f"codes_{i}", packed.packed),
                ("float", f"step_{i}", packed.scale),
            ]
            calls.append(
                f"dense_packed({source}, {target}, {n_in}, {n_out}, {packed.bits}u, codes_{i}, "
                f"step_{i}, {len(packed.scale)}, bias_{i}, {relu});"
            )
        else:
            arrays.append(("float", f"weights_{i}", layer.weight.ravel()))
            calls.append(
                f"dense({source}, {target}, {n_in}, {n_out}, weights_{i}, bias_{i}, {relu});"
            )
        arrays.append(("float", f"bias_{i}", layer.bias))
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
            "Not for use by several threads at once: the buffers are shared.",
            f"Build: cc -std=c99 -O2 your.c {name}.c -lm (it calls expf).",
            *(f"Trained on {c.title}, {c.licence}." for c in model.card.corpora),
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

/* Fills in the probability of each label and returns the number of the most probable.
   The features are those of the recipe "{_plain(model.card.features.name)}". */
int {name}_predict(const float features[{upper}_N_FEATURES],
{" " * (len(name) + 13)}float probabilities[{upper}_N_LABELS]);

#ifdef __cplusplus
}}
#endif

#endif
"""
    most = _float(farthest)
    kinds = {isinstance(layer.weight, PackedWeight) for layer in layers}
    functions = "\n".join(text for text, used in ((_PACKED, True), (_FULL, False)) if used in kinds)
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


def _identifier(name: str) -> str:
    return "serkit_" + re.sub(r"\W", "_", name, flags=re.ASCII).lower()


def _plain(text: str) -> str:
    """Text that ends no string and no comment."""
    return re.sub(r'[^\x20-\x7e]|["\\]|\*/|/\*|\?\?', "_", text)


def _comment(lines: Iterable[str]) -> str:
    return "/* " + "\n   ".join(_plain(line) for line in lines) + " */\n"


def _float(value: float) -> str:
    """A float32 constant that is read back as the same number."""
    text = f"{np.float32(value):.9g}"
    return text + ("f" if re.search(r"[.e]", text) else ".0f")


def _array(kind: str, name: str, values: NDArray[np.uint8] | NDArray[np.float32]) -> str:
    floats = kind == "float"
    texts = [_float(v) if floats else str(v) for v in values.tolist()]
    per_line = _PER_LINE_FLOATS if floats else _PER_LINE_BYTES
    rows = (", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line))
    body = ",\n    ".join(rows)
    return f"static const {kind} {name}[{len(texts)}] = {{\n    {body}}};\n"
