"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from serkit.errors import RecipeError
from serkit.features import Features, Sequences
from serkit.training.recipe import Optimiser


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


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Training examples.

    Attributes:
        features: Standardised features of the recordings, then of their augmented copies; vectors
            `[n_variants, n, n_features]`, float32, or frames of `[n_variants, n]` recordings.
        targets: Class indices, shape `[n]`.
        weights: Weight of each recording, mean 1, shape `[n]`, float32.
    """

    features: Features
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
    features = _Rows.of(training.features)
    targets = torch.from_numpy(training.targets)
    weights = torch.from_numpy(training.weights)
    balanced = bool((weights == weights[0]).all())
    n_variants, n = features.values.shape[:2]
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
        order = (
            torch.randperm(n, generator=generator)
            if balanced
            else torch.multinomial(weights, n, replacement=True, generator=generator)
        )
        for batch in torch.split(order, optimiser.batch_size):
            variant = torch.randint(n_variants, batch.shape, generator=generator)
            loss = _batch_loss(
                network,
                features.at(variant, batch, device),
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
    """Features in torch.

    Attributes:
        values: Shape `[..., n_features]` or `[..., n_features, n_frames]`.
        lengths: Number of frames of each recording, shape `[...]`; None for vectors.
    """

    values: Tensor
    lengths: Tensor | None

    @classmethod
    def of(cls, features: Features) -> _Rows:
        if isinstance(features, Sequences):
            return cls(torch.from_numpy(features.values), torch.from_numpy(features.lengths))
        return cls(torch.from_numpy(features), None)

    def at(self, variant: int | Tensor, batch: Tensor | slice, device: torch.device) -> _Rows:
        """The given variant of each recording of a batch."""
        lengths = None if self.lengths is None else self.lengths[variant, batch].to(device)
        return _Rows(self.values[variant, batch].to(device), lengths)


def _batch_loss(
    network: nn.Module,
    rows: _Rows,
    targets: Tensor,
    optimiser: Optimiser,
    generator: torch.Generator,
) -> Tensor:
    features = rows.values
    if optimiser.noise:
        noise = torch.randn(features.shape, generator=generator).to(features.device)
        features = features + optimiser.noise * noise

    smoothing = optimiser.label_smoothing
    if not optimiser.mixup:
        logits = network(features, rows.lengths)
        return nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    rng = np.random.default_rng(int(torch.randint(1 << 62, (), generator=generator)))
    drawn = rng.beta(optimiser.mixup, optimiser.mixup, len(targets))
    share = torch.from_numpy(drawn).to(features)
    other = torch.randperm(len(targets), generator=generator).to(features.device)
    by_row = share.reshape(-1, *[1] * (features.ndim - 1))
    mixed = by_row * features + (1 - by_row) * features[other]
    # Two recordings are mixed up to the end of the shorter.
    lengths = None if rows.lengths is None else torch.minimum(rows.lengths, rows.lengths[other])
    logits = network(mixed, lengths)
    first, second = (
        nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        for labels in (targets, targets[other])
    )
    return (share * first + (1 - share) * second).mean()


def _validate(
    network: nn.Module, validation: Examples, device: torch.device
) -> tuple[float, float]:
    network.eval()
    with torch.no_grad():
        rows = _Rows.of(validation.features).at(0, slice(None), device)
        logits = network(rows.values, rows.lengths).cpu()
    targets = torch.from_numpy(validation.targets)
    losses = nn.functional.cross_entropy(logits, targets, reduction="none")
    weights = torch.from_numpy(validation.weights)
    right = (logits.argmax(dim=1) == targets).numpy()
    recalls = [right[validation.targets == k].mean() for k in np.unique(validation.targets)]
    return float((losses * weights).mean()), float(np.mean(recalls))
