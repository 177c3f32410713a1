"""PyTorch definitions of the networks, nothing else."""

from serkit.networks.families import attention_gru, cnn, lstm, mlp
from serkit.networks.layers import GRU, LSTM, AttentionPooling, Convolution, Dense, MeanPooling
from serkit.networks.network import LayeredNetwork

__all__ = [
    "GRU",
    "LSTM",
    "AttentionPooling",
    "Convolution",
    "Dense",
    "LayeredNetwork",
    "MeanPooling",
    "attention_gru",
    "cnn",
    "lstm",
    "mlp",
]
