"""PyTorch definitions of the networks, nothing else."""

from serkit.networks.mlp import MLP

__all__ = ["MLP"]
