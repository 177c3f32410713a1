"""Networks on waveforms: an encoder, the mean over its frames, and a head.

Ismail, *Mobile-Efficient Speech Emotion Recognition Using DistilHuBERT*, III.C. Padding of a batch
has no influence: every recording gives the logits that it gives alone.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from serkit.features import mel_filter_bank

Frozen = Literal["convolutions", "all", "none"]

_N_FFT = 512
_WINDOW = 400
_RESPONSE_POINTS = 6
_SILENCE = 1e-10

Encoded = tuple[Tensor, Tensor | None]


class SpeechEncoder(nn.Module):
    """An encoder of waveforms.

    Attributes:
        width: Width of its frames.
    """

    width: int

    def forward(self, samples: Tensor, lengths: Tensor | None = None) -> Encoded:
        """Encode waveforms.

        Args:
            samples: Mono at 16 kHz, zeros after the end of each, shape `[n, n_samples]`, float32.
            lengths: Number of samples of each recording, shape `[n]`, int64; None for all.

        Returns:
            Frames `[n, n_frames, width]`, and which of them are of the recording, not of its
            padding, `[n, n_frames]`, bool; None if all are.
        """
        raise NotImplementedError


class SpeechClassifier(nn.Module):
    """An encoder, the mean over the frames of a recording, and a head.

    Args:
        encoder: The encoder.
        n_labels: Number of classes.
        hidden: Width of a linear projection before the last layer, as in `transformers`; None for
            none.
        dropout: Probability of dropping an input of a layer of the head.
    """

    def __init__(
        self,
        encoder: SpeechEncoder,
        n_labels: int,
        *,
        hidden: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = nn.Linear(encoder.width, hidden) if hidden else nn.Identity()
        self.output = nn.Linear(hidden or encoder.width, n_labels)
        self.dropout = nn.Dropout(dropout)

    @property
    def embedding_width(self) -> int:
        """Width of the embeddings."""
        return self.output.in_features

    def forward(self, samples: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Classify waveforms.

        Args:
            samples: As for `SpeechEncoder.forward`.
            lengths: As for `SpeechEncoder.forward`.

        Returns:
            Logits `[n, n_labels]`, and embeddings, the input of the last layer,
            `[n, embedding_width]`.
        """
        frames, inside = self.encoder(samples, lengths)
        pooled = mean_inside(frames, inside)
        embedding = self.projection(self.dropout(pooled))
        return self.output(self.dropout(embedding)), embedding


def mean_inside(frames: Tensor, inside: Tensor | None) -> Tensor:
    """Mean over the frames of each recording.

    Args:
        frames: Shape `[n, n_frames, width]`.
        inside: Frames to count, shape `[n, n_frames]`, bool, at least one of each recording; None
            for all.

    Returns:
        Shape `[n, width]`.
    """
    if inside is None:
        return frames.mean(dim=1)
    weights = inside[..., None].to(frames.dtype)
    return (frames * weights).sum(dim=1) / weights.sum(dim=1)


class TransformerEncoder(SpeechEncoder):
    """A transformer of the HuBERT family; its frames are those of the last layer.

    Args:
        transformer: A model of `transformers` with a convolutional feature encoder, such as
            `HubertModel` or `Wav2Vec2Model`.
        frozen: Parts that are not trained: the feature encoder (`convolutions`, as in the paper),
            `all`, or `none`.
    """

    def __init__(self, transformer: nn.Module, frozen: Frozen = "convolutions") -> None:
        super().__init__()
        self.transformer = transformer
        self.width = int(_config(transformer).hidden_size)
        self.frozen = frozen
        convolutions: Any = transformer.feature_extractor
        first = convolutions.conv_layers[0]
        self._norm: PaddedGroupNorm | None = None
        if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
            self._norm = first.layer_norm = PaddedGroupNorm(first.layer_norm)
        if frozen == "convolutions":
            convolutions._freeze_parameters()  # torch keeps no activations of it either
        if frozen == "all":
            transformer.requires_grad_(False)
        mask = getattr(transformer, "masked_spec_embed", None)
        if mask is not None:  # of masked pre-training
            mask.requires_grad_(False)

    def train(self, mode: bool = True) -> TransformerEncoder:
        """As of any module; a frozen transformer stays in evaluation mode, without dropout."""
        super().train(mode)
        if self.frozen == "all":
            self.transformer.eval()
        return self

    def forward(self, samples: Tensor, lengths: Tensor | None = None) -> Encoded:
        """Encode waveforms, as `SpeechEncoder.forward`."""
        mask = None if lengths is None else _inside(lengths, samples.shape[1])
        if self._norm is not None:
            kernel, stride = (
                _config(self.transformer).conv_kernel,
                _config(self.transformer).conv_stride,
            )
            self._norm.counts = None if lengths is None else (lengths - kernel[0]) // stride[0] + 1
        with torch.set_grad_enabled(self.frozen != "all" and torch.is_grad_enabled()):
            frames = self.transformer(samples, attention_mask=mask).last_hidden_state
        if lengths is None:
            return frames, None
        counts = self.transformer._get_feat_extract_output_lengths(lengths)  # type: ignore[operator]
        return frames, _inside(counts, frames.shape[1])


