"""The multilayer perceptron of Shinde et al."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Module):
    """Fully connected layers with ReLU and dropout between them.

    Source: Shinde et al., *Layer-Importance guided Adaptive Quantization for Efficient Speech
    Emotion Recognition* (2024), 3: hidden layers of 256, 512 and 64 units, dropout 0.1.

    Args:
        n_inputs: Length of the feature vector.
        hidden: Width of each hidden layer; none makes it a linear classifier.
        n_labels: Number of classes.
        dropout: Probability of dropping a hidden unit while training.
        input_dropout: Probability of dropping a feature while training.
    """

    def __init__(
        self,
        n_inputs: int,
        hidden: Sequence[int],
        n_labels: int,
        *,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input_dropout = nn.Dropout(input_dropout)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([n_inputs, *hidden]))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear([n_inputs, *hidden][-1], n_labels)

    def forward(self, features: Tensor) -> Tensor:
        """Logits `[batch, n_labels]` of standardised features `[batch, n_inputs]`."""
        rows = self.input_dropout(features)
        for layer in self.hidden:
            rows = self.dropout(layer(rows).relu())
        logits: Tensor = self.output(rows)
        return logits
