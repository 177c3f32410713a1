"""What a device can learn without torch: heads, ridge regression, calibration.  NumPy only."""

from serkit.adaptation.calibration import fit_temperature
from serkit.adaptation.elm import OSELM
from serkit.adaptation.gradient import Hidden, Linear
from serkit.adaptation.head import Head
from serkit.adaptation.head_file import load_head, save_head
from serkit.adaptation.holdout import HoldOut
from serkit.adaptation.pca import PCA
from serkit.adaptation.ridge import fit_ridge

__all__ = [
    "OSELM",
    "PCA",
    "Head",
    "Hidden",
    "HoldOut",
    "Linear",
    "fit_ridge",
    "fit_temperature",
    "load_head",
    "save_head",
]
