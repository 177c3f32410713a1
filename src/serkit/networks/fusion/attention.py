"""Attention among rows and towards the rows of another sequence.

The paper writes equation 6 as softmax(q k^T / sqrt(k)) v, with the matrix of keys below the root.
It must be their width d_k: sqrt(d_k), as in Vaswani et al., *Attention Is All You Need* (2017).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from serkit.networks.fusion.rows import Rows


class Attention(nn.Module):
    """Multi-head attention of the rows of one sequence to those of another; AMSER, equation 6.

    Args:
        width: Width of the rows, a multiple of `heads`.
        heads: Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.joined = nn.Linear(width, width)

    def forward(self, values: Tensor, guide: Rows) -> Tensor:
        """Attend.

        Args:
            values: Shape `[n, n_rows, width]`.
            guide: The sequences of keys and values, each of at least one row.

        Returns:
            Shape `[n, n_rows, width]`.
        """
        n, n_rows, width = values.shape
        size = width // self.heads
        query = self.query(values).reshape(n, n_rows, self.heads, size).transpose(1, 2)
        pair = self.key_value(guide.values).reshape(n, guide.values.shape[1], 2, self.heads, size)
        key, value = pair.permute(2, 0, 3, 1, 4).unbind(0)
        scores = torch.matmul(query, key.transpose(2, 3)) * size**-0.5
        scores = scores.masked_fill(~guide.inside[:, None, None], -torch.inf)
        attended = torch.matmul(scores.softmax(dim=3), value)
        joined: Tensor = self.joined(attended.transpose(1, 2).reshape(n, n_rows, width))
        return joined


class AttentionBlock(nn.Module):
    """Self-attention, guided attention if there is a guide, and a feed-forward layer.

    Each is added to its input and normalised, as in Yu et al., *Deep Modular Co-Attention Networks
    for Visual Question Answering* (2019).

    Args:
        width: Width of the rows.
        heads: Attention heads.
        guided: Whether there is guided attention.
        dropout: Probability of dropping an output of a layer.
    """

    def __init__(self, width: int, heads: int, *, guided: bool, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.guided = Attention(width, heads) if guided else None
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 + guided))
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Rows, guide: Rows | None = None) -> Rows:
        """The same shape; `guide` is given if and only if the block is guided."""
        first, *_, last = self.norms
        values = first(rows.values + self.dropout(self.attention(rows.values, rows)))
        if self.guided is not None and guide is not None:
            values = self.norms[1](values + self.dropout(self.guided(values, guide)))
        wide = self.dropout(self.wide(values).relu())
        values = last(values + self.dropout(self.narrow(wide)))
        return Rows(values, rows.counts)


class AttentionPooling(nn.Module):
    """The mean of the rows, weighted by a small network on each.

    Args:
        width: Width of the rows.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.score = nn.Linear(width, 1)

    def forward(self, rows: Rows) -> Tensor:
        """`[n, n_rows, width]` to `[n, width]`."""
        scores = self.score(self.hidden(rows.values).relu())
        weights = scores.masked_fill(~rows.inside[..., None], -torch.inf).softmax(dim=1)
        pooled: Tensor = (weights * rows.zeroed).sum(dim=1)
        return pooled
