"""Ridge regression on the classes: a linear model in closed form."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float32]


def fit_ridge(
    rows: Array,
    targets: NDArray[np.int64],
    weights: Array,
    *,
    n_labels: int,
    penalty: float,
) -> tuple[Array, Array]:
    """The linear map that is nearest, in weighted least squares, to 1 for the class and 0 else.

    Hoerl and Kennard, *Ridge Regression* (1970). With more features than recordings, as with
    thousands of functionals, it is solved for the recordings instead of the features, which is
    the same map.

    Args:
        rows: Standardised features, shape `[n, n_features]`.
        targets: Class indices, shape `[n]`.
        weights: How much each row counts, positive, shape `[n]`.
        n_labels: Number of classes.
        penalty: Of the squared weights, as a multiple of the mean squared length of a row.

    Returns:
        Weights `[n_labels, n_features]` and biases `[n_labels]`, float32.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # In torch, as it keeps to one thread where folds run beside each other: sums come out alike.
    features = torch.from_numpy(rows).to(device, torch.float64)
    share = torch.from_numpy(weights).to(device, torch.float64)[:, None]
    wanted = torch.nn.functional.one_hot(torch.from_numpy(targets).to(device), n_labels).double()
    centre = (share * features).sum(0) / share.sum()
    level = (share * wanted).sum(0) / share.sum()
    root = share.sqrt()
    inputs, outputs = root * (features - centre), root * (wanted - level)
    shorter = inputs @ inputs.T if len(rows) < rows.shape[1] else inputs.T @ inputs
    # Never zero, or rows that are all alike could not be solved.
    strength = penalty * max(float(shorter.trace()) / float(share.sum()), 1e-9)
    shorter.diagonal().add_(strength)
    if len(rows) < rows.shape[1]:
        weight = inputs.T @ torch.linalg.solve(shorter, outputs)
    else:
        weight = torch.linalg.solve(shorter, inputs.T @ outputs)
    bias = level - centre @ weight
    return weight.T.contiguous().float().cpu().numpy(), bias.float().cpu().numpy()
