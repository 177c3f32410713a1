"""Learning on with rounded weights, so that the others make up for the rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations

from serkit.compression.quantizer import nearest_codes
from serkit.networks import LayeredNetwork, MeanPooling
from serkit.runtime import Layer, PackedWeight, WeightedLayer, weighted
from serkit.training import Optimiser
from serkit.training.conversion import to_runtime, to_torch
from serkit.training.loop import Examples, train


class Rounded(nn.Module):
    """A parametrisation that rounds a weight matrix to levels an equal step apart.

    Esser et al., *Learned Step Size Quantization* (2020), equations 1 to 5: rounding is passed
    over in the backward step, and the step size is learned with the weights.

    Args:
        packed: The weights rounded, whose step and bits are taken over.
    """

    def __init__(self, packed: PackedWeight) -> None:
        super().__init__()
        self.bits = packed.bits
        self.middle = float(packed.middle)
        # Logarithms stay positive however they are learned; a row of zeros has a step of nearly 0.
        steps = torch.from_numpy(packed.scale.copy()).clamp_min(1e-8)
        self.log_step = nn.Parameter(steps.log()[:, None])
        # Esser et al., 2.2: steps learn as fast as weights, though many weights pull at each.
        self.calm = (packed.size / len(packed.scale) * max(self.middle, 0.5)) ** -0.5

    @property
    def step(self) -> Tensor:
        """Shape `[n_rows, 1]` or `[1, 1]`."""
        calmed: Tensor = self.log_step * self.calm + (self.log_step * (1.0 - self.calm)).detach()
        return calmed.exp()

    def forward(self, weight: Tensor) -> Tensor:
        """The weights as they are stored, shape `[n_rows, n_columns]`."""
        step = self.step
        exact = (weight / step).clamp(-self.middle, self.middle)
        levels = torch.floor(exact.detach() + self.middle + 0.5).clamp(0.0, 2.0 * self.middle)
        rounded = exact + (levels - self.middle - exact).detach()
        return rounded * step

    def packed(self, weight: Tensor) -> PackedWeight:
        """What is stored of the weights that were learned."""
        with torch.no_grad():
            return nearest_codes(weight.numpy(), self.bits, self.step.numpy()[:, 0])


def fine_tune(
    exact: Sequence[Layer],
    rounded: Sequence[PackedWeight],
    training: Examples,
    validation: Examples,
    optimiser: Optimiser,
    *,
    dropout: float,
    input_dropout: float,
    seed: int,
) -> list[WeightedLayer]:
    """Learn on from rounded weights.

    Args:
        exact: The layers.
        rounded: The weights of those that have any, rounded.
        training: Standardised.
        validation: For stopping, if the optimiser stops early.
        optimiser: How it learns.
        dropout: Probability of dropping an input of a layer but the first.
        input_dropout: Probability of dropping a feature.
        seed: Of all that is random.

    Returns:
        The layers that have weights, quantised to the same bits.
    """
    torch.manual_seed(seed)
    made = [to_torch(layer) for layer in exact]
    learning = [module for module in made if not isinstance(module, MeanPooling)]
    rounding = [Rounded(packed) for packed in rounded]
    for module, one in zip(learning, rounding, strict=True):
        register_parametrization(module, "weight", one, unsafe=True)
    network = LayeredNetwork(made, dropout=dropout, input_dropout=input_dropout)
    train(network, training, validation, optimiser, seed=seed)
    stored = [
        one.packed(module.get_parameter("parametrizations.weight.original"))
        for module, one in zip(learning, rounding, strict=True)
    ]
    for module in learning:
        remove_parametrizations(module, "weight")
    learned = weighted(map(to_runtime, learning))
    return [replace(layer, weight=weight) for layer, weight in zip(learned, stored, strict=True)]
