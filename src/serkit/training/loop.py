"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from serkit.errors import RecipeError
from serkit.features import Features, Sequences
from serkit.training.batches import bucketed
from serkit.training.recipe import Optimiser

_VALIDATED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the training log.

    Attributes:
        number: Number of the epoch, from 1.
        train_loss: Mean loss over the batches, in nats.
        validation_loss: Mean weighted cross-entropy over the validation set, in nats.
        validation_ua: Unweighted average recall on the validation set.
        best: Whether its weights are the best so far.
    """

    number: int
    train_loss: float
    validation_loss: float
    validation_ua: float
    best: bool


class Batches(Protocol):
    """Inputs of recordings of different lengths, put together batch by batch."""

    @property
    def n_variants(self) -> int:
        """Number of variants of a training recording."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each recording; those of about one length share a batch."""

    def batch(self, index: Tensor, variants: Tensor | None) -> tuple[Tensor, ...]:
        """The arguments of the network.

        Args:
            index: Indices of the recordings, shape `[n]`.
            variants: Variant of each; None for that of validation.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Training examples.

    Attributes:
        features: Standardised features of the recordings, then of their augmented copies; vectors
            `[n_variants, n, n_features]`, float32, or frames of `[n_variants, n]` recordings; or
            batches of what the network takes, which are not for mixup.
        targets: Class indices, shape `[n]`.
        weights: Weight of each recording, mean 1, shape `[n]`, float32.
    """

    features: Features | Batches
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]


