"""Temperature scaling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.probabilities import softmax

_COLDEST, _HOTTEST = 0.05, 20.0


def fit_temperature(
    logits: NDArray[np.float32],
    targets: NDArray[np.int64] | NDArray[np.float32],
    weights: NDArray[np.float32] | None = None,
) -> float:
    """The temperature that minimises the cross-entropy of held-out data.

    Guo et al., *On Calibration of Modern Neural Networks* (2017), 4.2: one number T > 0 that
    minimises the cross-entropy of `softmax(logits / T)`, a convex function of 1 / T. It changes no
    decision.

    Args:
        logits: Of speakers outside the training data, if the targets are labels; shape
            `[n, n_labels]`.
        targets: Class indices, shape `[n]`; or the probabilities of a calibrated model, shape
            `[n, n_labels]`, to be matched in mean Kullback-Leibler divergence. These need no
            labels, and hence no unseen speakers.
        weights: Weight of each row, shape `[n]`; equal weights if None.

    Returns:
        T, between 0.05 and 20.
    """
    logits64 = logits.astype(np.float64)
    weights = np.ones(len(targets), np.float32) if weights is None else weights
    if targets.ndim == 1:
        observed = logits64[np.arange(len(targets)), targets.astype(np.int64)]
    else:
        observed = (targets * logits64).sum(axis=1)

    def slope(log_temperature: float) -> float:
        """Derivative of the cross-entropy by 1 / T: expected minus observed output."""
        scaled = logits64 * np.exp(-log_temperature)
        excess = (softmax(scaled) * logits64).sum(axis=1) - observed
        return float(np.average(excess, weights=weights))

    low, high = np.log(_COLDEST), np.log(_HOTTEST)
    for _ in range(60):
        middle = (low + high) / 2.0
        # Too confident: the outputs expected exceed those observed, T must rise.
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return float(np.exp((low + high) / 2.0))
