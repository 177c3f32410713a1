"""All networks on speech and text, by kind."""

from __future__ import annotations

from typing import Any

from serkit.networks.fusion.amser import Acoustic, CoAttention
from serkit.networks.fusion.network import FusionNetwork
from serkit.networks.fusion.peers import Alignment, DualEncoder, JointEncoding, MultiHop

FUSIONS: dict[str, type[FusionNetwork]] = {
    "acoustic": Acoustic,
    "amser": CoAttention,
    "umons": JointEncoding,
    "xu": Alignment,
    "yoon-dual": DualEncoder,
    "yoon-multihop": MultiHop,
}
"""Every network on speech and text, by its kind in a recipe."""


def make_fusion(kind: str, n_labels: int, **sizes: Any) -> FusionNetwork:
    """An untrained network.

    Args:
        kind: Key of `FUSIONS`.
        n_labels: Number of classes.
        sizes: Further arguments of its class.
    """
    return FUSIONS[kind](n_labels, **sizes)
