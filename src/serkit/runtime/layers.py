"""The layers of a network and their arithmetic in NumPy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from serkit.runtime.packing import Bytes, unpack

Array = NDArray[np.float32]
Activation = Literal["relu", "none"]


@dataclass(frozen=True, eq=False)
class PackedWeight:
    """A weight matrix as integer codes of few bits, and what they stand for.

    Code `c` of row `o` stands for `scale[o] * (c - (2 ** bits - 1) / 2)`: levels an equal step
    apart, as many below zero as above.

    Attributes:
        packed: The codes row by row, packed as `pack` does, uint8.
        bits: Of a code, 1 to 8.
        shape: `(n_outputs, n_inputs)`.
        scale: The step, for each row, or one for all; shape `[n_outputs]` or `[1]`, float32.
    """

    packed: Bytes
    bits: int
    shape: tuple[int, int]
    scale: Array

    @property
    def size(self) -> int:
        """How many weights there are."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def codes(self) -> Bytes:
        """The codes, a byte each, shape `[n_outputs, n_inputs]`; unpacked at the first use."""
        return unpack(self.packed, self.bits, self.size).reshape(self.shape)

    @property
    def middle(self) -> np.float32:
        """The code, between two, that would stand for zero."""
        return np.float32(((1 << self.bits) - 1) / 2)

    def dequantised(self) -> Array:
        """The weights the codes stand for, shape `[n_outputs, n_inputs]`."""
        levels = np.subtract(self.codes, self.middle, dtype=np.float32)
        weights: Array = levels * self.scale[:, None]
        return weights

    def times(self, rows: Array) -> Array:
        """`rows @ weights.T`; the weights are numbers for the time of the call only.

        Args:
            rows: Shape `[n_rows, n_inputs]`.

        Returns:
            Shape `[n_rows, n_outputs]`.
        """
        product: Array = rows @ np.subtract(self.codes, self.middle, dtype=np.float32).T
        product *= self.scale
        return product


Weight = Array | PackedWeight

_MOST_COPIED = 1 << 20


class _Weighted:
    """What layers with a weight matrix have in common."""

    __slots__ = ()
    weight: Weight

    @property
    def matrix(self) -> Array:
        """The weights as numbers, of the shape of `weight`."""
        if isinstance(self.weight, PackedWeight):
            return self.weight.dequantised()
        return self.weight

    def _times(self, rows: Array) -> Array:
        """`rows @ weight.T`."""
        if isinstance(self.weight, PackedWeight):
            return self.weight.times(rows)
        product: Array = rows @ self.weight.T
        return product


@dataclass(frozen=True, slots=True, eq=False)
class Dense(_Weighted):
    """A fully connected layer, `activation(weight @ x + bias)`.

    Attributes:
        weight: Shape `[n_outputs, n_inputs]`, float32, or packed.
        bias: Shape `[n_outputs]`, float32.
        activation: `relu` or `none`.
    """

    weight: Weight
    bias: Array
    activation: Activation = "none"

    def __call__(self, rows: Array) -> Array:
        """Apply to rows of shape `[n_rows, n_inputs]`, vectors or frames."""
        out = self._times(rows)
        out += self.bias
        return np.maximum(out, 0.0, out=out) if self.activation == "relu" else out


