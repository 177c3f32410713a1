"""What can be learned without torch: ridge regression, calibration, hold-out.  NumPy only."""

from serkit.adaptation.calibration import fit_temperature
from serkit.adaptation.holdout import HoldOut
from serkit.adaptation.ridge import fit_ridge

__all__ = ["HoldOut", "fit_ridge", "fit_temperature"]
