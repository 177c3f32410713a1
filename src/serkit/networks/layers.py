"""Layers with one weight matrix each, as the model file stores them.

Each maps rows and the number of frames of each recording to the same of the next layer. Rows are
`[batch, n_frames, n_inputs]`, or `[batch, n_inputs]` with `counts` None where there are no frames
(any more). Rows beyond a recording's last frame may hold anything that is finite.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.func import functional_call

Counts = Tensor | None


class Dense(nn.Module):
    """A fully connected layer, of each frame by itself where there are frames.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of outputs.
        activation: `relu` or `none`.
    """

    def __init__(self, n_inputs: int, n_outputs: int, activation: str = "none") -> None:
        super().__init__()
        made = nn.Linear(n_inputs, n_outputs)
        self.weight, self.bias = made.weight, made.bias
        self.activation = activation

    def forward(self, rows: Tensor, counts: Counts = None) -> tuple[Tensor, Counts]:
        """`activation(rows @ weight.T + bias)`."""
        out = nn.functional.linear(rows, self.weight, self.bias)
        return (out.relu() if self.activation == "relu" else out), counts


class Convolution(nn.Module):
    """A convolution over time, with zeros around the recording, and ReLU.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of outputs.
        kernel: Frames that each output sees; odd.
        stride: Frames between outputs.
    """

    def __init__(self, n_inputs: int, n_outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        made = dict(nn.Conv1d(n_inputs, n_outputs, kernel).named_parameters())
        # A row an output; in it, each input's frames beside each other.
        self.weight = nn.Parameter(made["weight"].detach().reshape(n_outputs, -1))
        self.bias = made["bias"]
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


class _Recurrent(nn.Module):
    """Gates stacked on one another; columns of the inputs, then those of the state."""

    gates: int

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        limit = 1.0 / math.sqrt(n_outputs)
        self.n_inputs, self.n_outputs = n_inputs, n_outputs
        shape = (self.gates * n_outputs, n_inputs + n_outputs)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-limit, limit))
        self.bias = nn.Parameter(torch.empty(4 * n_outputs).uniform_(-limit, limit))

    def _run(self, made: nn.RNNBase, rows: Tensor, inner: Tensor, recurrent: Tensor) -> Tensor:
        """What torch's own layer gives with our weights."""
        own, state = self.weight[:, : self.n_inputs], self.weight[:, self.n_inputs :]
        weights = {
            "weight_ih_l0": own,
            "weight_hh_l0": state,
            "bias_ih_l0": inner,
            "bias_hh_l0": recurrent,
        }
        out: Tensor = functional_call(made, weights, (rows,))[0]
        return out


class LSTM(_Recurrent):
    """Long short-term memory; gates in the order input, forget, cell, output.

    Hochreiter and Schmidhuber, *Long Short-Term Memory* (1997), with the forget gate of Gers et
    al. (2000), as torch's.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of units.
    """

    gates = 4

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Counts]:
        """`[batch, n_frames, n_inputs]` to `[batch, n_frames, n_outputs]`."""
        made = nn.LSTM(self.n_inputs, self.n_outputs, batch_first=True, device="meta")
        return self._run(made, rows, self.bias, torch.zeros_like(self.bias)), counts


class GRU(_Recurrent):
    """Gated recurrent unit; gates in the order reset, update, new.

    Cho et al., *Learning Phrase Representations using RNN Encoder-Decoder* (2014), in the form of
    torch's, whose reset gate acts on the state's part of the new gate with its bias. Hence four
    parts of the bias: reset, update, new from the inputs, new from the state.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of units.
    """

    gates = 3

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Counts]:
        """`[batch, n_frames, n_inputs]` to `[batch, n_frames, n_outputs]`."""
        made = nn.GRU(self.n_inputs, self.n_outputs, batch_first=True, device="meta")
        inner, of_state = self.bias[: 3 * self.n_outputs], self.bias[3 * self.n_outputs :]
        recurrent = torch.cat((torch.zeros_like(inner[: 2 * self.n_outputs]), of_state))
        return self._run(made, rows, inner, recurrent), counts


class AttentionPooling(nn.Module):
    """The mean of the frames, weighted by what a learned vector finds in each.

    Zhou et al., *Attention-Based Bidirectional LSTM Networks for Relation Classification* (2016),
    equations 9 to 11: the softmax over time of `weight @ tanh(frame)`.

    Args:
        n_inputs: Number of inputs.
    """

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        limit = 1.0 / math.sqrt(n_inputs)
        self.weight = nn.Parameter(torch.empty(1, n_inputs).uniform_(-limit, limit))

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Counts]:
        """`[batch, n_frames, n_inputs]` to `[batch, n_inputs]`."""
        scores = nn.functional.linear(rows.tanh(), self.weight)
        scores = scores.masked_fill(~_inside(rows, counts), -torch.inf)
        return (scores.softmax(dim=1) * rows).sum(dim=1), None


class MeanPooling(nn.Module):
    """The mean of the frames."""

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Counts]:
        """`[batch, n_frames, n_inputs]` to `[batch, n_inputs]`."""
        return (rows * _inside(rows, counts)).sum(dim=1) / counts[:, None], None


def _inside(rows: Tensor, counts: Tensor) -> Tensor:
    """Which frames are a recording's own, shape `[batch, n_frames, 1]`."""
    return (torch.arange(rows.shape[1], device=rows.device) < counts[:, None])[..., None]
