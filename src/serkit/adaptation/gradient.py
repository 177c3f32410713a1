"""Heads trained by gradient descent on the cross-entropy: `Linear` and `Hidden`.

Pandelea et al., *Emotion Recognition on Edge Devices: Training and Deployment* (2021), 3.2 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from serkit.adaptation.checks import MAX_HIDDEN, MAX_SEED, whole
from serkit.adaptation.head import Floats, Head, Targets, Vectors
from serkit.adaptation.probabilities import one_hot, softmax
from serkit.errors import ProfileError

BATCH_SIZE = 64
"""Pandelea et al. (2021), 4."""

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


class Linear(Head):
    """Multinomial logistic regression.

    Args:
        n_features: Length of the vectors.
        penalty: L2 penalty on the weights, added to the mean cross-entropy.
        optimiser: `adam` (Kingma and Ba, 2015) or `sgd`.
        learning_rate: Step size; the paper has 1e-4 for Adam and 1e-2 for SGD.
        epochs: Passes over the vectors of each call.
        seed: Seed of the order of the vectors, and of hidden weights, 0 to 2^24 - 1.
        classes: As for `Head`.
        fixed: As for `Head`.

    Raises:
        ProfileError: A number is out of range.
    """

    def __init__(
        self,
        n_features: int,
        *,
        penalty: float = 0.0,
        optimiser: Literal["adam", "sgd"] = "adam",
        learning_rate: float = 1e-4,
        epochs: int = 100,
        seed: int = 0,
        classes: Sequence[str] = (),
        fixed: bool = False,
    ) -> None:
        for name, value, low, high in (
            ("penalty", penalty, 0.0, 1e6),
            ("learning rate", learning_rate, 1e-9, 1e3),
        ):
            if not low <= value <= high:
                raise ProfileError(f"the {name} is {value}; expected {low:g} to {high:g}")
        if optimiser not in ("adam", "sgd"):
            raise ProfileError(f"the optimiser is {optimiser!r}; expected adam or sgd")
        self.penalty = penalty
        self.optimiser = optimiser
        self.learning_rate = learning_rate
        self.epochs = whole("number of epochs", epochs, 1, 10**6)
        self.seed = whole("seed", seed, 0, MAX_SEED)
        self.parameters: list[Floats] = []
        """Weights and biases in turn, the first layer first."""
        self._moments: list[tuple[Floats, Floats]] = []
        super().__init__(n_features, classes=classes, fixed=fixed)

    def scores(self, vectors: Vectors) -> Floats:
        """Logits, shape `[n, n_classes]`."""
        return self._forward(np.asarray(vectors, np.float64).T)[-1].T

    def state(self) -> dict[str, Floats]:
        """Parameters, and the moments of Adam."""
        moments = self._moments or [(np.zeros_like(p), np.zeros_like(p)) for p in self.parameters]
        state = {f"parameters.{i}": p for i, p in enumerate(self.parameters)}
        for i, (first, second) in enumerate(moments):
            state |= {f"first.{i}": first, f"second.{i}": second}
        return state

    def restore(self, state: dict[str, Floats], *, n_steps: int) -> None:
        """Take over the state of a head of the same settings and classes."""
        numbers = range(len(self.parameters))
        self.parameters = [state[f"parameters.{i}"] for i in numbers]
        self._moments = [(state[f"first.{i}"], state[f"second.{i}"]) for i in numbers]
        self.n_steps = n_steps

    def _initial(self) -> list[Floats]:
        """Initial parameters: an output layer of zeros, without classes yet."""
        return [np.zeros((self.n_features, 0)), np.zeros(0)]

    def _reset(self) -> None:
        self.n_steps = 0
        self.parameters = self._initial()
        self._moments = []
        self._grow(len(self.classes))

    def _grow(self, n_classes: int) -> None:
        missing = n_classes - len(self.parameters[-1])
        widened = [
            np.pad(p, [(0, 0)] * (p.ndim - 1) + [(0, missing)]) for p in self.parameters[-2:]
        ]
        self.parameters[-2:] = widened
        moments = [
            tuple(np.pad(m, [(0, 0)] * (m.ndim - 1) + [(0, missing)]) for m in pair)
            for pair in self._moments[-2:]
        ]
        self._moments[-2:] = [(first, second) for first, second in moments]

    def _forward(self, columns: Floats) -> list[Floats]:
        """The input of each layer, then the logits, each as columns `[width, n]`."""
        outputs = [columns]
        last = len(self.parameters) - 2
        for i in range(0, last + 1, 2):
            columns = self.parameters[i].T @ columns
            columns += self.parameters[i + 1][:, None]
            if i < last:
                np.tanh(columns, out=columns)
            outputs.append(columns)
        return outputs

    def _gradients(self, columns: Floats, wanted: Floats) -> list[Floats]:
        """Of the mean cross-entropy with the penalty, in the order of the parameters.

        Args:
            columns: Vectors as columns, shape `[n_features, n]`: sums over the few classes then run
                along whole rows.
            wanted: Their one-hot targets, shape `[n_classes, n]`.
        """
        outputs = self._forward(columns)
        error = softmax(outputs[-1], axis=0)
        error -= wanted
        error *= 1.0 / error.shape[1]
        gradients: list[Floats] = []
        for i in range(len(self.parameters) - 2, -1, -2):
            weight, before = self.parameters[i], outputs[i // 2]
            slopes = before @ error.T
            if self.penalty:
                slopes += self.penalty * weight
            gradients[:0] = (slopes, np.add.reduce(error, axis=1))
            if i:
                error = (weight @ error) * (1.0 - np.square(before))
        return gradients

    def _learn(self, vectors: Floats, targets: Targets) -> None:
        wanted = np.ascontiguousarray(one_hot(targets, len(self.classes)).T)
        rng = np.random.default_rng([self.seed, self.n_steps])
        before = {name: values.copy() for name, values in self.state().items()}
        n_steps = self.n_steps
        if not self._moments:
            self._moments = [(np.zeros_like(p), np.zeros_like(p)) for p in self.parameters]
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(self.epochs):
                order = rng.permutation(len(vectors))
                columns, targets_of = vectors.take(order, axis=0).T, wanted.take(order, axis=1)
                for start in range(0, len(order), BATCH_SIZE):
                    batch = slice(start, start + BATCH_SIZE)
                    self._step(self._gradients(columns[:, batch], targets_of[:, batch]))
        if not all(np.isfinite(values).all() for values in self.state().values()):
            self.restore(before, n_steps=n_steps)
            raise ProfileError("training diverged; lower the learning rate or the penalty")

    def _step(self, gradients: list[Floats]) -> None:
        self.n_steps += 1
        rate = self.learning_rate
        if self.optimiser == "sgd":
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                parameter -= rate * gradient
            return
        rate *= np.sqrt(1.0 - _BETA_2**self.n_steps) / (1.0 - _BETA_1**self.n_steps)
        for parameter, gradient, (first, second) in zip(
            self.parameters, gradients, self._moments, strict=True
        ):
            first *= _BETA_1
            first += (1.0 - _BETA_1) * gradient
            second *= _BETA_2
            second += (1.0 - _BETA_2) * np.square(gradient)
            parameter -= rate * first / (np.sqrt(second) + _EPSILON)


class Hidden(Linear):
    """A hidden layer with tanh before the logistic regression.

    Args:
        n_features: Length of the vectors.
        n_hidden: Units of the hidden layer.
        options: The other arguments of `Linear`.

    Raises:
        ProfileError: A number is out of range.
    """

    WIDTHS = (10, 15, 25, 50, 100, 200, 500, 1000)
    """The grid of Pandelea et al. (2021), 4."""

    def __init__(self, n_features: int, *, n_hidden: int = 100, **options: Any) -> None:
        self.n_hidden = whole("number of hidden units", n_hidden, 1, MAX_HIDDEN)
        super().__init__(n_features, **options)

    def _initial(self) -> list[Floats]:
        # Glorot and Bengio (2010).
        limit = np.sqrt(6.0 / (self.n_features + self.n_hidden))
        weight = np.random.default_rng(self.seed).uniform(
            -limit, limit, (self.n_features, self.n_hidden)
        )
        return [weight, np.zeros(self.n_hidden), np.zeros((self.n_hidden, 0)), np.zeros(0)]
