"""Enrolment of a user: the offset in the logits, from recordings with and without labels.

Equations are those of the posterior of a linear-Gaussian model; see `SpeakerModel` for z, m, o, d,
B, D and W. With the sums of n_c recordings of emotion c and their mean z_c:

    A_c = (D + W / n_c)^-1
    P = (B^-1 + sum A_c)^-1                     uncertainty of the offset
    o = P sum A_c (z_c - m_c)                   the offset
    d_c = D A_c (z_c - m_c - o)                 the offset in an emotion with labels

Any number of recordings of a single emotion weighs at most D^-1, so a skewed enrolment is shrunk.
Recordings without labels enter with the probabilities of their emotions instead of counts, by
expectation-maximisation (Dempster et al., 1977), and weigh less the fewer emotions they seem to
hold: without labels, a user who is angry throughout cannot be told from one who sounds angry.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.probabilities import one_hot, softmax
from serkit.adaptation.speaker_model import Floats, SpeakerModel, contrasts, log_gaussians
from serkit.errors import ProfileError

MAX_HEARD = 256
"""Recordings without labels that an enrolment keeps; the oldest are dropped first."""

MAX_LEARNED = 1 << 20
"""Recordings with labels that an enrolment counts, at most."""

_STEPS = 5
_FARTHEST = 1e4  # of a contrast, so that sums stay exact enough to take a recording back
_FEWEST = 1e-6  # smaller counts tell nothing and would overflow


@dataclass(frozen=True, slots=True, eq=False)
class Offset:
    """Posterior of a user's offset.

    Attributes:
        mean: Shape `[n_classes - 1]`.
        covariance: Shape `[n_classes - 1, n_classes - 1]`.
    """

    mean: Floats
    covariance: Floats


class Enrolment:
    """What is known of one user of one model: logits of recordings, and sums of labelled ones.

    The answer does not depend on the order of the recordings. With none it is the model's own.

    Args:
        speakers: The speaker model of the model.
        heard: Contrasts of recordings without labels, oldest first, shape `[n, n_classes - 1]`.
        counts: Number of recordings with each label, shape `[n_classes]`.
        sums: Sum of their contrasts, shape `[n_classes, n_classes - 1]`.

    Raises:
        ProfileError: A shape does not fit, there are too many recordings, or a number is not
            finite.
    """

    def __init__(
        self,
        speakers: SpeakerModel,
        *,
        heard: NDArray[np.floating] | None = None,
        counts: NDArray[np.int64] | None = None,
        sums: NDArray[np.floating] | None = None,
    ) -> None:
        self.speakers = speakers
        n, width = speakers.means.shape
        self.heard = np.zeros((0, width)) if heard is None else np.array(heard, np.float64)
        self.counts = np.zeros(n, np.int64) if counts is None else np.array(counts, np.int64)
        self.sums = np.zeros((n, width)) if sums is None else np.array(sums, np.float64)
        if (
            self.heard.shape != (len(self.heard), width)
            or self.counts.shape != (n,)
            or self.sums.shape != (n, width)
        ):
            raise ProfileError(
                f"the enrolment has the shapes {list(self.heard.shape)}, {list(self.counts.shape)} "
                f"and {list(self.sums.shape)}; expected [n, {width}], [{n}] and [{n}, {width}]"
            )
        if len(self.heard) > MAX_HEARD:
            raise ProfileError(f"{len(self.heard)} recordings; expected at most {MAX_HEARD}")
        if not np.isfinite(self.heard).all() or not np.isfinite(self.sums).all():
            raise ProfileError("the enrolment holds numbers that are not finite (NaN or infinite)")
        if self.counts.min() < 0 or self.counts.max() > MAX_LEARNED:
            raise ProfileError(f"a count is negative or above {MAX_LEARNED}")

    @property
    def empty(self) -> bool:
        """Whether nothing is known of the user."""
        return not len(self.heard) and not self.counts.any()

    def hear(self, logits: NDArray[np.floating]) -> Self:
        """Add recordings without labels.

        Args:
            logits: Calibrated logits of the model, shape `[n, n_classes]`.

        Raises:
            ProfileError: The shape does not fit or a number is not finite.
        """
        self.heard = np.concatenate((self.heard, self._checked(logits)))[-MAX_HEARD:]
        self._changed()
        return self

    def learn(self, logits: NDArray[np.floating], targets: NDArray[np.int64]) -> Self:
        """Add recordings with labels.

        Args:
            logits: As for `hear`.
            targets: Class indices, shape `[n]`.

        Raises:
            ProfileError: A shape does not fit, a number is not finite, a class is unknown, or there
                are too many recordings.
        """
        z, wanted = self._labelled(logits, targets)
        counts = self.counts + wanted.sum(axis=0).astype(np.int64)
        if counts.max() > MAX_LEARNED:
            raise ProfileError(f"{counts.max()} recordings of one class; at most {MAX_LEARNED}")
        self.counts, self.sums = counts, self.sums + wanted.T @ z
        self._changed()
        return self

    def forget(self, logits: NDArray[np.floating], targets: NDArray[np.int64]) -> Self:
        """Remove recordings with labels, as if they had never been learned.

        Args:
            logits: The logits they were learned with.
            targets: The classes they were learned with.

        Raises:
            ProfileError: As `learn`, or fewer recordings of a class have been learned.
        """
        z, wanted = self._labelled(logits, targets)
        counts = self.counts - wanted.sum(axis=0).astype(np.int64)
        if counts.min() < 0:
            raise ProfileError("fewer recordings of this class have been learned")
        sums = self.sums - wanted.T @ z
        sums[counts == 0] = 0.0
        self.counts, self.sums = counts, sums
        self._changed()
        return self

    def adjusted(self, logits: NDArray[np.floating]) -> NDArray[np.float32]:
        """Logits for this user: those of the model plus the change of the log-likelihoods.

        Args:
            logits: Calibrated logits of the model, shape `[n, n_classes]`.

        Returns:
            Shape `[n, n_classes]`, float32; the logits themselves if nothing is known of the user.

        Raises:
            ProfileError: The shape does not fit or a number is not finite.
        """
        z = self._checked(logits)
        if self.empty:
            return np.asarray(logits, np.float32)
        own = self.speakers.log_densities(z, self.offset.mean, self.offset.covariance)
        for target in np.flatnonzero(self.counts):
            own[:, target] = self._own_density(z, int(target))
        nobody = np.zeros(z.shape[1])
        change = own - self.speakers.log_densities(z, nobody, self.speakers.between)
        adjusted: NDArray[np.float32] = (np.asarray(logits) + change).astype(np.float32)
        return adjusted

    @cached_property
    def offset(self) -> Offset:
        """Posterior of the offset."""
        model = self.speakers
        estimate = self._posterior(self.counts.astype(np.float64), self.sums)
        if not len(self.heard):
            return estimate
        variety = None
        for _ in range(_STEPS):
            shares = softmax(model.log_densities(self.heard, estimate.mean, estimate.covariance))
            if variety is None:
                variety = _variety(shares)
            estimate = self._posterior(
                self.counts + variety * shares.sum(axis=0),
                self.sums + variety * shares.T @ self.heard,
            )
        return estimate

    def _posterior(self, counts: Floats, sums: Floats) -> Offset:
        model = self.speakers
        precision = np.linalg.inv(model.between)
        pull = np.zeros(len(precision))
        for target in np.flatnonzero(counts > _FEWEST):
            weight = self._weight(counts[target])
            precision += weight
            pull += weight @ (sums[target] / counts[target] - model.means[target])
        covariance = np.linalg.inv(precision)
        return Offset(covariance @ pull, covariance)

    def _weight(self, count: float) -> Floats:
        """A_c: the precision of what `count` recordings of one emotion tell about the offset."""
        of_mean = self.speakers.interaction + self.speakers.within / count
        return np.linalg.inv(of_mean).astype(np.float64, copy=False)

    def _own_density(self, z: Floats, target: int) -> Floats:
        """Log-density under an emotion of which the user has given recordings."""
        model, offset = self.speakers, self.offset
        count = self.counts[target]
        gain = model.interaction @ self._weight(count)
        centre = model.means[target] + offset.mean
        centre = centre + gain @ (self.sums[target] / count - centre)
        left = np.eye(len(gain)) - gain
        # D - G D is what is left unknown of the interaction.
        covariance = model.within + left @ model.interaction + left @ offset.covariance @ left.T
        covariance = (covariance + covariance.T) / 2.0
        density: Floats = log_gaussians(z, centre[None], covariance)[:, 0]
        return density

    def _changed(self) -> None:
        self.__dict__.pop("offset", None)

    def _labelled(
        self, logits: NDArray[np.floating], targets: NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        z = self._checked(logits)
        n_classes = self.speakers.n_classes
        index = np.asarray(targets)
        if index.shape != (len(z),) or index.dtype.kind not in "iu":
            raise ProfileError(f"{len(index)} class indices for {len(z)} recordings")
        if len(index) and not (index.min() >= 0 and index.max() < n_classes):
            raise ProfileError(f"unknown class; expected an index from 0 to {n_classes - 1}")
        return z, one_hot(index.astype(np.int64), n_classes)

    def _checked(self, logits: NDArray[np.floating]) -> Floats:
        values = np.asarray(logits)
        if values.ndim != 2 or values.shape[1] != self.speakers.n_classes:
            raise ProfileError(
                f"the logits have the shape {list(values.shape)}; expected "
                f"[n, {self.speakers.n_classes}]"
            )
        if not np.isfinite(values).all():
            raise ProfileError("the logits hold numbers that are not finite (NaN or infinite)")
        return np.clip(contrasts(values), -_FARTHEST, _FARTHEST)


def _variety(shares: Floats) -> float:
    """Weight of recordings without labels: 0 if all are of one emotion, 1 if each occurs alike.

    The perplexity of the mean probabilities, from 1 to n_classes, as a share of its range.
    """
    mean = shares.mean(axis=0)
    perplexity = np.exp(-(mean * np.log(np.maximum(mean, 1e-300))).sum())
    return float((perplexity - 1.0) / (shares.shape[1] - 1.0))
