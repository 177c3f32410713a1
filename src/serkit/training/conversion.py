"""Conversion of layers between PyTorch and the NumPy runtime."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from serkit import networks, runtime


def to_runtime(layer: networks.Layer) -> runtime.Layer:
    """Convert a trained layer to NumPy; the parameters are copied."""
    parameters = {name: _numbers(values) for name, values in layer.named_parameters()}
    values = {name: getattr(layer, name) for name in layer.options}
    return runtime.LAYERS[layer.kind](**parameters, **values)


def to_torch(layer: runtime.Layer) -> networks.Layer:
    """Convert a layer to PyTorch, with dequantised weights; the parameters are copied."""
    kind = networks.LAYERS[layer.kind]
    if not isinstance(layer, runtime.WeightedLayer):
        return kind.sized(0, 0, {})
    trainable = kind.sized(layer.n_inputs, layer.n_outputs, layer.values)
    parameters = {"weight": torch.from_numpy(layer.matrix.copy())}
    if layer.bias.size:
        parameters["bias"] = torch.from_numpy(layer.bias.copy())
    trainable.load_state_dict(parameters)
    return trainable


def _numbers(values: torch.Tensor) -> NDArray[np.float32]:
    numbers: NDArray[np.float32] = values.detach().numpy().copy()
    return numbers
