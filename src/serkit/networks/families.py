"""The families of networks that Shinde et al. compare in their Figure 2.

Source: *Layer-Importance guided Adaptive Quantization for Efficient Speech Emotion Recognition*
(2024). The paper describes the multilayer perceptron alone; the other three are what their names
mean in the works it cites.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from serkit.networks.layers import (
    GRU,
    LSTM,
    AttentionPooling,
    Convolution,
    Dense,
    Layer,
    MeanPooling,
)


def mlp(
    n_inputs: int, hidden: Sequence[int], n_labels: int, *, activation: str = "relu"
) -> list[Layer]:
    """Fully connected layers with ReLU or tanh between them, on functionals.

    Section 3 of the paper: hidden layers of 256, 512 and 64 units.

    Args:
        n_inputs: Length of the feature vector.
        hidden: Width of each hidden layer; none makes it a linear classifier.
        n_labels: Number of classes.
        activation: Of the hidden layers, `relu` or `tanh`.
    """
    widths = [n_inputs, *hidden]
    return [*(Dense(a, b, activation) for a, b in pairwise(widths)), Dense(widths[-1], n_labels)]


def cnn(
    n_inputs: int, hidden: Sequence[int], n_labels: int, *, kernel: int, stride: int
) -> list[Layer]:
    """Convolutions over time with ReLU, the mean over time, and a linear classifier.

    Args:
        n_inputs: Features of a frame.
        hidden: Channels of each convolution.
        n_labels: Number of classes.
        kernel: Frames that each convolution sees; odd.
        stride: Frames between its outputs.
    """
    convolutions = (Convolution(a, b, kernel, stride) for a, b in pairwise([n_inputs, *hidden]))
    return [*convolutions, MeanPooling(), Dense(hidden[-1], n_labels)]


def lstm(n_inputs: int, hidden: Sequence[int], n_labels: int) -> list[Layer]:
    """LSTM layers, the mean of their outputs over time, and a linear classifier.

    Args:
        n_inputs: Features of a frame.
        hidden: Units of each LSTM layer.
        n_labels: Number of classes.
    """
    layers = (LSTM(a, b) for a, b in pairwise([n_inputs, *hidden]))
    return [*layers, MeanPooling(), Dense(hidden[-1], n_labels)]


def attention_gru(n_inputs: int, hidden: Sequence[int], n_labels: int) -> list[Layer]:
    """GRU layers, their outputs weighted over time by attention, and a linear classifier.

    Args:
        n_inputs: Features of a frame.
        hidden: Units of each GRU layer.
        n_labels: Number of classes.
    """
    layers = (GRU(a, b) for a, b in pairwise([n_inputs, *hidden]))
    return [*layers, AttentionPooling(hidden[-1]), Dense(hidden[-1], n_labels)]
