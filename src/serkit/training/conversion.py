"""A network in torch and the same in the runtime's NumPy, there and back."""

from __future__ import annotations

import torch
from torch import nn

from serkit import networks, runtime


def to_runtime(layer: nn.Module) -> runtime.Layer:
    """A layer as it is stored, its numbers copied.

    Args:
        layer: Of `serkit.networks.layers`.
    """
    match layer:
        case networks.MeanPooling():
            return runtime.MeanPooling()
        case networks.AttentionPooling():
            return runtime.AttentionPooling(_numbers(layer.weight))
        case networks.Dense():
            activation: runtime.Activation = "relu" if layer.activation == "relu" else "none"
            return runtime.Dense(_numbers(layer.weight), _numbers(layer.bias), activation)
        case networks.Convolution():
            weight, bias = _numbers(layer.weight), _numbers(layer.bias)
            return runtime.Convolution(weight, bias, layer.kernel, layer.stride)
        case networks.LSTM():
            return runtime.LSTM(_numbers(layer.weight), _numbers(layer.bias))
        case networks.GRU():
            return runtime.GRU(_numbers(layer.weight), _numbers(layer.bias))
    raise TypeError(f"a {type(layer).__name__} is no layer of serkit's")


def to_torch(layer: runtime.Layer) -> nn.Module:
    """The layer to learn on with, its numbers copied.

    Args:
        layer: With weights in full or packed.
    """
    if isinstance(layer, runtime.MeanPooling):
        return networks.MeanPooling()
    n_rows, n_columns = layer.weight.shape
    made: nn.Module
    match layer:
        case runtime.AttentionPooling():
            made = networks.AttentionPooling(n_columns)
        case runtime.Dense():
            made = networks.Dense(n_columns, n_rows, layer.activation)
        case runtime.Convolution():
            n_inputs = n_columns // layer.kernel
            made = networks.Convolution(n_inputs, n_rows, layer.kernel, layer.stride)
        case runtime.LSTM() | runtime.GRU():
            n_outputs = len(layer.bias) // 4
            kind = networks.LSTM if isinstance(layer, runtime.LSTM) else networks.GRU
            made = kind(n_columns - n_outputs, n_outputs)
    values = {"weight": torch.from_numpy(layer.matrix.copy())}
    if layer.bias.size:
        values["bias"] = torch.from_numpy(layer.bias.copy())
    made.load_state_dict(values)
    return made


def _numbers(values: torch.Tensor) -> runtime.layers.Array:
    found: runtime.layers.Array = values.detach().numpy().copy()
    return found
