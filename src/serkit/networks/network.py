"""Layers one after another, with what is dropped between them in training."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from serkit.networks.layers import AttentionPooling, Counts, MeanPooling


class LayeredNetwork(nn.Module):
    """Layers one after another.

    Args:
        layers: Of `serkit.networks.layers`, input first.
        dropout: Probability of dropping an input of a layer but the first; poolings get all.
        input_dropout: Probability of dropping a feature.
    """

    def __init__(
        self, layers: Sequence[nn.Module], *, dropout: float = 0.0, input_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(dropout)
        self.input_dropout = nn.Dropout(input_dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Logits `[batch, n_labels]` of standardised features.

        Args:
            features: Shape `[batch, n_features]`, or `[batch, n_features, n_frames]` with NaN
                beyond the last frame of a recording.
        """
        rows: Tensor = features
        counts: Counts = None
        if features.ndim == 3:
            counts = (~features[:, 0].isnan()).sum(dim=1)
            rows = features[..., : int(counts.max())].nan_to_num().transpose(1, 2)
        rows = self.input_dropout(rows)
        for i, layer in enumerate(self.layers):
            if i and not isinstance(layer, AttentionPooling | MeanPooling):
                rows = self.dropout(rows)
            rows, counts = layer(rows, counts)
        return rows