class PaddedGroupNorm(nn.GroupNorm):
    """Group normalisation with one channel a group, over the frames before the padding.

    Args:
        norm: The normalisation to replace; its parameters are shared.

    Attributes:
        counts: Frames of each recording, shape `[n]`, int64; None for all.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__(norm.num_groups, norm.num_channels, norm.eps, norm.affine)
        self.weight, self.bias = norm.weight, norm.bias
        self.counts: Tensor | None = None

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise `[n, n_channels, n_frames]` over the frames of each channel."""
        if self.counts is None:
            return super().forward(rows)
        inside = _inside(self.counts, rows.shape[2])[:, None].to(torch.float32)
        total = inside.sum(dim=2, keepdim=True)
        exact = rows.float()
        mean = (exact * inside).sum(dim=2, keepdim=True) / total
        square = ((exact - mean).square() * inside).sum(dim=2, keepdim=True) / total
        out = (exact - mean) * torch.rsqrt(square + self.eps)
        return (out * self.weight[:, None] + self.bias[:, None]).to(rows.dtype)


class LogMelEncoder(SpeechEncoder):
    """A small convolution-attention network on log-mel, which is computed in the graph.

    Frames of 25 ms every `hop` samples; levels are relative to the loudest of the recording and cut
    off `range_db` below it, so that volume and a quiet noise floor have no influence. Two
    convolutions of stride 2; then blocks of a depthwise convolution, attention and a feed-forward
    layer, each normalised first and added (Gulati et al., *Conformer*, 2020, with one feed-forward
    layer).

    Args:
        n_mels: Mel bands.
        hop: Samples between frames.
        range_db: Dynamic range.
        width: Width of the blocks, a multiple of `heads`.
        blocks: Number of blocks.
        heads: Attention heads.
        kernel: Frames that a depthwise convolution sees; odd.
        dropout: Probability of dropping an output of a layer of a block.
        response_db: Standard deviation of a random frequency response that each recording is
            filtered with in training, at points between which it is linear in mel; microphones and
            codecs differ by such.
        masked_bands: Width of the band of mel bins that is masked in training, at most.
        masked_frames: Length of each of two stretches of frames masked in training, at most
            (Park et al., *SpecAugment*, 2019).
    """

    def __init__(
        self,
        *,
        n_mels: int = 64,
        hop: int = 256,
        range_db: float = 40.0,
        width: int = 96,
        blocks: int = 3,
        heads: int = 4,
        kernel: int = 15,
        dropout: float = 0.1,
        response_db: float = 0.0,
        masked_bands: int = 0,
        masked_frames: int = 0,
    ) -> None:
        super().__init__()
        self.width, self.hop = width, hop
        self.range_db, self.response_db = range_db, response_db
        self.masked_bands, self.masked_frames = masked_bands, masked_frames
        self.bank: Tensor
        self.window: Tensor
        bank = torch.from_numpy(mel_filter_bank(n_mels, n_fft=_N_FFT).copy())
        self.register_buffer("bank", bank, persistent=False)
        beside = (_N_FFT - _WINDOW) // 2
        window = nn.functional.pad(torch.hann_window(_WINDOW), (beside, beside))
        self.register_buffer("window", window, persistent=False)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(a, b, 5, stride=2, padding=2) for a, b in ((n_mels, width), (width, width))
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.blocks = nn.ModuleList(_Block(width, heads, kernel, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, samples: Tensor, lengths: Tensor | None = None) -> Encoded:
        """Encode waveforms, as `SpeechEncoder.forward`."""
        levels, inside = self.log_mel(samples, lengths)
        rows = self._masked(levels) if self.training else levels
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            rows = convolution(_zeroed(rows, inside).transpose(1, 2)).transpose(1, 2)
            rows = nn.functional.gelu(norm(rows))
            inside = None if inside is None else inside[:, ::2]
        for block in self.blocks:
            rows = block(rows, inside)
        return self.norm(rows), inside

    def log_mel(self, samples: Tensor, lengths: Tensor | None = None) -> Encoded:
        """Mel levels from -2, at `range_db` below the loudest of the recording, to 2, the loudest.

        Args:
            samples: As for `forward`.
            lengths: As for `forward`.

        Returns:
            Shape `[n, n_frames, n_mels]`, and which frames are of the recording, as `forward`.
        """
        power: Tensor = _Power.apply(  # type: ignore[no-untyped-call]
            samples, self.window, self.hop
        )
        mel = torch.matmul(power, self.bank.T)
        counts = None if lengths is None else (lengths - _N_FFT) // self.hop + 1
        inside = None if counts is None else _inside(counts, mel.shape[1])
        if self.training and self.response_db:
            mel = mel * self._responses(len(mel), mel.device)
        loudest = _zeroed(mel, inside).amax(dim=(1, 2), keepdim=True).clamp(min=_SILENCE)
        lowest = 10.0 ** (-self.range_db / 10.0)
        levels = torch.log((mel / loudest).clamp(min=lowest))
        return 2.0 - levels * (4.0 / math.log(lowest)), inside

    def _responses(self, n: int, device: torch.device) -> Tensor:
        """Random frequency responses as factors of power, shape `[n, 1, n_mels]`."""
        points = self.response_db * torch.randn(n, 1, _RESPONSE_POINTS, device=device)
        response = nn.functional.interpolate(
            points, size=len(self.bank), mode="linear", align_corners=True
        )
        return torch.pow(10.0, response / 10.0)

    def _masked(self, rows: Tensor) -> Tensor:
        """Levels with a random band and two random stretches of each recording set to 0."""
        n, n_frames, n_mels = rows.shape
        hidden = _stretch(n, n_mels, self.masked_bands, rows.device)[:, None]
        for _ in range(2):
            hidden = hidden | _stretch(n, n_frames, self.masked_frames, rows.device)[..., None]
        return rows.masked_fill(hidden, 0.0)


class _Power(torch.autograd.Function):
    """Squared magnitudes of a short-time Fourier transform without padding.

    Shape `[n, n_frames, n_bins]`; without a gradient, as samples need none. In ONNX it is the
    operator STFT, since torch's exporter knows no complex numbers.
    """

    @staticmethod
    def forward(ctx: Any, samples: Tensor, window: Tensor, hop: int) -> Tensor:
        """Compute them."""
        spectrum = torch.stft(
            samples, len(window), hop, window=window, center=False, return_complex=True
        )
        parts = torch.view_as_real(spectrum.transpose(1, 2))
        power: Tensor = parts[..., 0].square().addcmul_(parts[..., 1], parts[..., 1])
        return power

    @staticmethod
    def symbolic(g: Any, samples: Any, window: Any, hop: int) -> Any:
        """The same in ONNX."""
        size = window.type().sizes()[0]
        step, length = (g.op("Constant", value_t=torch.tensor(n)) for n in (hop, size))
        spectrum = g.op("STFT", samples, step, window, length)
        power = g.op("ReduceSumSquare", spectrum, axes_i=[3], keepdims_i=0)
        # Otherwise the sizes of the example would be constants of the graph.
        power.setType(samples.type().with_sizes([None, None, size // 2 + 1]))
        return power


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.local = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.attended = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor, inside: Tensor | None) -> Tensor:
        """Shape `[n, n_frames, width]` to the same."""
        local = _zeroed(self.norms[0](rows), inside).transpose(1, 2)
        rows = rows + self.dropout(nn.functional.gelu(self.local(local)).transpose(1, 2))
        rows = rows + self.dropout(self._attention(self.norms[1](rows), inside))
        wide = nn.functional.gelu(self.wide(self.norms[2](rows)))
        out: Tensor = rows + self.dropout(self.narrow(wide))
        return out

    def _attention(self, rows: Tensor, inside: Tensor | None) -> Tensor:
        n, n_frames, width = rows.shape
        parts = self.attended(rows).reshape(n, n_frames, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = torch.matmul(query, key.transpose(2, 3)) * (width // self.heads) ** -0.5
        if inside is not None:
            scores = scores.masked_fill(~inside[:, None, None], -torch.inf)
        attended = torch.matmul(scores.softmax(dim=3).to(value.dtype), value)
        joined: Tensor = self.joined(attended.transpose(1, 2).reshape(n, n_frames, width))
        return joined


def _stretch(n: int, size: int, most: int, device: torch.device) -> Tensor:
    """A random stretch of at most `most` of `size` places, per row, shape `[n, size]`, bool."""
    length = torch.randint(0, min(most, size) + 1, (n, 1), device=device)
    start = (torch.rand(n, 1, device=device) * (size - length + 1)).long()
    places = torch.arange(size, device=device)
    return (places >= start) & (places < start + length)


def _zeroed(rows: Tensor, inside: Tensor | None) -> Tensor:
    """Rows with zeros in the padding."""
    return rows if inside is None else rows * inside[..., None]


def _inside(counts: Tensor, size: int) -> Tensor:
    """Which places are below each count, shape `[n, size]`, bool."""
    return torch.arange(size, device=counts.device) < counts[:, None]


def _config(transformer: nn.Module) -> Any:
    return transformer.config
