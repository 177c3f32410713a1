"""The adaptive focal loss, and distillation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def balanced_weights(counts: Sequence[int]) -> Tensor:
    """Weight of each class, `n / (n_labels * n_class)`.

    These are the class weights of Ismail, Table II, averaged there over the training parts of the
    folds.

    Args:
        counts: Training recordings of each class, at least one each.

    Returns:
        Shape `[n_labels]`, float32.
    """
    total = sum(counts)
    return torch.tensor([total / (len(counts) * n) for n in counts], dtype=torch.float32)


def focal_loss(
    logits: Tensor, targets: Tensor, weights: Tensor, *, gamma: float, label_smoothing: float
) -> Tensor:
    """Focal loss of each recording, `-(1 - p_t)^gamma * sum_k q_k alpha_k log p_k`.

    `p_t` is the probability of the true class, `alpha` are the class weights, and `q` is the
    smoothed target: `1 - label_smoothing` on the true class plus `label_smoothing / n_labels` on
    every class. Without smoothing this is equation 1 of Ismail (Lin et al., 2017); with `gamma` 0,
    torch's weighted cross-entropy with label smoothing.

    Args:
        logits: Shape `[n, n_labels]`.
        targets: Class indices, shape `[n]`, int64.
        weights: Class weights, shape `[n_labels]`.
        gamma: Focusing parameter.
        label_smoothing: Share of the target distributed over all classes.

    Returns:
        Shape `[n]`.
    """
    log_p = logits.log_softmax(dim=1)
    smoothed = torch.full_like(log_p, label_smoothing / log_p.shape[1])
    smoothed.scatter_add_(1, targets[:, None], torch.full_like(log_p[:, :1], 1.0 - label_smoothing))
    entropy = -(smoothed * weights * log_p).sum(dim=1)
    if gamma == 0.0:
        return entropy
    of_target = log_p.gather(1, targets[:, None])[:, 0]
    # The clamp keeps the gradient of the power finite where the probability is 1.
    return (1.0 - of_target.exp()).clamp(min=1e-7) ** gamma * entropy


def distillation_loss(logits: Tensor, log_teacher: Tensor, *, temperature: float) -> Tensor:
    """Divergence of a student from its teacher, per recording: `T^2 KL(teacher || student)`.

    Both distributions are flattened by the temperature T; Hinton et al., *Distilling the Knowledge
    in a Neural Network* (2015), 2.

    Args:
        logits: Of the student, shape `[n, n_labels]`.
        log_teacher: Logarithms of the teacher's probabilities, or its logits, of the same shape.
        temperature: The temperature.

    Returns:
        Shape `[n]`.
    """
    student = (logits / temperature).log_softmax(dim=1)
    teacher = (log_teacher / temperature).log_softmax(dim=1)
    divergence = nn.functional.kl_div(student, teacher, reduction="none", log_target=True)
    return temperature**2 * divergence.sum(dim=1)