@dataclass(frozen=True, slots=True, eq=False)
class Convolution(_Weighted):
    """A convolution over time, with zeros around the recording, and ReLU.

    Attributes:
        weight: Shape `[n_outputs, n_inputs * kernel]`: of each input the frames beside each
            other; float32, or packed.
        bias: Shape `[n_outputs]`, float32.
        kernel: Frames that each output sees; odd.
        stride: Frames between outputs.
    """

    weight: Weight
    bias: Array
    kernel: int
    stride: int

    def __call__(self, frames: Array) -> Array:
        """`[n_frames, n_inputs]` to `[ceil(n_frames / stride), n_outputs]`."""
        around = self.kernel // 2
        padded = np.pad(frames, ((around, around), (0, 0)))
        seen = sliding_window_view(padded, self.kernel, axis=0)[:: self.stride]
        # Some frames at a time, as each is copied once for every kernel that sees it.
        at_a_time = max(1, _MOST_COPIED // (self.kernel * frames.shape[1]))
        out: Array = np.concatenate(
            [
                self._times(np.ascontiguousarray(part).reshape(len(part), -1))
                for part in (
                    seen[start : start + at_a_time] for start in range(0, len(seen), at_a_time)
                )
            ]
        )
        out += self.bias
        np.maximum(out, 0.0, out=out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class LSTM(_Weighted):
    """Long short-term memory; gates in the order input, forget, cell, output.

    Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).

    Attributes:
        weight: Shape `[4 * n_outputs, n_inputs + n_outputs]`, the columns of the inputs first;
            float32, or packed.
        bias: Shape `[4 * n_outputs]`, float32.
    """

    weight: Weight
    bias: Array

    def __call__(self, frames: Array) -> Array:
        """`[n_frames, n_inputs]` to `[n_frames, n_outputs]`."""
        n = len(self.bias) // 4
        own, of_state = np.split(self.matrix.T, [frames.shape[1]])
        inputs = frames @ own + self.bias
        out = np.empty((len(frames), n), np.float32)
        state, cell = np.zeros(n, np.float32), np.zeros(n, np.float32)
        for i, row in enumerate(inputs):
            gates = row + state @ of_state
            # One call for all gates: tanh(x) = 2 sigmoid(2 x) - 1.
            gates[2 * n : 3 * n] *= 2.0
            gates = _sigmoid(gates)
            taken, kept, new, shown = gates.reshape(4, n)
            cell = kept * cell + taken * (2.0 * new - 1.0)
            state = shown * np.tanh(cell)
            out[i] = state
        return out


@dataclass(frozen=True, slots=True, eq=False)
class GRU(_Weighted):
    """Gated recurrent unit; gates in the order reset, update, new.

    Cho et al. (2014), in the form whose reset gate acts on the state's part of the new gate.

    Attributes:
        weight: Shape `[3 * n_outputs, n_inputs + n_outputs]`, the columns of the inputs first;
            float32, or packed.
        bias: Shape `[4 * n_outputs]`, float32: reset, update, new from the inputs, new from the
            state.
    """

    weight: Weight
    bias: Array

    def __call__(self, frames: Array) -> Array:
        """`[n_frames, n_inputs]` to `[n_frames, n_outputs]`."""
        n = len(self.bias) // 4
        own, of_state = np.split(self.matrix.T, [frames.shape[1]])
        inputs = frames @ own + self.bias[: 3 * n]
        out = np.empty((len(frames), n), np.float32)
        state = np.zeros(n, np.float32)
        for i, row in enumerate(inputs):
            recurrent = state @ of_state
            reset, update = _sigmoid(row[: 2 * n] + recurrent[: 2 * n]).reshape(2, n)
            new = np.tanh(row[2 * n :] + reset * (recurrent[2 * n :] + self.bias[3 * n :]))
            state = new + update * (state - new)
            out[i] = state
        return out


@dataclass(frozen=True, slots=True, eq=False)
class AttentionPooling(_Weighted):
    """The mean of the frames, weighted by the softmax over time of `weight @ tanh(frame)`.

    Zhou et al., *Attention-Based Bidirectional LSTM Networks for Relation Classification* (2016),
    equations 9 to 11.

    Attributes:
        weight: Shape `[1, n_inputs]`, float32, or packed.
        bias: None there is: it would leave the softmax as it is. Shape `[0]`.
    """

    weight: Weight
    bias: Array = field(default_factory=lambda: np.zeros(0, np.float32))

    def __call__(self, frames: Array) -> Array:
        """`[n_frames, n_inputs]` to `[1, n_inputs]`."""
        scores = self._times(np.tanh(frames))
        shares = np.exp(scores - scores.max())
        pooled: Array = shares.T @ frames / shares.sum()
        return pooled


@dataclass(frozen=True, slots=True, eq=False)
class MeanPooling:
    """The mean of the frames."""

    def __call__(self, frames: Array) -> Array:
        """`[n_frames, n_inputs]` to `[1, n_inputs]`."""
        mean: Array = frames.mean(axis=0, keepdims=True)
        return mean


WeightedLayer = Dense | Convolution | LSTM | GRU | AttentionPooling
Layer = WeightedLayer | MeanPooling


def weighted(layers: Iterable[Layer]) -> tuple[WeightedLayer, ...]:
    """Those that have weights: all but the means."""
    return tuple(layer for layer in layers if not isinstance(layer, MeanPooling))


def _sigmoid(values: Array) -> Array:
    # By tanh, which cannot overflow.
    halved: Array = np.tanh(np.float32(0.5) * values)
    halved += np.float32(1.0)
    halved *= np.float32(0.5)
    return halved
