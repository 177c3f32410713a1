"""Extreme learning machines: a fixed random layer and ridge regression on it.

Huang, Zhu and Siew, *Extreme learning machine* (2006); Liang et al., *A fast and accurate online
sequential learning algorithm for feedforward networks* (2006); Pandelea et al. (2021), 3.2.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np

from serkit.adaptation.checks import MAX_HIDDEN, MAX_SEED, whole
from serkit.adaptation.head import Floats, Head, Targets, Vectors
from serkit.adaptation.probabilities import one_hot
from serkit.adaptation.random_numbers import uniform
from serkit.errors import ProfileError

_ROUNDING = 1e-9
"""Rounding error of moments, relative to their trace."""


class _RandomLayer(Head):
    """A head whose hidden layer is random and whose output weights are learned.

    Args:
        n_features: Length of the vectors.
        n_hidden: Units of the hidden layer.
        penalty: L2 penalty of the output weights, positive.
        scale: Standard deviation of the inputs of the units, for standardised vectors, without the
            bias. Below 1 the units are closer to linear.
        seed: Seed of the hidden layer, 0 to 2^24 - 1.
        classes: As for `Head`.
        fixed: As for `Head`.

    Raises:
        ProfileError: A number is out of range.
    """

    def __init__(
        self,
        n_features: int,
        *,
        n_hidden: int = 100,
        penalty: float = 1.0,
        scale: float = 1.0,
        seed: int = 0,
        classes: Sequence[str] = (),
        fixed: bool = False,
    ) -> None:
        if not 1e-9 <= penalty <= 1e9:
            raise ProfileError(f"the penalty is {penalty}; expected 1e-9 to 1e9")
        self.n_hidden = whole("number of hidden units", n_hidden, 1, MAX_HIDDEN)
        if not 1e-3 <= scale <= 1e3:
            raise ProfileError(f"the scale is {scale}; expected 0.001 to 1000")
        self.penalty = penalty
        self.scale = scale
        self.seed = whole("seed", seed, 0, MAX_SEED)
        super().__init__(n_features, classes=classes, fixed=fixed)

    @cached_property
    def hidden_weights(self) -> Floats:
        """Weights and bias of the hidden layer, shape `[n_hidden, n_features + 1]`."""
        weights = uniform((self.n_hidden, self.n_features + 1), seed=self.seed)
        # Uniform numbers in -1 to 1 have the variance 1/3.
        weights[:, :-1] *= self.scale * np.sqrt(3.0 / self.n_features)
        return weights

    @property
    @abstractmethod
    def output_weights(self) -> Floats:
        """The output weights learned so far, shape `[n_hidden + 1, n_classes]`."""

    def hidden(self, vectors: Vectors) -> Floats:
        """Output of the hidden layer with a constant 1, shape `[n, n_hidden + 1]`."""
        weights = self.hidden_weights
        rows = np.ones((len(vectors), self.n_hidden + 1))
        np.tanh(vectors @ weights[:, :-1].T + weights[:, -1], out=rows[:, :-1])
        return rows

    def scores(self, vectors: Vectors) -> Floats:
        """Estimates of the one-hot target, shape `[n, n_classes]`."""
        scores: Floats = self.hidden(vectors) @ self.output_weights
        return scores

    def _solution(self, moments: Floats, sums: Floats) -> Floats:
        """Solution W of `(moments + penalty I) W = sums`."""
        matrix = _shifted(moments, self.penalty)
        if _is_positive_definite(matrix):
            return np.linalg.solve(matrix, sums).astype(np.float64, copy=False)
        if not _is_positive_definite(_shifted(moments, _rounding(moments))):
            raise ProfileError("the moments of the head are damaged; load a copy")
        # The penalty is below the rounding error: drop the directions that are all rounding.
        return np.linalg.lstsq(matrix, sums, rcond=None)[0].astype(np.float64, copy=False)


class ELM(_RandomLayer):
    """An extreme learning machine, trained in one step.

    The output weights W minimise `|H W - T|^2 + penalty |W|^2`, where H is the output of the hidden
    layer with a constant 1 and T the one-hot targets. Only W is kept:
    the file is smaller than that of an `OSELM` of the same samples, whose answers are the same.

    Args:
        n_features: Length of the vectors.
        n_hidden: Units of the hidden layer.
        penalty: L2 penalty of the output weights, positive.
        scale: Standard deviation of the inputs of the units, for standardised vectors, without the
            bias. Below 1 the units are closer to linear.
        seed: Seed of the hidden layer, 0 to 2^24 - 1.
        classes: As for `Head`.
        fixed: As for `Head`.

    Raises:
        ProfileError: A number is out of range.
    """

    _weights: Floats

    @property
    def output_weights(self) -> Floats:
        """The output weights, shape `[n_hidden + 1, n_classes]`; zeros before the training."""
        return self._weights

    def partial_fit(self, vectors: Vectors, labels: Sequence[str]) -> Self:
        """`fit` that keeps the classes so far; only before any other training.

        Raises:
            ProfileError: As `fit`, or the head is trained already; it is unchanged.
        """
        if self.n_steps:
            raise ProfileError(
                "an ELM cannot be trained further; call fit with all vectors, or use an OSELM"
            )
        return super().partial_fit(vectors, labels)

    def state(self) -> dict[str, Floats]:
        """W."""
        return {"weights": self._weights}

    def restore(self, state: dict[str, Floats], *, n_steps: int) -> None:
        """Take over the state of a head of the same settings and classes."""
        self._weights, self.n_steps = state["weights"], n_steps

    def _reset(self) -> None:
        self.n_steps = 0
        self._grow(len(self.classes))

    def _grow(self, n_classes: int) -> None:
        self._weights = np.zeros((self.n_hidden + 1, n_classes))

    def _learn(self, vectors: Floats, targets: Targets) -> None:
        rows = self.hidden(vectors)
        self._weights = self._solution(rows.T @ rows, rows.T @ one_hot(targets, len(self.classes)))
        self.n_steps += len(rows)


class OSELM(_RandomLayer):
    """An extreme learning machine that is trained sample by sample.

    The output weights solve `(S + penalty I) W = B` with `S = sum w h h'` and `B = sum w h t'`,
    where h is the output of the hidden layer with a constant 1, t the one-hot target and w the
    weight of a sample. S and B are kept instead of the inverse of Liang et al.: an update is as
    cheap, is exact in any order and chunk size, from the first sample on, and can be undone. The
    system is solved by the first prediction after an update.

    Args:
        n_features: Length of the vectors.
        n_hidden: Units of the hidden layer.
        penalty: L2 penalty of the output weights, positive.
        scale: Standard deviation of the inputs of the units, for standardised vectors, without the
            bias. Below 1 the units are closer to linear.
        forgetting: Factor on the weights of all earlier samples per new sample, above 0, at most 1.
        seed: Seed of the hidden layer, 0 to 2^24 - 1.
        classes: As for `Head`.
        fixed: As for `Head`.

    Raises:
        ProfileError: A number is out of range.
    """

    _moments: Floats
    _sums: Floats
    _weights: Floats | None

    def __init__(
        self,
        n_features: int,
        *,
        n_hidden: int = 100,
        penalty: float = 1.0,
        scale: float = 1.0,
        forgetting: float = 1.0,
        seed: int = 0,
        classes: Sequence[str] = (),
        fixed: bool = False,
    ) -> None:
        if not 0.0 < forgetting <= 1.0:
            raise ProfileError(
                f"the forgetting factor is {forgetting}; expected above 0, at most 1"
            )
        self.forgetting = forgetting
        super().__init__(
            n_features,
            n_hidden=n_hidden,
            penalty=penalty,
            scale=scale,
            seed=seed,
            classes=classes,
            fixed=fixed,
        )

    @property
    def output_weights(self) -> Floats:
        """The solution for the samples so far, shape `[n_hidden + 1, n_classes]`.

        Raises:
            ProfileError: The head was loaded from a file with impossible moments.
        """
        if self._weights is None:
            self._weights = self._solution(self._moments, self._sums)
        return self._weights

    @property
    def normal_matrix(self) -> Floats:
        """`S + penalty I`, symmetric and positive definite."""
        return _shifted(self._moments, self.penalty)

    def forget(self, vectors: Vectors, labels: Sequence[str], *, age: int = 0) -> Self:
        """Remove samples, as if they had never been learned.

        Args:
            vectors: Vectors learned before, shape `[n, n_features]`.
            labels: Their classes then.
            age: Samples learned after them, if the forgetting factor is not 1; they must have been
                learned in one chunk, in this order.

        Raises:
            ProfileError: Shapes do not fit, the age is negative, or the samples cannot have been
                learned; the head is unchanged.
        """
        age = whole("age", age, 0, 1 << 53)
        values = self._checked(vectors, labels)
        unknown = self._extended(self.classes, labels)[len(self.classes) :]
        if unknown:
            raise ProfileError(f"nothing of the class {unknown[0]!r} has been learned")
        moments, sums = self._moments_of(values, self._targets(labels), age=age)
        moments, sums = self._moments - moments, self._sums - sums
        # By the constant 1, the last row holds the weight of the samples of each class.
        too_few = sums[-1].min(initial=0.0) < -1e-6
        # A sum of squares has no negative eigenvalue but by rounding.
        limit = _rounding(self._moments)
        if too_few or not _is_positive_definite(_shifted(moments, limit)):
            raise ProfileError("these samples have not been learned; nothing is forgotten")
        self._moments = moments
        self._sums = sums
        self._weights = None
        return self

    def state(self) -> dict[str, Floats]:
        """`S` and `B`."""
        return {"moments": self._moments, "sums": self._sums}

    def restore(self, state: dict[str, Floats], *, n_steps: int) -> None:
        """Take over the state of a head of the same settings and classes."""
        self._moments, self._sums = state["moments"], state["sums"]
        self._weights, self.n_steps = None, n_steps

    def _reset(self) -> None:
        self.n_steps = 0
        self._moments = np.zeros((self.n_hidden + 1, self.n_hidden + 1))
        self._sums = np.zeros((self.n_hidden + 1, len(self.classes)))
        self._weights = None

    def _learn(self, vectors: Floats, targets: Targets) -> None:
        moments, sums = self._moments_of(vectors, targets)
        if self.forgetting < 1.0:
            self._moments *= self.forgetting ** len(vectors)
            self._sums *= self.forgetting ** len(vectors)
        self._moments += moments
        self._sums += sums
        self.n_steps += len(vectors)
        self._weights = None

    def _moments_of(
        self, vectors: Floats, targets: Targets, *, age: int = 0
    ) -> tuple[Floats, Floats]:
        """S and B of one chunk, `age` samples after its last."""
        rows = self.hidden(vectors)
        wanted = one_hot(targets, len(self.classes))
        if self.forgetting < 1.0:
            ages = age + np.arange(len(rows))[::-1]
            # The root on both sides of the product, which stays symmetric to the last bit.
            roots = np.sqrt(self.forgetting**ages)[:, None]
            rows *= roots
            wanted *= roots
        return rows.T @ rows, rows.T @ wanted

    def _grow(self, n_classes: int) -> None:
        # Earlier samples have the target 0 for a class that appears later.
        self._sums = np.pad(self._sums, ((0, 0), (0, n_classes - self._sums.shape[1])))
        self._weights = None


def _shifted(moments: Floats, amount: float) -> Floats:
    """The matrix plus a multiple of the identity."""
    shifted = moments.copy()
    shifted.reshape(-1)[:: len(shifted) + 1] += amount
    return shifted


def _rounding(moments: Floats) -> float:
    """Magnitude of an eigenvalue that may be rounding error."""
    return _ROUNDING * max(1.0, float(np.trace(moments)))


def _is_positive_definite(matrix: Floats) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True
