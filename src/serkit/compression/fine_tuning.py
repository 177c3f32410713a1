"""Learning on with rounded weights, so that the others make up for the rounding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from serkit.compression.quantizer import nearest_codes
from serkit.runtime import Dense, PackedWeight
from serkit.training import Optimiser
from serkit.training.loop import Examples, train


class RoundedLinear(nn.Module):
    """A fully connected layer whose weights are rounded to levels an equal step apart.

    Esser et al., *Learned Step Size Quantization* (2020), equations 1 to 5: rounding is passed
    over in the backward step, and the step size is learned with the weights.

    Args:
        layer: The layer before its weights were rounded.
        packed: The weights rounded, whose step and bits are taken over.
    """

    def __init__(self, layer: Dense, packed: PackedWeight) -> None:
        super().__init__()
        self.bits = packed.bits
        self.middle = float(packed.middle)
        self.activation = layer.activation
        self.weight = nn.Parameter(torch.from_numpy(layer.matrix.copy()))
        self.bias = nn.Parameter(torch.from_numpy(layer.bias.copy()))
        # Logarithms stay positive however they are learned; a row of zeros has a step of nearly 0.
        steps = torch.from_numpy(packed.scale.copy()).clamp_min(1e-8)
        self.log_step = nn.Parameter(steps.log()[:, None])
        # Esser et al., 2.2: steps learn as fast as weights, though many weights pull at each.
        self.calm = (packed.size / len(packed.scale) * max(self.middle, 0.5)) ** -0.5

    @property
    def step(self) -> Tensor:
        """Shape `[n_outputs, 1]` or `[1, 1]`."""
        calmed: Tensor = self.log_step * self.calm + (self.log_step * (1.0 - self.calm)).detach()
        return calmed.exp()

    def forward(self, rows: Tensor) -> Tensor:
        """Shape `[batch, n_inputs]` to `[batch, n_outputs]`."""
        step = self.step
        exact = (self.weight / step).clamp(-self.middle, self.middle)
        levels = torch.floor(exact.detach() + self.middle + 0.5).clamp(0.0, 2.0 * self.middle)
        rounded = exact + (levels - self.middle - exact).detach()
        out = nn.functional.linear(rows, rounded * step, self.bias)
        return out.relu() if self.activation == "relu" else out

    def packed(self) -> Dense:
        """The layer as it is stored."""
        with torch.no_grad():
            step = self.step.numpy()[:, 0]
            weight = nearest_codes(self.weight.numpy(), self.bits, step)
            return Dense(weight, self.bias.numpy().copy(), self.activation)


class _Rounded(nn.Module):
    def __init__(self, layers: Sequence[RoundedLinear], dropout: float, input_dropout: float):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(dropout)
        self.input_dropout = nn.Dropout(input_dropout)

    def forward(self, rows: Tensor) -> Tensor:
        rows = self.input_dropout(rows)
        for i, layer in enumerate(self.layers):
            rows = layer(self.dropout(rows) if i else rows)
        return rows


def fine_tune(
    exact: Sequence[Dense],
    rounded: Sequence[PackedWeight],
    training: Examples,
    validation: Examples,
    optimiser: Optimiser,
    *,
    dropout: float,
    input_dropout: float,
    seed: int,
) -> list[Dense]:
    """Learn on from rounded weights.

    Args:
        exact: The layers.
        rounded: Their weights, rounded.
        training: Standardised.
        validation: For stopping, if the optimiser stops early.
        optimiser: How it learns.
        dropout: Probability of dropping a hidden unit.
        input_dropout: Probability of dropping a feature.
        seed: Of all that is random.

    Returns:
        The layers, quantised to the same bits.
    """
    torch.manual_seed(seed)
    layers = [RoundedLinear(layer, packed) for layer, packed in zip(exact, rounded, strict=True)]
    network = _Rounded(layers, dropout, input_dropout)
    train(network, training, validation, optimiser, seed=seed)
    return [layer.packed() for layer in layers]