def train(
    network: nn.Module,
    training: Examples,
    validation: Examples,
    optimiser: Optimiser,
    *,
    seed: int,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> None:
    """Train a network in place.

    Examples of unequal weight are drawn with replacement, in proportion to their weights. The
    result is determined by the arguments: batches, mixup and noise use one generator seeded with
    `seed`, dropout uses torch's global generator, seeded likewise.

    Args:
        network: Maps features `[n, ...]` to logits `[n, n_labels]`; trained on a GPU if torch
            has one.
        training: Training examples.
        validation: Validation examples, for early stopping.
        optimiser: Optimiser settings.
        seed: Seed of everything random.
        on_epoch: Called with each line of the training log.

    Raises:
        RecipeError: The training diverged.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    make = torch.optim.Adam if optimiser.name == "adam" else torch.optim.AdamW
    steps = make(
        network.parameters(), lr=optimiser.learning_rate, weight_decay=optimiser.weight_decay
    )
    features = _batches_of(training.features)
    targets = torch.from_numpy(training.targets)
    weights = torch.from_numpy(training.weights)
    n_variants, n = features.n_variants, len(targets)
    n_steps = -(-n // optimiser.batch_size) * optimiser.max_epochs
    schedule = (
        torch.optim.lr_scheduler.OneCycleLR(
            steps,
            optimiser.learning_rate,
            total_steps=n_steps,
            # A tenth, unless that is less than two steps.
            pct_start=0.1 if n_steps > 20 else 0.3,
        )
        if optimiser.schedule == "one-cycle"
        else None
    )
    best, best_score, waited = deepcopy(network.state_dict()), -np.inf, 0
    for number in range(1, optimiser.max_epochs + 1):
        network.train()
        total = 0.0
        for batch in _divided(features, weights, optimiser.batch_size, generator):
            variant = torch.randint(n_variants, batch.shape, generator=generator)
            inputs = features.batch(batch, variant)
            loss = _batch_loss(
                network,
                _on(device, inputs),
                targets[batch].to(device),
                optimiser,
                generator,
            )
            steps.zero_grad()
            torch.autograd.backward(loss)
            steps.step()
            if schedule is not None:
                schedule.step()
            total += loss.item() * len(batch)
        _refuse_diverged(total / n, number, optimiser)
        validation_loss, ua = _validate(network, validation, device)
        _refuse_diverged(validation_loss, number, optimiser)
        score = ua if optimiser.monitor == "ua" else -validation_loss
        improved = optimiser.patience is None or score > best_score
        if improved:
            best, best_score, waited = deepcopy(network.state_dict()), score, 0
        else:
            waited += 1
        if on_epoch is not None:
            on_epoch(Epoch(number, total / n, validation_loss, ua, improved))
        if optimiser.patience is not None and waited >= optimiser.patience:
            break
    network.load_state_dict(best)
    network.to("cpu").eval()


def _refuse_diverged(loss: float, epoch: int, optimiser: Optimiser) -> None:
    if not math.isfinite(loss):
        raise RecipeError(
            f"the training diverged: the loss of epoch {epoch} is {loss}; lower the "
            f"learning_rate, which is {optimiser.learning_rate:g}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Features in torch, all in memory.

    Attributes:
        values: Shape `[n_variants, n, n_features]` or `[n_variants, n, n_features, n_frames]`.
        lengths: Number of frames of each recording, shape `[n_variants, n]`; None for vectors.
    """

    values: Tensor
    lengths: Tensor | None

    @property
    def n_variants(self) -> int:
        """Number of variants of a recording."""
        return self.values.shape[0]

    def batch(self, index: Tensor, variants: Tensor | None) -> tuple[Tensor | None, ...]:
        """As of `Batches`; the first variant is that of validation."""
        chosen = 0 if variants is None else variants
        lengths = None if self.lengths is None else self.lengths[chosen, index]
        return self.values[chosen, index], lengths


def _batches_of(features: Features | Batches) -> Batches | _Rows:
    if isinstance(features, Sequences):
        return _Rows(torch.from_numpy(features.values), torch.from_numpy(features.lengths))
    if isinstance(features, np.ndarray):
        return _Rows(torch.from_numpy(features), None)
    return features


def _divided(
    features: Batches | _Rows, weights: Tensor, size: int, generator: torch.Generator
) -> Iterable[Tensor]:
    """Indices of the batches of an epoch."""
    if not (weights == weights[0]).all():
        order = torch.multinomial(weights, len(weights), replacement=True, generator=generator)
    elif isinstance(features, _Rows):
        order = torch.randperm(len(weights), generator=generator)
    else:
        return bucketed(torch.from_numpy(features.lengths), size, generator)
    return torch.split(order, size)


def _on(device: torch.device, inputs: Iterable[Tensor | None]) -> list[Tensor | None]:
    return [one if one is None else one.to(device) for one in inputs]


def _batch_loss(
    network: nn.Module,
    inputs: list[Tensor | None],
    targets: Tensor,
    optimiser: Optimiser,
    generator: torch.Generator,
) -> Tensor:
    features, *others = inputs
    assert features is not None  # noqa: S101  # only what comes after it may be missing
    if optimiser.noise:
        noise = torch.randn(features.shape, generator=generator).to(features.device)
        features = features + optimiser.noise * noise

    smoothing = optimiser.label_smoothing
    if not optimiser.mixup:
        logits = network(features, *others)
        return nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    rng = np.random.default_rng(int(torch.randint(1 << 62, (), generator=generator)))
    drawn = rng.beta(optimiser.mixup, optimiser.mixup, len(targets))
    share = torch.from_numpy(drawn).to(features)
    other = torch.randperm(len(targets), generator=generator).to(features.device)
    by_row = share.reshape(-1, *[1] * (features.ndim - 1))
    mixed = by_row * features + (1 - by_row) * features[other]
    # Two recordings are mixed up to the end of the shorter.
    (lengths,) = others
    shorter = None if lengths is None else torch.minimum(lengths, lengths[other])
    logits = network(mixed, shorter)
    first, second = (
        nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        for labels in (targets, targets[other])
    )
    return (share * first + (1 - share) * second).mean()


def _validate(
    network: nn.Module, validation: Examples, device: torch.device
) -> tuple[float, float]:
    network.eval()
    features = _batches_of(validation.features)
    n = len(validation.targets)
    size = n if isinstance(features, _Rows) else _VALIDATED_AT_ONCE
    with torch.no_grad():
        parts = [
            network(*_on(device, features.batch(index, None))).cpu()
            for index in torch.split(torch.arange(n), size)
        ]
    logits = torch.cat(parts)
    targets = torch.from_numpy(validation.targets)
    losses = nn.functional.cross_entropy(logits, targets, reduction="none")
    weights = torch.from_numpy(validation.weights)
    right = (logits.argmax(dim=1) == targets).numpy()
    recalls = [right[validation.targets == k].mean() for k in np.unique(validation.targets)]
    return float((losses * weights).mean()), float(np.mean(recalls))
