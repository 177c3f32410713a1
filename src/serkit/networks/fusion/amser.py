"""AMSER's network on speech and text, and its acoustic branch alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from serkit.networks.fusion.attention import AttentionBlock
from serkit.networks.fusion.encoders import AveragedFrames, Projection, SpectrogramEncoder
from serkit.networks.fusion.network import FusionNetwork
from serkit.networks.fusion.rows import Rows


class Acoustic(FusionNetwork):
    """AMSER's acoustic branch alone: the mean over the outputs of its LSTM; text is ignored.

    Args:
        n_labels: Number of classes.
        n_mels: Mel bands.
        text_width: Ignored.
        stride: Frames that are averaged to one.
        channels: Output channels of each Conv-BatchNorm-ReLU block.
        width: Units of the LSTM.
        dropout: Probability of dropping an input of the last layer.
    """

    def __init__(
        self,
        n_labels: int,
        *,
        n_mels: int = 80,
        text_width: int = 1,
        stride: int = 1,
        channels: Sequence[int] = (32, 64, 128),
        width: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(width)
        self.encode_speech = nn.Sequential(
            AveragedFrames(stride), SpectrogramEncoder(n_mels, channels, width)
        )
        self.encode_text = nn.Identity()
        self.without_text = nn.Identity()  # type: ignore[assignment]
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, n_labels)

    def fuse(self, speech: Rows, text: Rows) -> Tensor:
        """Mean of the speech, shape `[n, width]`."""
        pooled: Tensor = self.dropout(speech.mean)
        return pooled


class CoAttention(FusionNetwork):
    """AMSER's network: co-attention of text and speech, concatenation, a linear classifier.

    Lu et al., *AMSER* (2024), IV.B and Figures 3 and 4. The text passes through a stack of
    self-attention (the encoder); the speech through a stack of self- and guided attention (the
    decoder), each of whose layers is guided by the final output of the first stack. The paper does
    not say which modality is first, nor the sizes: the text is, since its knowledge is to be
    brought into that of the data.

    Args:
        n_labels: Number of classes.
        n_mels: Mel bands.
        text_width: Width of the text vectors: 1024 for RoBERTa-large.
        stride: Frames that are averaged to one.
        channels: Output channels of each Conv-BatchNorm-ReLU block.
        width: Width of the LSTM and of all attention.
        heads: Attention heads.
        layers: Layers of each stack.
        dropout: Probability of dropping an output of a layer.
        missing: See `FusionNetwork`.
    """

    def __init__(
        self,
        n_labels: int,
        *,
        n_mels: int = 80,
        text_width: int = 1024,
        stride: int = 1,
        channels: Sequence[int] = (32, 64, 128),
        width: int = 256,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
        **missing: float,
    ) -> None:
        super().__init__(width, **missing)
        self.encode_speech = nn.Sequential(
            AveragedFrames(stride), SpectrogramEncoder(n_mels, channels, width)
        )
        self.encode_text = Projection(text_width, width)
        self.first = nn.ModuleList(
            AttentionBlock(width, heads, guided=False, dropout=dropout) for _ in range(layers)
        )
        self.second = nn.ModuleList(
            AttentionBlock(width, heads, guided=True, dropout=dropout) for _ in range(layers)
        )
        self.output = nn.Linear(2 * width, n_labels)

    def fuse(self, speech: Rows, text: Rows) -> Tensor:
        """Means of both stacks, shape `[n, 2 * width]`."""
        for block in self.first:
            text = block(text)
        for block in self.second:
            speech = block(speech, text)
        return torch.cat((speech.mean, text.mean), dim=1)
