"""The convolutional feature encoder of HuBERT and wav2vec 2.0 as products of matrices.

It computes what that of transformers does, with time before channels: a convolution is one product
of frames by weights, which processors compute faster than a convolution, above all in integers. The
group norm of the first layer goes into its weights.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

QUICK_GELU = 1.702
"""`x * sigmoid(1.702 x)` is GELU within 0.02 (Hendrycks and Gimpel, 2016)."""


class FeatureEncoder(nn.Module):
    """The feature encoder of a pretrained model, for export.

    Args:
        layers: Its layers: `conv`, `activation` (GELU) and, in some, `layer_norm`.
        quick: Approximate GELU by `x * sigmoid(1.702 x)`, of which integers need a table only.

    Raises:
        ValueError: The layers are not as those of HuBERT or wav2vec 2.0.
    """

    def __init__(self, layers: nn.ModuleList, *, quick: bool = False) -> None:
        super().__init__()
        first, *others = layers
        if not fits(layers):
            raise ValueError("expected the feature encoder of HuBERT or wav2vec 2.0")
        norm = getattr(first, "layer_norm", None)
        self.first = (
            _NormalisedFrames(cast(nn.Conv1d, first.conv), norm)
            if isinstance(norm, nn.GroupNorm)
            else _Rows(cast(nn.Conv1d, first.conv), norm)
        )
        self.others = nn.ModuleList(
            _Rows(cast(nn.Conv1d, layer.conv), getattr(layer, "layer_norm", None))
            for layer in others
        )
        self.quick = quick

    def forward(self, samples: Tensor) -> Tensor:
        """Features of sound.

        Args:
            samples: Shape `[n, n_samples]`.

        Returns:
            Shape `[n, width, n_frames]`.
        """
        rows = self._activated(self.first(samples[:, :, None]))
        for layer in self.others:
            rows = self._activated(layer(rows))
        return rows.transpose(1, 2)

    def _activated(self, rows: Tensor) -> Tensor:
        if self.quick:
            return rows * torch.sigmoid(QUICK_GELU * rows)
        return nn.functional.gelu(rows)


def fits(layers: nn.ModuleList) -> bool:
    """Whether `FeatureEncoder` computes these layers."""
    for i, layer in enumerate(layers):
        conv, norm = getattr(layer, "conv", None), getattr(layer, "layer_norm", None)
        if not isinstance(conv, nn.Conv1d) or (i == 0) != (conv.in_channels == 1):
            return False
        plain = conv.padding == (0,) and conv.dilation == (1,) and conv.groups == 1
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        if not plain or not stride <= kernel <= 2 * stride:
            return False
        if isinstance(norm, nn.GroupNorm):
            if i or norm.num_groups != conv.out_channels or not norm.affine:
                return False
        elif norm is not None and not isinstance(norm, nn.LayerNorm):
            return False
        example = torch.linspace(-2.0, 2.0, 9)
        activation = getattr(layer, "activation", None)
        if not callable(activation):
            return False
        if not torch.allclose(activation(example), nn.functional.gelu(example), atol=1e-6):
            return False
    return len(layers) > 0


class _Rows(nn.Module):
    """A convolution over rows `[n, n_frames, n_inputs]`, then a layer norm if there is one."""

    def __init__(self, conv: nn.Conv1d, norm: nn.Module | None) -> None:
        super().__init__()
        self.kernel, self.stride = conv.kernel_size[0], conv.stride[0]
        weight = conv.weight.detach()  # [n_outputs, n_inputs, kernel]
        rows = weight.permute(2, 1, 0).reshape(-1, weight.shape[0])
        self.weight = nn.Parameter(rows.contiguous(), requires_grad=False)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())
        self.norm = norm

    def forward(self, rows: Tensor) -> Tensor:
        product = _frames(rows, self.kernel, self.stride) @ self.weight
        if self.bias is not None:
            product = product + self.bias
        return product if self.norm is None else self.norm(product)


class _NormalisedFrames(nn.Module):
    """A convolution of samples and its group norm, with a group per channel.

    Mean and variance of a channel over time are `w m` and `w' C w`, for the mean m and the
    covariance C of the frames of samples; so they scale the weights, and the large output is
    written once.
    """

    def __init__(self, conv: nn.Conv1d, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.kernel, self.stride = conv.kernel_size[0], conv.stride[0]
        # The bias of the convolution is subtracted with the mean.
        self.weight = nn.Parameter(conv.weight.detach()[:, 0].clone(), requires_grad=False)
        self.norm = norm

    def forward(self, rows: Tensor) -> Tensor:
        frames = _frames(rows, self.kernel, self.stride)  # [n, n_frames, kernel]
        centred = frames - frames.mean(1, keepdim=True)
        covariance = centred.transpose(1, 2) @ centred / frames.shape[1]
        variance = ((self.weight @ covariance) * self.weight).sum(-1)  # [n, width]
        scale = self.norm.weight / torch.sqrt(variance + self.norm.eps)
        weight = (self.weight * scale[:, :, None]).transpose(1, 2)
        bias = self.norm.bias + torch.zeros_like(weight[:, :1])
        with_ones = torch.cat((centred, torch.ones_like(centred[:, :, :1])), 2)
        return with_ones @ torch.cat((weight, bias), 1)


def _frames(rows: Tensor, kernel: int, stride: int) -> Tensor:
    """The rows under a kernel of one to two strides, `[n, n_frames, kernel * width]`."""
    n, length, width = rows.shape
    n_frames = (length - kernel) // stride + 1
    blocks = rows[:, : n_frames * stride].reshape(n, n_frames, stride * width)
    rest = [rows[:, stride + i :: stride][:, :n_frames] for i in range(kernel - stride)]
    return torch.cat((blocks, *rest), 2) if rest else blocks
