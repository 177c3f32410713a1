"""Encoders of log-mel and of text vectors for fusion: sequences in, shorter or deeper ones out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from serkit.networks.fusion.rows import Rows, inside


class SpectrogramEncoder(nn.Module):
    """Conv-BatchNorm-ReLU blocks over time and frequency, then an LSTM over time.

    Lu et al., *AMSER* (2024), IV.B. Every block halves both axes.

    Args:
        n_mels: Mel bands.
        channels: Output channels of each block.
        width: Units of the LSTM.
    """

    def __init__(self, n_mels: int, channels: Sequence[int], width: int) -> None:
        super().__init__()
        sizes = [1, *channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False)
            for a, b in zip(sizes, channels, strict=False)
        )
        self.norms = nn.ModuleList(PaddedBatchNorm(n) for n in channels)
        for _ in channels:
            n_mels = -(-n_mels // 2)
        self.recurrent = Recurrent(nn.LSTM, channels[-1] * n_mels, width)

    def forward(self, frames: Rows) -> Rows:
        """`[n, n_frames, n_mels]` to `[n, ceil(n_frames / 2^n_blocks), width]`."""
        maps, counts = frames.zeroed.transpose(1, 2)[:, None], frames.counts
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            counts = (counts + 1) // 2
            maps = norm(convolution(maps), counts)
        n, n_channels, n_bands, n_frames = maps.shape
        rows = maps.permute(0, 3, 1, 2).reshape(n, n_frames, n_channels * n_bands)
        out: Rows = self.recurrent(Rows(rows, counts))
        return out


class PaddedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation and ReLU of maps, whose statistics leave out the padding."""

    def forward(self, maps: Tensor, counts: Tensor) -> Tensor:  # type: ignore[override]
        """Normalise.

        Args:
            maps: Shape `[n, n_channels, n_bands, n_frames]`.
            counts: Frames of each recording, shape `[n]`.

        Returns:
            The same shape, zeros in the padding.
        """
        mask = inside(counts, maps.shape[3])[:, None, None].to(maps.dtype)
        if not self.training:
            return super().forward(maps).relu() * mask
        total = (mask.sum() * maps.shape[2]).clamp(min=1.0)
        zeroed = maps * mask
        mean = zeroed.sum(dim=(0, 2, 3)) / total
        square = zeroed.square().sum(dim=(0, 2, 3)) / total
        variance = (square - mean.square()).clamp(min=0.0)
        with torch.no_grad():
            for running, new in ((self.running_mean, mean), (self.running_var, variance)):
                if running is not None:
                    running.lerp_(new.to(running.dtype), self.momentum or 0.1)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return torch.addcmul(shift[:, None, None], maps, scale[:, None, None]).relu() * mask


class Recurrent(nn.Module):
    """A recurrent layer, in one direction or in both.

    Args:
        kind: `nn.LSTM` or `nn.GRU`.
        n_inputs: Width of the inputs.
        width: Width of the outputs; half of it is of each of two directions.
        both_ways: Whether a second layer reads the sequences from their ends.
    """

    def __init__(
        self,
        kind: type[nn.LSTM] | type[nn.GRU],
        n_inputs: int,
        width: int,
        *,
        both_ways: bool = False,
    ) -> None:
        super().__init__()
        size = width // 2 if both_ways else width
        self.forth = kind(n_inputs, size, batch_first=True)
        self.back = kind(n_inputs, size, batch_first=True) if both_ways else None

    def forward(self, rows: Rows) -> Rows:
        """`[n, n_rows, n_inputs]` to `[n, n_rows, width]`."""
        forth = self.forth(rows.zeroed)[0]
        if self.back is None:
            return Rows(forth, rows.counts)
        reverse = Rows(rows.zeroed, rows.counts).reversed
        back = Rows(self.back(reverse.values)[0], rows.counts).reversed
        return Rows(torch.cat((forth, back.values), dim=2), rows.counts)

    def summary(self, rows: Rows) -> Tensor:
        """The last state of each direction, of outputs of `forward`, shape `[n, width]`."""
        if self.back is None:
            return rows.last
        size = rows.values.shape[2] // 2
        return torch.cat((rows.last[:, :size], rows.values[:, 0, size:]), dim=1)


class AveragedFrames(nn.Module):
    """The mean of every few frames, which shortens a spectrogram.

    Args:
        stride: Frames that are averaged.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, frames: Rows) -> Rows:
        """`[n, n_frames, n_mels]` to `[n, ceil(n_frames / stride), n_mels]`."""
        counts = (frames.counts + self.stride - 1) // self.stride
        padded = nn.functional.pad(frames.zeroed.transpose(1, 2), (0, self.stride - 1))
        sums = self.stride * nn.functional.avg_pool1d(padded, self.stride).transpose(1, 2)
        starts = torch.arange(sums.shape[1], device=sums.device) * self.stride
        # The last group of a recording may be shorter.
        sizes = (frames.counts[:, None] - starts).clamp(min=1, max=self.stride)
        return Rows(sums / sizes[..., None], counts)


class Projection(nn.Module):
    """A linear layer on every row.

    Args:
        n_inputs: Width of the inputs.
        width: Width of the outputs.
    """

    def __init__(self, n_inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_inputs, width)

    def forward(self, rows: Rows) -> Rows:
        """`[n, n_rows, n_inputs]` to `[n, n_rows, width]`."""
        return Rows(self.linear(rows.values), rows.counts)
