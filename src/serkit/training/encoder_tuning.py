"""Fine-tuning of a whole text encoder with a linear layer on top.

Pandelea et al., *Emotion recognition on edge devices* (2021): the baseline BP of 4.1, and the
task-specific pre-training of 4.2, which stops at 80 % of the final performance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from serkit.errors import RecipeError
from serkit.metrics import confusion, weighted_f1
from serkit.networks import PooledEncoder
from serkit.runtime.text_encoder import POOLINGS
from serkit.training.batches import bucketed
from serkit.training.pretrained import Pretrained

_BATCH = 128


@dataclass(frozen=True, slots=True)
class Tuning:
    """Settings of fine-tuning.

    Attributes:
        learning_rate: Peak of the learning rate, which rises over the first tenth of the steps and
            then falls linearly to 0 at the end of `max_epochs`.
        weight_decay: Decay of AdamW.
        batch_size: Texts per step.
        max_epochs: Maximum number of epochs.
        patience: Epochs without a better weighted F1 on the validation set before stopping.
        dropout: Probability of dropping a pooled number.
        pooling: `mean` over the tokens, or `cls`.
        layers: Layers to concatenate.
        max_tokens: Tokens of a text that are used.
        mixed_precision: Compute the transformer in bfloat16; parameters stay in float32.
        stop_at: Share of the final weighted F1 on the validation set at which a second training
            stops; None to keep the best weights of the first.
        checks_per_epoch: Validations per epoch of the second training.
    """

    learning_rate: float = 5e-5
    weight_decay: float = 0.01
    batch_size: int = 32
    max_epochs: int = 5
    patience: int = 2
    dropout: float = 0.1
    pooling: str = "mean"
    layers: tuple[int, ...] = (-1,)
    max_tokens: int = 32
    mixed_precision: bool = False
    stop_at: float | None = None
    checks_per_epoch: int = 20

    def __post_init__(self) -> None:
        """Check the values that come from a command line.

        Raises:
            RecipeError: A value is out of range.
        """
        for name, valid, expected in (
            ("learning_rate", 0.0 < self.learning_rate <= 1.0, "above 0, at most 1"),
            ("batch_size", 1 <= self.batch_size <= 4096, "1 to 4096"),
            ("max_epochs", 1 <= self.max_epochs <= 1000, "1 to 1000"),
            ("pooling", self.pooling in POOLINGS, " or ".join(POOLINGS)),
            ("stop_at", self.stop_at is None or 0.0 < self.stop_at < 1.0, "between 0 and 1"),
            ("patience", self.patience >= 1, "at least 1"),
            ("checks_per_epoch", self.checks_per_epoch >= 1, "at least 1"),
        ):
            if not valid:
                raise RecipeError(f"{name} is {getattr(self, name)}; expected {expected}")


@dataclass(frozen=True, slots=True)
class Lines:
    """Texts and their classes.

    Attributes:
        texts: The texts.
        targets: Class indices, shape `[n]`.
    """

    texts: Sequence[str]
    targets: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Check:
    """One validation.

    Attributes:
        epoch: Epochs so far.
        train_loss: Mean cross-entropy since the last validation, in nats.
        weighted_f1: Weighted F1 on the validation set.
        second: Whether it is of the second training, which stops early.
    """

    epoch: float
    train_loss: float
    weighted_f1: float
    second: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """A fine-tuned encoder with its linear layer.

    Attributes:
        pretrained: The fine-tuned transformer, as `export_encoder` and `save_pretrained` take it.
        network: The transformer with pooling.
        output: The linear layer.
        plan: The settings.
        checks: All validations, in order.
        weighted_f1: Weighted F1 on the validation set, of the weights kept.
        final: Weighted F1 on the validation set at convergence.
    """

    pretrained: Pretrained
    network: PooledEncoder
    output: nn.Linear
    plan: Tuning
    checks: tuple[Check, ...]
    weighted_f1: float
    final: float

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probability of each class, shape `[n, n_labels]`, float32."""
        return _probabilities(self.network, self.output, _tokens(self.pretrained, self.plan, texts))


