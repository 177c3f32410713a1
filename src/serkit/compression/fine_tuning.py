"""Quantisation-aware fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations

from serkit.compression.quantizer import nearest_codes
from serkit.networks import LayeredNetwork
from serkit.runtime import Layer, PackedWeight, WeightedLayer, weighted
from serkit.training import Optimiser
from serkit.training.conversion import to_runtime, to_torch
from serkit.training.loop import Examples, train


class Rounded(nn.Module):
    """A parametrisation that rounds a weight matrix to uniform levels.

    Esser et al., *Learned Step Size Quantization* (2020), equations 1 to 5: a straight-through
    estimator for the rounding, and a step size that is learned with the weights.

    Args:
        packed: The rounded weights, which give the initial step and the bits.
    """

    def __init__(self, packed: PackedWeight) -> None:
        super().__init__()
        self.bits = packed.bits
        self.middle = float(packed.middle)
        # The logarithm keeps the step positive; the step of a row of zeros is nearly 0.
        steps = torch.from_numpy(packed.scale.copy()).clamp_min(1e-8)
        self.log_step = nn.Parameter(steps.log()[:, None])
        # Gradient scale of the step (Esser et al., 2.2), whose gradient sums over many weights.
        self.gradient_scale = (packed.size / len(packed.scale) * max(self.middle, 0.5)) ** -0.5

    @property
    def step(self) -> Tensor:
        """Shape `[n_rows, 1]` or `[1, 1]`."""
        scale = self.gradient_scale
        scaled: Tensor = self.log_step * scale + (self.log_step * (1.0 - scale)).detach()
        return scaled.exp()

    def forward(self, weight: Tensor) -> Tensor:
        """The rounded weights, shape `[n_rows, n_columns]`."""
        step = self.step
        exact = (weight / step).clamp(-self.middle, self.middle)
        levels = torch.floor(exact.detach() + self.middle + 0.5).clamp(0.0, 2.0 * self.middle)
        rounded = exact + (levels - self.middle - exact).detach()
        return rounded * step

    def packed(self, weight: Tensor) -> PackedWeight:
        """The learned weights as codes and steps."""
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
    """Continue training with rounded weights.

    Args:
        exact: The layers before quantisation.
        rounded: The rounded weights of the layers that have weights.
        training: Standardised training data.
        validation: Standardised validation data, for early stopping.
        optimiser: Learning rate, epochs and schedule.
        dropout: Probability of dropping an input of any layer but the first.
        input_dropout: Probability of dropping a feature.
        seed: Seed of everything random.

    Returns:
        The layers with weights, quantised to the same bits.
    """
    torch.manual_seed(seed)
    modules = [to_torch(layer) for layer in exact]
    learning = [module for module in modules if hasattr(module, "weight")]
    rounding = [Rounded(packed) for packed in rounded]
    for module, one in zip(learning, rounding, strict=True):
        register_parametrization(module, "weight", one, unsafe=True)
    network = LayeredNetwork(modules, dropout=dropout, input_dropout=input_dropout)
    train(network, training, validation, optimiser, seed=seed)
    stored = [
        one.packed(module.get_parameter("parametrizations.weight.original"))
        for module, one in zip(learning, rounding, strict=True)
    ]
    for module in learning:
        remove_parametrizations(module, "weight")
    learned = weighted(map(to_runtime, learning))
    return [
        layer.with_parameters(weight, layer.bias)
        for layer, weight in zip(learned, stored, strict=True)
    ]
