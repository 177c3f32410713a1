"""The layers of `serkit.runtime.layers` in PyTorch, by the same kinds and with the same options.

A layer maps rows, and the number of frames of each recording, to those of the next layer. Rows are
`[batch, n_frames, n_inputs]`, or `[batch, n_inputs]` with `counts` None if there are no frames.
Rows after the last frame of a recording may hold any finite numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

Counts = Tensor | None


class Layer(nn.Module):
    """A layer that `LAYERS` knows by its kind.

    Attributes:
        kind: That of the layer of the same name in `serkit.runtime.layers`.
        pools: Whether it turns the frames of a recording into one vector.
        options: Names of the attributes that its constructor takes after the sizes.
    """

    kind: ClassVar[str]
    pools: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def sized(cls, n_inputs: int, n_outputs: int, values: Mapping[str, Any]) -> Layer:
        """A new layer of this size, with these values of its options."""
        return cls(n_inputs, n_outputs, **values)


class Dense(Layer):
    """A fully connected layer, of each frame by itself where there are frames.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of outputs.
        activation: `relu`, `tanh` or `none`.
    """

    kind = "dense"
    options = ("activation",)

    def __init__(self, n_inputs: int, n_outputs: int, activation: str = "none") -> None:
        super().__init__()
        linear = nn.Linear(n_inputs, n_outputs)
        self.weight, self.bias = linear.weight, linear.bias
        self.activation = activation

    def forward(self, rows: Tensor, counts: Counts = None) -> tuple[Tensor, Counts]:
        """`activation(rows @ weight.T + bias)`."""
        out = nn.functional.linear(rows, self.weight, self.bias)
        activations = {"relu": torch.relu, "tanh": torch.tanh}
        return activations.get(self.activation, torch.nn.Identity())(out), counts


class Convolution(Layer):
    """A convolution over time with zero padding, and ReLU.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of outputs.
        kernel: Frames that each output sees; odd.
        stride: Frames between outputs.
    """

    kind = "convolution"
    options = ("kernel", "stride")

    def __init__(self, n_inputs: int, n_outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        parameters = dict(nn.Conv1d(n_inputs, n_outputs, kernel).named_parameters())
        # One row per output, in which the frames of an input are adjacent.
        self.weight = nn.Parameter(parameters["weight"].detach().reshape(n_outputs, -1))
        self.bias = parameters["bias"]
        self.n_inputs, self.kernel, self.stride = n_inputs, kernel, stride

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Counts]:
        """`[batch, n_frames, n_inputs]` to `[batch, ceil(n_frames / stride), n_outputs]`."""
        inside = _inside(rows, counts)
        out = nn.functional.conv1d(
            (rows * inside).transpose(1, 2),
            self.weight.reshape(len(self.weight), self.n_inputs, self.kernel),
            self.bias,
            stride=self.stride,
            padding=self.kernel // 2,
        )
        return out.transpose(1, 2).relu(), -(-counts // self.stride)


class _Recurrent(Layer):
    """Gates stacked on one another; the columns of the inputs, then those of the state."""

    gates: ClassVar[int]

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        limit = 1.0 / math.sqrt(n_outputs)
        self.n_inputs, self.n_outputs = n_inputs, n_outputs
        shape = (self.gates * n_outputs, n_inputs + n_outputs)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-limit, limit))
        self.bias = nn.Parameter(torch.empty(4 * n_outputs).uniform_(-limit, limit))

    def _run(self, layer: nn.RNNBase, rows: Tensor, of_input: Tensor, of_state: Tensor) -> Tensor:
        """The output of torch's own layer with these weights and the biases given."""
        parameters = {
            "weight_ih_l0": self.weight[:, : self.n_inputs],
            "weight_hh_l0": self.weight[:, self.n_inputs :],
            "bias_ih_l0": of_input,
            "bias_hh_l0": of_state,
        }
        out: Tensor = functional_call(layer, parameters, (rows,))[0]
        return out


class LSTM(_Recurrent):
    """Long short-term memory; gates in the order input, forget, cell, output.

    Hochreiter and Schmidhuber, *Long Short-Term Memory* (1997), with the forget gate of Gers et
    al. (2000), as torch's.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of units.
    """

    kind = "lstm"
    gates = 4

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Counts]:
        """`[batch, n_frames, n_inputs]` to `[batch, n_frames, n_outputs]`."""
        layer = nn.LSTM(self.n_inputs, self.n_outputs, batch_first=True, device="meta")
        return self._run(layer, rows, self.bias, torch.zeros_like(self.bias)), counts


class GRU(_Recurrent):
    """Gated recurrent unit; gates in the order reset, update, new.

    Cho et al., *Learning Phrase Representations using RNN Encoder-Decoder* (2014), in torch's
    variant, whose reset gate multiplies the recurrent part of the new gate and its bias. Hence the
    four parts of the bias: reset, update, new from the inputs, new from the state.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of units.
    """

    kind = "gru"
    gates = 3

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Counts]:
        """`[batch, n_frames, n_inputs]` to `[batch, n_frames, n_outputs]`."""
        layer = nn.GRU(self.n_inputs, self.n_outputs, batch_first=True, device="meta")
        of_input, new_of_state = self.bias[: 3 * self.n_outputs], self.bias[3 * self.n_outputs :]
        of_state = torch.cat((torch.zeros_like(of_input[: 2 * self.n_outputs]), new_of_state))
        return self._run(layer, rows, of_input, of_state), counts


class AttentionPooling(Layer):
    """The mean of the frames, weighted by the softmax over time of `weight @ tanh(frame)`.

    Zhou et al., *Attention-Based Bidirectional LSTM Networks for Relation Classification* (2016),
    equations 9 to 11.

    Args:
        n_inputs: Number of inputs.
    """

    kind = "attention"
    pools = True

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        limit = 1.0 / math.sqrt(n_inputs)
        self.weight = nn.Parameter(torch.empty(1, n_inputs).uniform_(-limit, limit))

    @classmethod
    def sized(cls, n_inputs: int, n_outputs: int, values: Mapping[str, Any]) -> Layer:
        """A new layer of this size; its output is as wide as its input."""
        return cls(n_inputs)

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Counts]:
        """`[batch, n_frames, n_inputs]` to `[batch, n_inputs]`."""
        scores = nn.functional.linear(rows.tanh(), self.weight)
        scores = scores.masked_fill(~_inside(rows, counts), -torch.inf)
        return (scores.softmax(dim=1) * rows).sum(dim=1), None


class MeanPooling(Layer):
    """The mean of the frames."""

    kind = "mean"
    pools = True

    @classmethod
    def sized(cls, n_inputs: int, n_outputs: int, values: Mapping[str, Any]) -> Layer:
        """A new layer; it has no size."""
        return cls()

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Counts]:
        """`[batch, n_frames, n_inputs]` to `[batch, n_inputs]`."""
        return (rows * _inside(rows, counts)).sum(dim=1) / counts[:, None], None


LAYERS: dict[str, type[Layer]] = {
    layer.kind: layer for layer in (Dense, Convolution, LSTM, GRU, AttentionPooling, MeanPooling)
}
"""Every type of layer, by its kind."""


def _inside(rows: Tensor, counts: Tensor) -> Tensor:
    """Which frames are a recording's own, shape `[batch, n_frames, 1]`."""
    return (torch.arange(rows.shape[1], device=rows.device) < counts[:, None])[..., None]
