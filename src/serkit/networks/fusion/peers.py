"""The networks that AMSER is compared with in its Tables I and II."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from serkit.networks.fusion.attention import AttentionBlock, AttentionPooling
from serkit.networks.fusion.encoders import AveragedFrames, Recurrent
from serkit.networks.fusion.network import FusionNetwork
from serkit.networks.fusion.rows import Rows


class JointEncoding(FusionNetwork):
    """A transformer that encodes both modalities, the speech modulated by the text at each layer.

    Delbrouck et al., *A Transformer-based Joint-encoding for Emotion Recognition and Sentiment
    Analysis* (2020; UMONS). Unlike in `CoAttention`, a layer of the speech is guided by the output
    of the same layer of the text; both are pooled by attention (one glimpse), added and normalised.
    Without glimpse layers between the blocks.

    Args:
        n_labels: Number of classes.
        n_mels: Mel bands.
        text_width: Width of the text vectors.
        stride: Frames that are averaged to one.
        width: Width of the LSTMs and of all attention.
        heads: Attention heads.
        layers: Number of layers.
        dropout: Probability of dropping an output of a layer.
        missing: See `FusionNetwork`.
    """

    def __init__(
        self,
        n_labels: int,
        *,
        n_mels: int = 80,
        text_width: int = 1024,
        stride: int = 8,
        width: int = 256,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
        **missing: float,
    ) -> None:
        super().__init__(width, **missing)
        self.encode_speech = nn.Sequential(
            AveragedFrames(stride), Recurrent(nn.LSTM, n_mels, width)
        )
        self.encode_text = Recurrent(nn.LSTM, text_width, width)
        self.of_text = nn.ModuleList(
            AttentionBlock(width, heads, guided=False, dropout=dropout) for _ in range(layers)
        )
        self.of_speech = nn.ModuleList(
            AttentionBlock(width, heads, guided=True, dropout=dropout) for _ in range(layers)
        )
        self.pool_text, self.pool_speech = AttentionPooling(width), AttentionPooling(width)
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, n_labels)

    def fuse(self, speech: Rows, text: Rows) -> Tensor:
        """Normalised sum of both, shape `[n, width]`."""
        for of_text, of_speech in zip(self.of_text, self.of_speech, strict=True):
            text = of_text(text)
            speech = of_speech(speech, text)
        fused: Tensor = self.norm(self.pool_speech(speech) + self.pool_text(text))
        return fused


class Alignment(FusionNetwork):
    """Attention that aligns the frames of speech with each word.

    Xu et al., *Learning Alignment for Multimodal Emotion Recognition from Speech* (2019):
    bidirectional LSTMs of both; for each word, a mean of the frames weighted by additive attention;
    a bidirectional LSTM on words and their aligned speech; the maximum over the words; two layers.

    Args:
        n_labels: Number of classes.
        n_mels: Mel bands.
        text_width: Width of the text vectors.
        stride: Frames that are averaged to one.
        width: Width of all layers; even.
        dropout: Probability of dropping an input of the last layers.
        missing: See `FusionNetwork`.
    """

    def __init__(
        self,
        n_labels: int,
        *,
        n_mels: int = 80,
        text_width: int = 1024,
        stride: int = 4,
        width: int = 256,
        dropout: float = 0.1,
        **missing: float,
    ) -> None:
        super().__init__(width, **missing)
        self.encode_speech = nn.Sequential(
            AveragedFrames(stride), Recurrent(nn.LSTM, n_mels, width, both_ways=True)
        )
        self.encode_text = Recurrent(nn.LSTM, text_width, width, both_ways=True)
        self.of_frame = nn.Linear(width, width)
        self.of_word = nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)
        self.joint = Recurrent(nn.LSTM, 2 * width, width, both_ways=True)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(width, width)
        self.output = nn.Linear(width, n_labels)

    def fuse(self, speech: Rows, text: Rows) -> Tensor:
        """Shape `[n, width]`."""
        # [n, n_words, n_frames, width]
        pairs = self.of_word(text.values)[:, :, None] + self.of_frame(speech.values)[:, None]
        scores = self.score(pairs.tanh())[..., 0]
        scores = scores.masked_fill(~speech.inside[:, None], -torch.inf)
        aligned = torch.matmul(scores.softmax(dim=2), speech.zeroed)
        words = self.joint(Rows(torch.cat((aligned, text.values), dim=2), text.counts))
        hidden: Tensor = self.hidden(self.dropout(words.maximum)).relu()
        return hidden


class DualEncoder(FusionNetwork):
    """Two recurrent encoders, whose last states are projected and concatenated.

    Yoon, Byun and Jung, *Multimodal Speech Emotion Recognition Using Audio and Text* (2018), MDRE,
    without its prosodic features.

    Args:
        n_labels: Number of classes.
        n_mels: Mel bands.
        text_width: Width of the text vectors.
        stride: Frames that are averaged to one.
        width: Units of each encoder.
        dropout: Probability of dropping an input of the last layers.
        missing: See `FusionNetwork`.
    """

    def __init__(
        self,
        n_labels: int,
        *,
        n_mels: int = 80,
        text_width: int = 1024,
        stride: int = 4,
        width: int = 256,
        dropout: float = 0.1,
        **missing: float,
    ) -> None:
        super().__init__(width, **missing)
        self.encode_speech = nn.Sequential(AveragedFrames(stride), Recurrent(nn.GRU, n_mels, width))
        self.encode_text = Recurrent(nn.GRU, text_width, width)
        self.of_speech = nn.Linear(width, width)
        self.of_text = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * width, n_labels)

    def fuse(self, speech: Rows, text: Rows) -> Tensor:
        """Shape `[n, 2 * width]`."""
        parts = self.of_speech(self.dropout(speech.last)), self.of_text(self.dropout(text.last))
        return torch.cat(parts, dim=1).tanh()


class MultiHop(FusionNetwork):
    """Attention in two hops: the speech picks words, and what it picked picks frames.

    Yoon et al., *Speech Emotion Recognition Using Multi-hop Attention Mechanism* (2019), MHA-2:
    bidirectional GRUs of both; the summary of the speech attends to the words (hop 1); the result
    attends to the frames (hop 2); both results are concatenated.

    Args:
        n_labels: Number of classes.
        n_mels: Mel bands.
        text_width: Width of the text vectors.
        stride: Frames that are averaged to one.
        width: Width of the encoders; even.
        dropout: Probability of dropping an input of the last layer.
        missing: See `FusionNetwork`.
    """

    def __init__(
        self,
        n_labels: int,
        *,
        n_mels: int = 80,
        text_width: int = 1024,
        stride: int = 4,
        width: int = 256,
        dropout: float = 0.1,
        **missing: float,
    ) -> None:
        super().__init__(width, **missing)
        self.frames = Recurrent(nn.GRU, n_mels, width, both_ways=True)
        self.encode_speech = nn.Sequential(AveragedFrames(stride), self.frames)
        self.encode_text = Recurrent(nn.GRU, text_width, width, both_ways=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * width, n_labels)

    def fuse(self, speech: Rows, text: Rows) -> Tensor:
        """Shape `[n, 2 * width]`."""
        words = _attended(self.frames.summary(speech), text)
        frames = _attended(words, speech)
        fused: Tensor = self.dropout(torch.cat((words, frames), dim=1))
        return fused


def _attended(query: Tensor, rows: Rows) -> Tensor:
    """Mean of the rows weighted by the softmax of their products with a query `[n, width]`."""
    scores = torch.matmul(rows.values, query[..., None])
    weights = scores.masked_fill(~rows.inside[..., None], -torch.inf).softmax(dim=1)
    mean: Tensor = (weights * rows.zeroed).sum(dim=1)
    return mean
