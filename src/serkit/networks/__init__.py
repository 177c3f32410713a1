"""PyTorch definitions of the networks, nothing else."""

from serkit.networks.families import attention_gru, cnn, lstm, mlp
from serkit.networks.feature_encoder import QUICK_GELU, FeatureEncoder, fits
from serkit.networks.layers import (
    GRU,
    LAYERS,
    LSTM,
    AttentionPooling,
    Convolution,
    Dense,
    Layer,
    MeanPooling,
)
from serkit.networks.network import LayeredNetwork
from serkit.networks.speech import (
    LogMelEncoder,
    SpeechClassifier,
    SpeechEncoder,
    TransformerEncoder,
)
from serkit.networks.text import PooledEncoder

__all__ = [
    "GRU",
    "LAYERS",
    "LSTM",
    "QUICK_GELU",
    "AttentionPooling",
    "Convolution",
    "Dense",
    "FeatureEncoder",
    "Layer",
    "LayeredNetwork",
    "LogMelEncoder",
    "MeanPooling",
    "PooledEncoder",
    "SpeechClassifier",
    "SpeechEncoder",
    "TransformerEncoder",
    "attention_gru",
    "cnn",
    "fits",
    "lstm",
    "mlp",
]
