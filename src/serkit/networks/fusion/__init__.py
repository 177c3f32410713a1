"""Networks on log-mel and text vectors: AMSER's co-attention and the networks it is compared with.

Lu et al., *AMSER* (2024), IV.B and Tables I and II.
"""

from serkit.networks.fusion.amser import Acoustic, CoAttention
from serkit.networks.fusion.models import FUSIONS, make_fusion
from serkit.networks.fusion.network import FusionNetwork
from serkit.networks.fusion.peers import Alignment, DualEncoder, JointEncoding, MultiHop

__all__ = [
    "FUSIONS",
    "Acoustic",
    "Alignment",
    "CoAttention",
    "DualEncoder",
    "FusionNetwork",
    "JointEncoding",
    "MultiHop",
    "make_fusion",
]
