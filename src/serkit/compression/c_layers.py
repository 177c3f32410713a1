"""Layers that can be exported to C; a new one is a class here and an entry of `C_LAYERS`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.runtime import Dense, PackedWeight
from serkit.runtime.layers import Layer

CArray = tuple[str, str, NDArray[np.uint8] | NDArray[np.float32]]
"""Type, name and values of a constant array."""

_ACTIVATIONS = ("none", "relu", "tanh")

ACTIVATED = """\
/* Activations: 0 none, 1 relu, 2 tanh. */
static float activated(float sum, int activation)
{
    if (activation == 2) {
        return tanhf(sum);
    }
    return activation == 1 && sum < 0.0f ? 0.0f : sum;
}
"""

_PACKED = """\
/* Code i of a bit stream of codes of `bits` bits, in little-endian bit order. */
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

/* out = activation(weights * in + bias) with weights = scale * (code - middle). */
static void dense_packed(const float *in, float *out, int n_in, int n_out, unsigned bits,
                         const uint8_t *packed, const float *scale, int n_scales,
                         const float *bias, int activation)
{
    const float middle = 0.5f * (float)((1u << bits) - 1u);
    unsigned long i = 0;
    for (int o = 0; o < n_out; o++) {
        float sum = 0.0f;
        for (int k = 0; k < n_in; k++, i++) {
            sum += in[k] * ((float)code_at(packed, i, bits) - middle);
        }
        sum = sum * scale[n_scales == 1 ? 0 : o] + bias[o];
        out[o] = activated(sum, activation);
    }
}
"""

_FULL = """\
/* out = activation(weights * in + bias). */
static void dense(const float *in, float *out, int n_in, int n_out, const float *weights,
                  const float *bias, int activation)
{
    for (int o = 0; o < n_out; o++) {
        float sum = bias[o];
        for (int k = 0; k < n_in; k++) {
            sum += in[k] * weights[(long)o * n_in + k];
        }
        out[o] = activated(sum, activation);
    }
}
"""


class DenseInC:
    """A fully connected layer as a call of a C function and its constants.

    Args:
        layer: The layer.
        number: Index of the layer, used in the names of its constants.
    """

    def __init__(self, layer: Layer, number: int) -> None:
        if not isinstance(layer, Dense):
            raise TypeError(f"expected a Dense layer, not {type(layer).__name__}")
        self._layer = layer
        self._number = number

    @property
    def n_outputs(self) -> int:
        """Width of its output."""
        return self._layer.n_outputs

    @property
    def function(self) -> str:
        """Source of the C function it calls."""
        return _PACKED if isinstance(self._layer.weight, PackedWeight) else _FULL

    @property
    def arrays(self) -> list[CArray]:
        """Its constants."""
        i, weight = self._number, self._layer.weight
        weights: list[CArray] = (
            [("uint8_t", f"codes_{i}", weight.packed), ("float", f"step_{i}", weight.scale)]
            if isinstance(weight, PackedWeight)
            else [("float", f"weights_{i}", weight.ravel())]
        )
        return [*weights, ("float", f"bias_{i}", self._layer.bias)]

    def call(self, source: str, target: str) -> str:
        """The statement that computes it from one buffer into another."""
        i, layer, weight = self._number, self._layer, self._layer.weight
        activation = _ACTIVATIONS.index(layer.activation)
        sizes = f"{source}, {target}, {layer.n_inputs}, {layer.n_outputs}"
        if isinstance(weight, PackedWeight):
            return (
                f"dense_packed({sizes}, {weight.bits}u, codes_{i}, step_{i}, {len(weight.scale)}, "
                f"bias_{i}, {activation});"
            )
        return f"dense({sizes}, weights_{i}, bias_{i}, {activation});"

    def bounds(self, inputs: float) -> tuple[float, float]:
        """Largest magnitude of an intermediate sum and of an output, for inputs up to a bound."""
        weight = self._layer.weight
        # Codes are summed before they are scaled.
        codes = (
            inputs * self._layer.n_inputs * float(weight.middle)
            if isinstance(weight, PackedWeight)
            else 0.0
        )
        magnitudes = np.abs(self._layer.matrix, dtype=np.float64).sum(axis=1)
        return codes, float((magnitudes * inputs + np.abs(self._layer.bias)).max())


C_LAYERS = {Dense.kind: DenseInC}
"""All layers that can be exported, by kind."""
