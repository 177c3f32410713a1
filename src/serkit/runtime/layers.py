"""Layers of networks: names, options, shapes and arithmetic in NumPy.

A new type of layer is a class and an entry of `LAYERS` here, in `networks.layers` for training and
in `compression.c_layers` for export. Model files, cards, conversion and budgets use the attributes
of these classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from serkit.runtime.weights import PackedWeight, Weight

Array = NDArray[np.float32]
Activation = Literal["relu", "tanh", "none"]

# A convolution copies frames once per kernel position; numbers copied at a time.
_MAX_COPIED = 1 << 20


@dataclass(frozen=True, slots=True)
class Size:
    """An integer option of a layer, such as the kernel of a convolution.

    Attributes:
        low: Smallest value.
        high: Largest value.
        odd: Whether it must be odd.
    """

    low: int
    high: int
    odd: bool = False

    def accepts(self, value: object) -> bool:
        """Whether a value is valid."""
        if type(value) is not int:
            return False
        return self.low <= value <= self.high and not (self.odd and value % 2 == 0)

    def __str__(self) -> str:
        return f"{self.low} to {self.high}" + (", odd" if self.odd else "")


@dataclass(frozen=True, slots=True)
class Choice:
    """An option of a layer with a fixed set of values, such as the activation.

    Attributes:
        values: The valid values.
    """

    values: tuple[str, ...]

    def accepts(self, value: object) -> bool:
        """Whether a value is valid."""
        return value in self.values

    def __str__(self) -> str:
        return f"one of {', '.join(self.values)}"


class Layer:
    """A step of a network: rows `[n_rows, n_inputs]` to rows `[n_rows', n_outputs]`.

    Attributes:
        kind: Type in model files, and key in `LAYERS`.
        needs_frames: Whether the input must be the consecutive frames of a recording.
        pools: Whether it reduces the frames of a recording to one vector.
        options: Constructor arguments after weight and bias, by name.
    """

    __slots__ = ()
    kind: ClassVar[str]
    needs_frames: ClassVar[bool] = True
    pools: ClassVar[bool] = False
    options: ClassVar[Mapping[str, Size | Choice]] = {}

    def __call__(self, rows: Array) -> Array:
        """Apply to the rows of one recording, or of several unless `needs_frames`."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """Its kind and width in the summary of a network."""
        return self.kind

    @property
    def values(self) -> dict[str, Any]:
        """The values of its options."""
        return {name: getattr(self, name) for name in self.options}


@dataclass(frozen=True, slots=True, eq=False)
class WeightedLayer(Layer):
    """A layer with a weight matrix.

    Attributes:
        weight: Weight matrix, float32 or packed; see the subclass for its shape.
        bias: Shape `[n_biases]`, float32; see the subclass for its length.
    """

    weight: Weight
    bias: Array

    @staticmethod
    def weight_shape(n_inputs: int, n_outputs: int, values: Mapping[str, Any]) -> tuple[int, int]:
        """Rows and columns of the weight matrix; `values` are those of the options."""
        raise NotImplementedError

    @staticmethod
    def n_biases(n_outputs: int) -> int:
        """Length of the bias."""
        return n_outputs

    @classmethod
    def count_parameters(
        cls, n_inputs: int, n_outputs: int, values: Mapping[str, Any] | None = None
    ) -> int:
        """Number of weights and biases of a layer of this size."""
        n_rows, n_columns = cls.weight_shape(n_inputs, n_outputs, values or {})
        return n_rows * n_columns + cls.n_biases(n_outputs)

    @property
    def n_inputs(self) -> int:
        """Width of its input."""
        raise NotImplementedError

    @property
    def n_outputs(self) -> int:
        """Width of its output."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """Its kind and width in the summary of a network; for a dense layer the width only."""
        if self.pools:
            return self.kind
        return f"{self.kind} {self.n_outputs}" if self.needs_frames else str(self.n_outputs)

    @property
    def matrix(self) -> Array:
        """The dequantised weights, float32."""
        if isinstance(self.weight, PackedWeight):
            return self.weight.dequantised()
        return self.weight

    def with_parameters(self, weight: Weight, bias: Array) -> Self:
        """The same layer with other weights and biases."""
        return replace(self, weight=weight, bias=bias)

    def _times(self, rows: Array) -> Array:
        """`rows @ weight.T`."""
        if isinstance(self.weight, PackedWeight):
            return self.weight.times(rows)
        product: Array = rows @ self.weight.T
        return product


@dataclass(frozen=True, slots=True, eq=False)
class Dense(WeightedLayer):
    """A fully connected layer, `activation(weight @ x + bias)`.

    Attributes:
        weight: Shape `[n_outputs, n_inputs]`.
        bias: Shape `[n_outputs]`.
        activation: `relu`, `tanh` or `none`.
    """

    activation: Activation = "none"

    kind = "dense"
    needs_frames = False
    options: ClassVar[Mapping[str, Size | Choice]] = {
        "activation": Choice(("relu", "tanh", "none"))
    }

    @staticmethod
    def weight_shape(n_inputs: int, n_outputs: int, values: Mapping[str, Any]) -> tuple[int, int]:
        """`[n_outputs, n_inputs]`."""
        return n_outputs, n_inputs

    @property
    def n_inputs(self) -> int:
        """Width of its input."""
        return int(self.weight.shape[1])

    @property
    def n_outputs(self) -> int:
        """Width of its output."""
        return len(self.bias)

    def __call__(self, rows: Array) -> Array:
        """Apply to rows of shape `[n_rows, n_inputs]`, vectors or frames."""
        out = self._times(rows)
        out += self.bias
        match self.activation:
            case "relu":
                return np.maximum(out, 0.0, out=out)
            case "tanh":
                return np.tanh(out, out=out)
            case "none":
                return out


@dataclass(frozen=True, slots=True, eq=False)
class Convolution(WeightedLayer):
    """A convolution over time with zero padding, and ReLU.

    Attributes:
        weight: Shape `[n_outputs, n_inputs * kernel]`; the frames of an input are adjacent.
        bias: Shape `[n_outputs]`.
        kernel: Frames that each output sees, odd.
        stride: Frames between outputs.
    """

    kernel: int
    stride: int

    kind = "convolution"
    options: ClassVar[Mapping[str, Size | Choice]] = {
        "kernel": Size(1, 255, odd=True),
        "stride": Size(1, 255),
    }

    @staticmethod
    def weight_shape(n_inputs: int, n_outputs: int, values: Mapping[str, Any]) -> tuple[int, int]:
        """`[n_outputs, n_inputs * kernel]`."""
        return n_outputs, n_inputs * int(values["kernel"])

    @property
    def n_inputs(self) -> int:
        """Width of its input."""
        return int(self.weight.shape[1]) // self.kernel

    @property
    def n_outputs(self) -> int:
        """Width of its output."""
        return len(self.bias)

    def __call__(self, frames: Array) -> Array:
        """`[n_frames, n_inputs]` to `[ceil(n_frames / stride), n_outputs]`."""
        around = self.kernel // 2
        padded = np.pad(frames, ((around, around), (0, 0)))
        seen = sliding_window_view(padded, self.kernel, axis=0)[:: self.stride]
        at_a_time = max(1, _MAX_COPIED // (self.kernel * frames.shape[1]))
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
class _Recurrent(WeightedLayer):
    """A recurrent layer; weights of all gates are stacked, columns of inputs before the state."""

    gates: ClassVar[int]

    @classmethod
    def weight_shape(
        cls, n_inputs: int, n_outputs: int, values: Mapping[str, Any]
    ) -> tuple[int, int]:
        """`[gates * n_outputs, n_inputs + n_outputs]`."""
        return cls.gates * n_outputs, n_inputs + n_outputs

    @staticmethod
    def n_biases(n_outputs: int) -> int:
        """Four biases per unit."""
        return 4 * n_outputs

    @property
    def n_inputs(self) -> int:
        """Width of its input."""
        return int(self.weight.shape[1]) - self.n_outputs

    @property
    def n_outputs(self) -> int:
        """Number of units."""
        return len(self.bias) // 4


@dataclass(frozen=True, slots=True, eq=False)
class LSTM(_Recurrent):
    """Long short-term memory; gates in the order input, forget, cell, output.

    Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).

    Attributes:
        weight: Shape `[4 * n_outputs, n_inputs + n_outputs]`, the columns of the inputs first.
        bias: Shape `[4 * n_outputs]`.
    """

    kind = "lstm"
    gates = 4

    def __call__(self, frames: Array) -> Array:
        """`[n_frames, n_inputs]` to `[n_frames, n_outputs]`."""
        n = self.n_outputs
        of_input, of_state = np.split(self.matrix.T, [frames.shape[1]])
        inputs = frames @ of_input + self.bias
        out = np.empty((len(frames), n), np.float32)
        state, cell = np.zeros(n, np.float32), np.zeros(n, np.float32)
        for i, row in enumerate(inputs):
            gates = row + state @ of_state
            # One call for all gates: tanh(x) = 2 sigmoid(2 x) - 1.
            gates[2 * n : 3 * n] *= 2.0
            gates = _sigmoid(gates)
            input_gate, forget_gate, new, output_gate = gates.reshape(4, n)
            cell = forget_gate * cell + input_gate * (2.0 * new - 1.0)
            state = output_gate * np.tanh(cell)
            out[i] = state
        return out


@dataclass(frozen=True, slots=True, eq=False)
class GRU(_Recurrent):
    """Gated recurrent unit; gates in the order reset, update, new.

    Cho et al. (2014), in the variant whose reset gate multiplies the recurrent part of the new
    gate.

    Attributes:
        weight: Shape `[3 * n_outputs, n_inputs + n_outputs]`, the columns of the inputs first.
        bias: Shape `[4 * n_outputs]`: reset, update, new from the inputs, new from the state.
    """

    kind = "gru"
    gates = 3

    def __call__(self, frames: Array) -> Array:
        """`[n_frames, n_inputs]` to `[n_frames, n_outputs]`."""
        n = self.n_outputs
        of_input, of_state = np.split(self.matrix.T, [frames.shape[1]])
        inputs = frames @ of_input + self.bias[: 3 * n]
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
class AttentionPooling(WeightedLayer):
    """The mean of the frames, weighted by the softmax over time of `weight @ tanh(frame)`.

    Zhou et al., *Attention-Based Bidirectional LSTM Networks for Relation Classification* (2016),
    equations 9 to 11.

    Attributes:
        weight: Shape `[1, n_inputs]`.
        bias: Shape `[0]`: the softmax would cancel one.
    """

    bias: Array = field(default_factory=lambda: np.zeros(0, np.float32))

    kind = "attention"
    pools = True

    @staticmethod
    def weight_shape(n_inputs: int, n_outputs: int, values: Mapping[str, Any]) -> tuple[int, int]:
        """`[1, n_inputs]`."""
        return 1, n_inputs

    @staticmethod
    def n_biases(n_outputs: int) -> int:
        """None."""
        return 0

    @property
    def n_inputs(self) -> int:
        """Width of its input."""
        return int(self.weight.shape[1])

    @property
    def n_outputs(self) -> int:
        """Width of its output: that of its input."""
        return self.n_inputs

    def __call__(self, frames: Array) -> Array:
        """`[n_frames, n_inputs]` to `[1, n_inputs]`."""
        scores = self._times(np.tanh(frames))
        shares = np.exp(scores - scores.max())
        pooled: Array = shares.T @ frames / shares.sum()
        return pooled


@dataclass(frozen=True, slots=True, eq=False)
class MeanPooling(Layer):
    """The mean of the frames."""

    kind = "mean"
    pools = True

    def __call__(self, frames: Array) -> Array:
        """`[n_frames, n_inputs]` to `[1, n_inputs]`."""
        mean: Array = frames.mean(axis=0, keepdims=True)
        return mean


LAYERS: dict[str, type[Layer]] = {
    layer.kind: layer for layer in (Dense, Convolution, LSTM, GRU, AttentionPooling, MeanPooling)
}
"""Every type of layer, by its kind."""


def weighted(layers: Iterable[Layer]) -> tuple[WeightedLayer, ...]:
    """The layers that have weights."""
    return tuple(layer for layer in layers if isinstance(layer, WeightedLayer))


def _sigmoid(values: Array) -> Array:
    # By tanh, which cannot overflow.
    halved: Array = np.tanh(np.float32(0.5) * values)
    halved += np.float32(1.0)
    halved *= np.float32(0.5)
    return halved