def tune_encoder(
    pretrained: Pretrained,
    training: Lines,
    validation: Lines,
    *,
    n_labels: int,
    plan: Tuning | None = None,
    seed: int = 0,
    on_check: Callable[[Check], object] | None = None,
) -> Tuned:
    """Fine-tune a transformer; the given one is not changed.

    With `stop_at`, the training is run twice from the same seed: to convergence, and again until
    that share of the final weighted F1 on the validation set is reached.

    Args:
        pretrained: The transformer.
        training: Training data.
        validation: Data for early stopping.
        n_labels: Number of classes.
        plan: The settings; by default those of `Tuning`.
        seed: Seed of the linear layer, the order of the texts and dropout.
        on_check: Called with each validation.

    Returns:
        The weights with the best weighted F1 on the validation set, or those that reached the
        share of it.

    Raises:
        RecipeError: The training diverged.
    """
    plan = plan or Tuning()
    checks: list[Check] = []

    def keep(check: Check) -> None:
        checks.append(check)
        if on_check is not None:
            on_check(check)

    tuned, best = _train(pretrained, training, validation, n_labels, plan, seed, None, keep)
    final = best
    if plan.stop_at is not None:
        goal = plan.stop_at * final
        tuned, best = _train(pretrained, training, validation, n_labels, plan, seed, goal, keep)
    network, output = tuned
    transformer = network.transformer
    changed = Pretrained(
        pretrained.name,
        transformer,
        pretrained.tokenizer,
        pretrained.pad_token,
        pretrained.licence,
    )
    return Tuned(changed, network, output, plan, tuple(checks), best, final)


def _train(
    pretrained: Pretrained,
    training: Lines,
    validation: Lines,
    n_labels: int,
    plan: Tuning,
    seed: int,
    goal: float | None,
    keep: Callable[[Check], object],
) -> tuple[tuple[PooledEncoder, nn.Linear], float]:
    """The network and its weighted F1 on the validation set; up to the goal if there is one."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = PooledEncoder(deepcopy(pretrained.transformer), plan.pooling, plan.layers).to(device)
    ids, mask = _tokens(pretrained, plan, training.texts)
    held = _tokens(pretrained, plan, validation.texts)
    targets = torch.from_numpy(training.targets)
    with torch.no_grad():
        width = network.eval()(ids[:1].to(device), mask[:1].to(device)).shape[1]
    output = nn.Linear(width, n_labels).to(device)
    drop = nn.Dropout(plan.dropout)
    both = nn.ModuleList([network, output])
    steps = torch.optim.AdamW(
        both.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
    )
    per_epoch = -(-len(targets) // plan.batch_size)
    total = per_epoch * plan.max_epochs
    rise = max(1, total // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        steps, lambda step: min((step + 1) / rise, max(0.0, (total - step) / max(1, total - rise)))
    )
    every = per_epoch if goal is None else max(1, per_epoch // plan.checks_per_epoch)
    best, best_score, best_step = deepcopy(both.state_dict()), -1.0, 0
    losses: list[float] = []
    step = 0
    for _ in range(plan.max_epochs):
        for batch in bucketed(mask.sum(dim=1), plan.batch_size, generator):
            both.train()
            with torch.autocast(device.type, torch.bfloat16, enabled=plan.mixed_precision):
                pooled = network(*_trimmed(ids[batch], mask[batch], device))
            logits = output(drop(pooled.float()))
            loss = nn.functional.cross_entropy(logits, targets[batch].to(device))
            steps.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(both.parameters(), 1.0)
            steps.step()
            schedule.step()
            losses.append(loss.item())
            step += 1
            if step % every:
                continue
            if not math.isfinite(sum(losses)):
                raise RecipeError(
                    f"the fine-tuning diverged; lower the learning_rate, which is "
                    f"{plan.learning_rate:g}"
                )
            answers = _probabilities(network, output, held).argmax(axis=1)
            score = weighted_f1(confusion(validation.targets, answers, n_labels))
            keep(Check(step / per_epoch, float(np.mean(losses)), score, goal is not None))
            losses.clear()
            if score > best_score:
                best, best_score, best_step = deepcopy(both.state_dict()), score, step
            reached = goal is not None and score >= goal
            if reached or step - best_step >= plan.patience * per_epoch:
                break
        else:
            continue
        break
    both.load_state_dict(best)
    both.to("cpu").eval()
    return (network, output), best_score


def _trimmed(ids: Tensor, mask: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask without the columns that are padding in every row."""
    longest = int(mask.sum(dim=1).max())
    return ids[:, :longest].to(device), mask[:, :longest].to(device)


def _tokens(pretrained: Pretrained, plan: Tuning, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Ids and mask, each of shape `[n, max_tokens]`, int64."""
    encoded = pretrained.padded_tokenizer(plan.max_tokens).encode_batch(list(texts))
    return (
        torch.tensor([one.ids for one in encoded]),
        torch.tensor([one.attention_mask for one in encoded]),
    )


def _probabilities(
    network: PooledEncoder, output: nn.Linear, tokens: tuple[Tensor, Tensor]
) -> NDArray[np.float32]:
    network.eval()
    device = output.weight.device
    with torch.no_grad():
        parts = [
            output(network(*_trimmed(ids, mask, device))).softmax(dim=1).cpu().numpy()
            for ids, mask in zip(*(torch.split(t, _BATCH) for t in tokens), strict=True)
        ]
    probabilities: NDArray[np.float32] = np.concatenate(parts)
    return probabilities
