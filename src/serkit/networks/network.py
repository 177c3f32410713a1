"""A network of layers, with dropout between them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from serkit.networks.layers import Counts, Layer


class LayeredNetwork(nn.Module):
    """A network of layers.

    Args:
        layers: The layers, input first.
        dropout: Probability of dropping an input of any layer but the first and the poolings.
        input_dropout: Probability of dropping a feature.
    """

    def __init__(
        self, layers: Sequence[Layer], *, dropout: float = 0.0, input_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(dropout)
        self.input_dropout = nn.Dropout(input_dropout)

    def forward(self, features: Tensor, lengths: Counts = None) -> Tensor:
        """Logits of standardised features.

        Args:
            features: Shape `[batch, n_features]`, or `[batch, n_features, n_frames]`.
            lengths: Number of frames of each recording, shape `[batch]`, int64; None for vectors.

        Returns:
            Shape `[batch, n_labels]`.
        """
        rows: Tensor = features
        counts = lengths
        if lengths is not None:
            rows = features[..., : int(lengths.max())].transpose(1, 2)
        rows = self.input_dropout(rows)
        for i, layer in enumerate(self.layers):
            if i and not layer.pools:
                rows = self.dropout(rows)
            rows, counts = layer(rows, counts)
        return rows
