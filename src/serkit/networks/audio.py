"""Classifiers of sound from the library `transformers`, with their preprocessing in the network.

The preprocessing is that of the feature extractors of `transformers`, from samples at 16 kHz.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from serkit.features.mel import mel_filter_bank

_FRAME, _HOP = 400, 160


class Normaliser(nn.Module):
    """Samples of zero mean and unit variance, as `Wav2Vec2FeatureExtractor` with `do_normalize`."""

    def forward(self, samples: Tensor) -> Tensor:
        """Normalise each row.

        Args:
            samples: Shape `[n, n_samples]`.
        """
        centred = samples - samples.mean(dim=1, keepdim=True)
        return centred / torch.sqrt((centred * centred).mean(dim=1, keepdim=True) + 1e-7)


class _PowerSpectrum(nn.Module):
    """Power of the Fourier transform of linearly preprocessed frames, as a convolution.

    Args:
        preprocessing: Matrix that a frame is multiplied with, shape `[400, 400]`.
        n_fft: Length of the transform.
    """

    def __init__(self, preprocessing: NDArray[np.float64], n_fft: int) -> None:
        super().__init__()
        phases = 2.0 * np.pi * np.outer(np.arange(n_fft // 2 + 1), np.arange(_FRAME)) / n_fft
        parts = np.concatenate((np.cos(phases), np.sin(phases))) @ preprocessing
        self.register_buffer("filters", torch.tensor(parts[:, None], dtype=torch.float32))

    def forward(self, samples: Tensor) -> Tensor:
        """Power of each frame, shape `[n, n_fft // 2 + 1, n_frames]`."""
        real, imaginary = functional.conv1d(
            samples[:, None], self.get_buffer("filters"), stride=_HOP
        ).chunk(2, dim=1)
        return real * real + imaginary * imaginary


class WhisperLogMel(nn.Module):
    """Whisper's log-mel spectrogram of a fixed length, as `WhisperFeatureExtractor`.

    Args:
        n_mels: Mel bands.
        n_frames: Frames; shorter sounds are padded with silence, longer ones are cut off.
    """

    def __init__(self, n_mels: int, n_frames: int) -> None:
        super().__init__()
        window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_FRAME) / _FRAME)
        self.spectrum = _PowerSpectrum(np.diag(window), _FRAME)
        self.n_samples = n_frames * _HOP
        bank = np.array(mel_filter_bank(n_mels, n_fft=_FRAME))
        self.register_buffer("bank", torch.tensor(bank))

    def forward(self, samples: Tensor) -> Tensor:
        """Compute the spectrogram.

        Args:
            samples: Shape `[n, n_samples]`.

        Returns:
            Shape `[n, n_mels, n_frames]`.
        """
        samples = functional.pad(samples, (0, self.n_samples - samples.shape[1]))
        samples = functional.pad(samples[:, None], (_FRAME // 2, _FRAME // 2), mode="reflect")[:, 0]
        power = self.spectrum(samples)[:, :, :-1]
        log_mel = torch.log10(torch.clamp(self.get_buffer("bank") @ power, min=1e-10))
        peak = log_mel.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(log_mel, peak - 8.0) + 4.0) / 4.0


class KaldiLogMel(nn.Module):
    """Kaldi's log-mel filter bank of a fixed length, as `ASTFeatureExtractor`.

    Args:
        n_mels: Mel bands.
        n_frames: Frames; shorter sounds are padded with zeros, longer ones are cut off.
        mean: Subtracted from the values, the padding included.
        std: Half of what they are divided by.
    """

    def __init__(self, n_mels: int, n_frames: int, mean: float = 0.0, std: float = 0.5) -> None:
        super().__init__()
        emphasis = np.eye(_FRAME) - 0.97 * np.eye(_FRAME, k=-1)
        emphasis[0, 0] = 1.0 - 0.97
        window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_FRAME) / (_FRAME - 1))
        centring = np.eye(_FRAME) - 1.0 / _FRAME
        self.spectrum = _PowerSpectrum(np.diag(window) @ emphasis @ centring, 512)
        self.n_frames, self.mean, self.std = n_frames, mean, std
        self.register_buffer("bank", torch.tensor(_kaldi_bank(n_mels), dtype=torch.float32))

    def forward(self, samples: Tensor) -> Tensor:
        """Compute the filter bank.

        Args:
            samples: Shape `[n, n_samples]`.

        Returns:
            Shape `[n, n_frames, n_mels]`.
        """
        power = self.spectrum(samples)
        energies = self.get_buffer("bank") @ power
        values = torch.log(torch.clamp(energies, min=1.192092955078125e-07)).transpose(1, 2)
        values = functional.pad(values, (0, 0, 0, self.n_frames - values.shape[1]))
        return (values - self.mean) / (2.0 * self.std)


def _kaldi_bank(n_mels: int) -> NDArray[np.float64]:
    """Kaldi's filters from 20 Hz to 8 kHz, triangular on its mel scale, shape `[n_mels, 257]`."""

    def mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1127.0 * np.log(1.0 + hz / 700.0)

    low, high = mel(np.array([20.0, 8000.0]))
    edges = np.linspace(low, high, n_mels + 2)
    bins = mel(np.arange(257) * 16_000 / 512)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bank: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return bank


class DenseHead(nn.Module):
    """A transformer with mean pooling and a head of two layers: dense, tanh, linear.

    The head of the models `Wav2Vec2ForSpeechClassification` on the hub, such as audEERING's for
    arousal, dominance and valence (Wagner et al., *Dawn of the Transformer Era in Speech Emotion
    Recognition*, 2023), whose class is not part of `transformers`. Its parts have the names in
    their files.

    Args:
        base_name: Name of the transformer in the file, such as `wav2vec2`.
        base: The transformer.
        width: Width of its hidden states.
        n_labels: Number of outputs.
    """

    def __init__(self, base_name: str, base: nn.Module, width: int, n_labels: int) -> None:
        super().__init__()
        self.base_name = base_name
        self.add_module(base_name, base)
        self.classifier = nn.ModuleDict(
            {"dense": nn.Linear(width, width), "out_proj": nn.Linear(width, n_labels)}
        )

    def forward(self, samples: Tensor) -> Tensor:
        """The outputs, shape `[n, n_labels]`."""
        states = self.get_submodule(self.base_name)(samples).last_hidden_state
        hidden = torch.tanh(self.classifier["dense"](states.mean(dim=1)))
        logits: Tensor = self.classifier["out_proj"](hidden)
        return logits


class AudioClassifier(nn.Module):
    """A classifier of sound that also gives the input of its last layer.

    Args:
        front_end: From samples to the input of the network.
        network: A classifier of `transformers`, or a `DenseHead`. Its last layer is taken out.
        last: Name of its last layer, linear.
    """

    def __init__(self, front_end: nn.Module, network: nn.Module, last: str) -> None:
        super().__init__()
        self.front_end = front_end
        layer = network.get_submodule(last)
        if not isinstance(layer, nn.Linear):
            raise TypeError(f"{last} is {type(layer).__name__}; expected a linear layer")
        self.last = layer
        self.width = layer.in_features
        parent, _, name = last.rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity())
        self.network = network

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Classify sounds.

        Args:
            samples: Mono at 16 kHz, shape `[n, n_samples]`, float32.

        Returns:
            Outputs of the last layer, shape `[n, n_labels]`, and its input, `[n, width]`.
        """
        found = self.network(self.front_end(samples))
        embeddings = found if isinstance(found, Tensor) else found.logits
        return self.last(embeddings), embeddings
