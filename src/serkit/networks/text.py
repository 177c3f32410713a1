"""A pretrained transformer with pooling: tokens in, one vector out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PooledEncoder(nn.Module):
    """A transformer whose layers are pooled over the tokens and concatenated.

    Args:
        transformer: A model of `transformers` with the output `hidden_states`, of eager attention.
        pooling: `mean` over the tokens, or `cls` for the first token.
        layers: Layers to concatenate: 0 for the embeddings of the tokens, -1 for the last layer.
    """

    def __init__(self, transformer: nn.Module, pooling: str, layers: Sequence[int]) -> None:
        super().__init__()
        self.transformer = transformer
        self.pooling = pooling
        self.layers = tuple(layers)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embed texts.

        Args:
            input_ids: Token ids, shape `[n, n_tokens]`, int64.
            attention_mask: 1 for tokens of the text, 0 for padding, of the same shape.

        Returns:
            Shape `[n, width]`, float32.
        """
        keep = attention_mask.to(torch.float32)
        # A mask of four dimensions is used as it is; that of two is expanded by code that exports
        # to wrong graphs.
        added = (1.0 - keep[:, None, None, :]) * torch.finfo(torch.float32).min
        states = self.transformer(
            input_ids=input_ids, attention_mask=added, output_hidden_states=True
        ).hidden_states
        if self.pooling == "cls":
            return torch.cat([states[layer][:, 0] for layer in self.layers], dim=1)
        share = keep / keep.sum(dim=1, keepdim=True)
        # The rows of padding are multiplied by zero.
        return torch.cat([(share[:, :, None] * states[i]).sum(dim=1) for i in self.layers], dim=1)
