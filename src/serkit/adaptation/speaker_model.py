"""How speakers differ in the logits of a model: a linear-Gaussian model, fitted in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_CLASSES = 33
"""Classes of a model with a speaker model, at most."""

FEWEST_SPEAKERS = 4
"""Speakers needed to estimate a speaker model."""

_SHRINKAGE = 0.3
"""Weight of the covariance within speakers, scaled, in the two covariances between them."""

_BETWEEN = 2.0
"""Factor on the covariance of the speakers: a few speakers underestimate how others differ."""

_LEAST_VARIANCE = 1e-3
"""Smallest variance of a covariance in any direction, relative to the largest."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerModel:
    """Distribution of the logits over speakers, emotions and recordings.

    A recording of emotion c has the contrasts (see `contrasts`) `z = m_c + o + d_c + e`: the mean
    of the emotion; the speaker's offset, `o ~ N(0, B)`; the offset in this emotion, `d_c ~ N(0,
    D)`; and the rest, `e ~ N(0, W)`. This is the two-covariance model of speaker recognition
    (Brümmer and de Villiers, *The speaker partitioning problem*, 2010) with an effect of the
    emotion, and an interaction of emotion and speaker.

    Attributes:
        means: The means m_c, shape `[n_classes, n_classes - 1]`, float64.
        between: B, shape `[n_classes - 1, n_classes - 1]`, positive definite.
        interaction: D, of the same shape, positive definite.
        within: W, of the same shape, positive definite.
    """

    means: Floats
    between: Floats
    interaction: Floats
    within: Floats

    @property
    def n_classes(self) -> int:
        """Number of emotions."""
        return len(self.means)

    def log_densities(self, z: Floats, offset: Floats, uncertainty: Floats) -> Floats:
        """Log-density of contrasts under each emotion, up to a constant.

        Args:
            z: Contrasts, shape `[n, n_classes - 1]`.
            offset: Estimate of the speaker's offset, shape `[n_classes - 1]`.
            uncertainty: Covariance of the estimate; `between` with the offset 0 for a stranger.

        Returns:
            Shape `[n, n_classes]`.
        """
        covariance = self.within + self.interaction + uncertainty
        return log_gaussians(z, self.means + offset, covariance)


def contrasts(logits: NDArray[np.floating]) -> Floats:
    """Logits without their mean, in the orthonormal Helmert basis.

    The mean over the classes does not change the probabilities.

    Args:
        logits: Shape `[n, n_classes]`.

    Returns:
        Shape `[n, n_classes - 1]`: for k = 1, 2, ... the mean of the first k logits minus logit
        k + 1, times `sqrt(k / (k + 1))`.
    """
    values = np.asarray(logits, np.float64)
    k = np.arange(1, values.shape[1])
    before = np.cumsum(values, axis=1)[:, :-1] / k
    result: Floats = (before - values[:, 1:]) * np.sqrt(k / (k + 1.0))
    return result


def log_gaussians(z: Floats, means: Floats, covariance: Floats) -> Floats:
    """Log-density of normal distributions of one covariance, without the term of 2 pi.

    Args:
        z: Shape `[n, n_dimensions]`.
        means: Shape `[n_means, n_dimensions]`.
        covariance: Positive definite, shape `[n_dimensions, n_dimensions]`.

    Returns:
        Shape `[n, n_means]`.
    """
    lower = np.linalg.cholesky(covariance)
    whitened = np.linalg.solve(lower, (z[:, None] - means).reshape(-1, z.shape[1]).T)
    squares = np.square(whitened).sum(axis=0).reshape(len(z), len(means))
    densities: Floats = -0.5 * squares - np.log(np.diag(lower)).sum()
    return densities


def fit_speaker_model(
    logits: NDArray[np.floating], targets: NDArray[np.int64], speakers: Sequence[str]
) -> SpeakerModel | None:
    """Estimate a speaker model by the method of moments.

    Args:
        logits: Calibrated logits of recordings by models that were not trained on their speakers,
            shape `[n, n_classes]`.
        targets: Class indices, shape `[n]`.
        speakers: Speaker of each recording.

    Returns:
        None with fewer than `FEWEST_SPEAKERS`, with two classes or more than `MAX_CLASSES`, or if a
        class is missing or has one recording per speaker.
    """
    n_classes = logits.shape[1]
    names = np.array(speakers)
    different = np.unique(names)
    if not 2 < n_classes <= MAX_CLASSES or len(different) < FEWEST_SPEAKERS:
        return None
    z = contrasts(logits)
    cells = np.full((len(different), n_classes, z.shape[1]), np.nan)
    sizes = np.zeros((len(different), n_classes))
    scatter = np.zeros((z.shape[1], z.shape[1]))
    for i, name in enumerate(different):
        for target in range(n_classes):
            rows = z[(names == name) & (targets == target)]
            sizes[i, target] = len(rows)
            if len(rows):
                cells[i, target] = rows.mean(axis=0)
                deviations = rows - cells[i, target]
                scatter += deviations.T @ deviations
    there = sizes > 0
    freedom = sizes.sum() - there.sum()
    if not there.any(axis=0).all() or freedom < z.shape[1]:
        return None
    means = np.nanmean(cells, axis=0)
    effects = cells - means
    offsets = np.nanmean(effects, axis=1)
    rest = (effects - offsets[:, None])[there]
    within = _definite(scatter / freedom)
    # The variance of a mean within a cell is subtracted; that of `rest` lost one mean per speaker.
    interaction = rest.T @ rest / len(rest) * n_classes / (n_classes - 1)
    between = offsets.T @ offsets / (len(different) - 1) - interaction / n_classes
    interaction = interaction - within * np.mean(1.0 / sizes[there])
    return SpeakerModel(
        means=means,
        between=_BETWEEN * _shrunk(_definite(between), within),
        interaction=_shrunk(_definite(interaction), within),
        within=within,
    )


def _definite(covariance: Floats) -> Floats:
    """The covariance with its eigenvalues raised to `_LEAST_VARIANCE` of the largest."""
    values, vectors = np.linalg.eigh(covariance)
    least = max(_LEAST_VARIANCE * values[-1], 1e-6)
    raised: Floats = (vectors * np.maximum(values, least)) @ vectors.T
    return raised


def _shrunk(covariance: Floats, target: Floats) -> Floats:
    """The covariance shrunk towards the target scaled to the same trace."""
    scaled = target * (np.trace(covariance) / np.trace(target))
    shrunk: Floats = (1.0 - _SHRINKAGE) * covariance + _SHRINKAGE * scaled
    return shrunk
