"""Extreme learning machines: a fixed random layer and ridge regression on it.

Huang, Zhu and Siew, *Extreme learning machine* (2006); Liang et al., *A fast and accurate online
sequential learning algorithm for feedforward networks* (2006); Pandelea et al. (2021), 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np

from serkit.adaptation.checks import MAX_HIDDEN, MAX_SEED, whole
from serkit.adaptation.head import Floats, Head, Targets, Vectors
from serkit.adaptation.probabilities import one_hot
from serkit.adaptation.random_numbers import uniform
from serkit.errors import ProfileError


class OSELM(Head):
    """An extreme learning machine that is trained sample by sample.

    The output weights solve `(S + penalty I) W = B` with `S = sum w h h'` and `B = sum w h t'`,
    where h is the output of the hidden layer with a constant 1, t the one-hot target and w the
    weight of a sample. S and B are kept instead of the inverse of Liang et al.: an update is as
    cheap, is exact in any order and chunk size, from the first sample on, and can be undone.

    Args:
        n_features: Length of the vectors.
        n_hidden: Units of the hidden layer.
        penalty: L2 penalty of the output weights, positive.
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
        forgetting: float = 1.0,
        seed: int = 0,
        classes: Sequence[str] = (),
        fixed: bool = False,
    ) -> None:
        if not 1e-9 <= penalty <= 1e9:
            raise ProfileError(f"the penalty is {penalty}; expected 1e-9 to 1e9")
        if not 0.0 < forgetting <= 1.0:
            raise ProfileError(
                f"the forgetting factor is {forgetting}; expected above 0, at most 1"
            )
        self.n_hidden = whole("number of hidden units", n_hidden, 1, MAX_HIDDEN)
        self.penalty = penalty
        self.forgetting = forgetting
        self.seed = whole("seed", seed, 0, MAX_SEED)
        super().__init__(n_features, classes=classes, fixed=fixed)

    @cached_property
    def hidden_weights(self) -> Floats:
        """Weights and bias of the hidden layer, shape `[n_hidden, n_features + 1]`."""
        weights = uniform((self.n_hidden, self.n_features + 1), seed=self.seed)
        # Unit variance of the activations for standardised features.
        weights[:, :-1] *= np.sqrt(3.0 / self.n_features)
        return weights

    @property
    def output_weights(self) -> Floats:
        """The solution for the samples so far, shape `[n_hidden + 1, n_classes]`.

        Raises:
            ProfileError: The head was loaded from a file with impossible moments.
        """
        if self._weights is None:
            try:
                lower = np.linalg.cholesky(self.normal_matrix)
            except np.linalg.LinAlgError as error:  # learned moments are positive definite
                raise ProfileError("the moments of the head are damaged; load a copy") from error
            self._weights = np.linalg.solve(lower.T, np.linalg.solve(lower, self._sums))
        return self._weights

    @property
    def normal_matrix(self) -> Floats:
        """`S + penalty I`, symmetric and positive definite."""
        return self._moments + self.penalty * np.eye(self.n_hidden + 1)

    def hidden(self, vectors: Vectors) -> Floats:
        """Output of the hidden layer with a constant 1, shape `[n, n_hidden + 1]`."""
        weights = self.hidden_weights
        units = np.tanh(vectors @ weights[:, :-1].T + weights[:, -1])
        return np.concatenate((units, np.ones((len(units), 1))), axis=1)

    def scores(self, vectors: Vectors) -> Floats:
        """Estimates of the one-hot target, shape `[n, n_classes]`."""
        scores: Floats = self.hidden(vectors) @ self.output_weights
        return scores

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
        rows = self.hidden(values)
        weighted = (rows * (self.forgetting ** (age + np.arange(len(rows))[::-1]))[:, None]).T
        moments = self._moments - weighted @ rows
        sums = self._sums - weighted @ one_hot(self._targets(labels), len(self.classes))
        # By the constant 1, the last row holds the weight of the samples of each class.
        counts = sums[-1]
        smallest = float(np.linalg.eigvalsh(moments)[0]) if len(rows) else 0.0
        # A sum of squares has no negative eigenvalue but by rounding.
        rounding = 1e-6 * max(1.0, float(np.trace(self._moments)))
        if counts.min(initial=0.0) < -1e-6 or smallest < -rounding:
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
        rows = self.hidden(vectors)
        decay = self.forgetting ** np.arange(len(rows))[::-1]
        weighted = (rows * decay[:, None]).T
        self.n_steps += len(rows)
        self._moments = self.forgetting ** len(rows) * self._moments + weighted @ rows
        self._sums = self.forgetting ** len(rows) * self._sums
        self._sums += weighted @ one_hot(targets, len(self.classes))
        self._weights = None

    def _grow(self, n_classes: int) -> None:
        # Earlier samples have the target 0 for a class that appears later.
        self._sums = np.pad(self._sums, ((0, 0), (0, n_classes - self._sums.shape[1])))
        self._weights = None
