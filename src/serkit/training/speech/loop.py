"""The training loop of networks on waveforms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from serkit.errors import RecipeError
from serkit.metrics import confusion, unweighted_average_recall
from serkit.networks import SpeechClassifier
from serkit.training.batches import bucketed
from serkit.training.loop import Epoch
from serkit.training.speech.checkpoint import PARTS, Checkpoint, Progress
from serkit.training.speech.loading import Batch, Loader
from serkit.training.speech.loss import balanced_weights, distillation_loss, focal_loss
from serkit.training.speech.processes import Processes
from serkit.training.speech.recipe import Schedule, SpeechRecipe
from serkit.training.speech.recordings import UNLABELLED, Recordings

Array = NDArray[np.float32]

_VALIDATED_AT_ONCE = 32


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a network is trained on.

    Attributes:
        training: Training recordings, labelled or not.
        validation: Recordings for early stopping and calibration.
        teacher: Logarithms of a teacher's probabilities, shape `[n_training, n_labels]`; None
            without a teacher.
    """

    training: Recordings
    validation: Recordings
    teacher: Array | None = None


def train(
    network: SpeechClassifier,
    lesson: Lesson,
    recipe: SpeechRecipe,
    *,
    seed: int,
    workers: int = 0,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> None:
    """Train a network in place, and keep the weights of the best epoch.

    The result is determined by the network, the lesson, the recipe and the seed, also after an
    interruption: each epoch seeds order, dropout and augmentation from the seed and its number. On
    a GPU, sums may differ in the last digits.

    Args:
        network: The network.
        lesson: The data.
        recipe: The recipe.
        seed: Seed of everything random.
        workers: Processes that read recordings; 0 for none.
        checkpoint: Where the state is kept after every epoch; a training found there is resumed.
        on_epoch: Called with each line of the training log, again for epochs before a resumption.

    Raises:
        RecipeError: The training diverged, or the checkpoint is damaged or of another training.
        CorpusError: A recording cannot be read.
        OSError: The checkpoint cannot be written, as on a full disk.
    """
    run = _Run(network, lesson, recipe, seed, workers)
    if checkpoint is not None:
        run.resume(checkpoint, on_epoch)
    plan = recipe.optimiser
    while not run.finished:
        epoch = run.epoch(len(run.log) + 1)
        if not (math.isfinite(epoch.train_loss) and math.isfinite(epoch.validation_loss)):
            raise RecipeError(
                f"the training diverged: the losses of epoch {epoch.number} are "
                f"{epoch.train_loss} and {epoch.validation_loss}; lower the learning_rate, which "
                f"is {plan.learning_rate:g}"
            )
        run.log.append(epoch)
        if checkpoint is not None and run.processes.first:
            checkpoint.save(run.progress())
        run.processes.wait()
        if on_epoch is not None and run.processes.first:
            on_epoch(epoch)
    run.restore(run.best)
    network.to("cpu").eval()


class _Run:
    """The state of a training."""

    def __init__(
        self,
        network: SpeechClassifier,
        lesson: Lesson,
        recipe: SpeechRecipe,
        seed: int,
        workers: int,
    ) -> None:
        self.network, self.lesson, self.recipe, self.seed = network, lesson, recipe, seed
        self.processes = Processes()
        self.wrapped = self.processes.prepared(network)
        self.trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
        plan = recipe.optimiser
        # Decay pulls weights to 0, which biases and scales of normalisation are not meant to be.
        decayed = [p for p in self.trained.values() if p.ndim > 1]
        others = [p for p in self.trained.values() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": plan.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=plan.learning_rate)
        self.per_epoch = -(-len(lesson.training) // plan.batch_size)
        self.steps = 0
        self.log: list[Epoch] = []
        self.waited = 0
        self.best = self.copied()
        self.weights = self._class_weights().to(self.processes.device)
        self.targets = torch.from_numpy(lesson.training.targets)
        self.reading = Loader(
            lesson.training, augmentation=recipe.augmentation, seed=seed, workers=workers
        )
        self.checking = Loader(lesson.validation, workers=workers)

    def _class_weights(self) -> Tensor:
        targets = self.lesson.training.targets
        counts = np.bincount(targets[targets != UNLABELLED], minlength=len(self.recipe.labels))
        if self.recipe.loss.class_weights == "none" or not counts.all():
            return torch.ones(len(counts))
        return balanced_weights(counts.tolist())

    @property
    def finished(self) -> bool:
        plan = self.recipe.optimiser
        stopped = plan.patience is not None and self.waited >= plan.patience
        return stopped or len(self.log) >= plan.max_epochs

    def epoch(self, number: int) -> Epoch:
        """Train for an epoch and validate."""
        seeds = np.random.default_rng([self.seed, number, self.processes.number])
        torch.manual_seed(int(seeds.integers(1 << 62)))
        generator = torch.Generator().manual_seed((self.seed << 20) + number)
        lengths = torch.from_numpy(self.lesson.training.lengths)
        order = bucketed(lengths, self.recipe.optimiser.batch_size, generator)
        # A process without a recording of a batch repeats one with weight 0.
        mine = [b[self.processes.number :: self.processes.count].tolist() for b in order]
        read = [rows or batch[:1].tolist() for rows, batch in zip(mine, order, strict=True)]
        self.wrapped.train()
        total = 0.0
        batches = self.reading.batches(read, epoch=number)
        for batch, rows, whole in zip(batches, mine, order, strict=True):
            losses = self._losses(batch.to(self.processes.device))
            share = self.processes.count * len(rows) / len(whole)
            loss = losses.mean() * share
            self._step(loss)
            total += float(loss.item()) * len(whole) / self.processes.count
        totals = self.processes.gathered([total])
        validation_loss, ua = self.validated()
        scores = [line.validation_ua for line in self.log]
        best = self.recipe.optimiser.patience is None or ua > max(scores, default=-1.0)
        self.waited = 0 if best else self.waited + 1
        if best:
            self.best = self.copied()
        return Epoch(number, sum(totals) / len(self.lesson.training), validation_loss, ua, best)

    def _losses(self, batch: Batch) -> Tensor:
        """Loss of each recording of a batch."""
        with self._autocast():
            logits, _ = self.wrapped(batch.samples, batch.lengths)
        logits = logits.float()
        targets = self.targets[batch.rows].to(logits.device)
        loss = self.recipe.loss
        labelled = (targets != UNLABELLED).to(logits.dtype)
        by_label = labelled * focal_loss(
            logits,
            targets.clamp(min=0),
            self.weights,
            gamma=loss.gamma,
            label_smoothing=loss.label_smoothing,
        )
        if self.lesson.teacher is None:
            return by_label
        plan = self.recipe.distillation
        soft = torch.from_numpy(self.lesson.teacher[batch.rows.numpy()]).to(logits.device)
        taught = distillation_loss(logits, soft, temperature=plan.temperature)
        # Without a label, the teacher counts in full.
        share = plan.weight * labelled + (1.0 - labelled)
        return (1.0 - share) * by_label + share * taught

    def _step(self, loss: Tensor) -> None:
        plan = self.recipe.optimiser
        rate = plan.learning_rate * rate_at(self.steps, self.per_epoch * plan.max_epochs, plan)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.trained.values(), plan.clip_norm)
        self.optimiser.step()
        self.steps += 1

    def validated(self) -> tuple[float, float]:
        """Class-weighted cross-entropy in nats and UA on the validation recordings."""
        validation = self.lesson.validation
        with self._autocast():
            logits = _logits(self.network, self.checking, validation, self.processes)
        targets = torch.from_numpy(validation.targets)
        losses = focal_loss(
            torch.from_numpy(logits), targets, self.weights.cpu(), gamma=0.0, label_smoothing=0.0
        )
        matrix = confusion(validation.targets, logits.argmax(axis=1), logits.shape[1])
        return float(losses.mean()), unweighted_average_recall(matrix)

    @contextmanager
    def _autocast(self) -> Iterator[None]:
        mixed = self.recipe.optimiser.mixed_precision
        with torch.autocast(self.processes.device.type, torch.bfloat16, enabled=mixed):
            yield

    def copied(self) -> dict[str, Tensor]:
        """A copy of the trained parameters."""
        return {name: p.detach().cpu().clone() for name, p in self.trained.items()}

    def restore(self, values: dict[str, Tensor]) -> None:
        """Set the trained parameters."""
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(values[name])

    def progress(self) -> Progress:
        """The state, for a checkpoint."""
        state = self.optimiser.state
        parts = (
            self.copied(),
            self.best,
            {name: state[p]["exp_avg"].cpu() for name, p in self.trained.items()},
            {name: state[p]["exp_avg_sq"].cpu() for name, p in self.trained.items()},
        )
        arrays = {
            f"{part}.{name}": value.numpy()
            for part, values in zip(PARTS, parts, strict=True)
            for name, value in values.items()
        }
        return Progress(arrays, self.steps, tuple(self.log), self.waited)

    def resume(self, checkpoint: Checkpoint, on_epoch: Callable[[Epoch], None] | None) -> None:
        """Take the state of a checkpoint, if there is one."""
        found = checkpoint.load({name: tuple(p.shape) for name, p in self.trained.items()})
        if found is None:
            return
        now, best, average, square = (
            {name: torch.from_numpy(found.arrays[f"{part}.{name}"]) for name in self.trained}
            for part in PARTS
        )
        self.restore(now)
        self.best = best
        for name, parameter in self.trained.items():
            self.optimiser.state[parameter] = {
                "step": torch.tensor(float(found.steps)),
                "exp_avg": average[name].to(self.processes.device),
                "exp_avg_sq": square[name].to(self.processes.device),
            }
        self.steps, self.waited = found.steps, found.waited
        self.log = list(found.log)
        if on_epoch is not None and self.processes.first:
            for epoch in self.log:
                on_epoch(epoch)


def rate_at(step: int, total: int, plan: Schedule) -> float:
    """Share of the peak learning rate: linear warm-up, then half a cosine to 0.

    Args:
        step: Number of the step, from 0.
        total: Number of steps.
        plan: Settings, of which the share of the warm-up is used.
    """
    rise = math.ceil(plan.warm_up * total)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def logits_of(network: SpeechClassifier, recordings: Recordings, *, workers: int = 0) -> Array:
    """Logits of recordings, in evaluation mode.

    Args:
        network: The network.
        recordings: The recordings.
        workers: Processes that read recordings; 0 for none.

    Returns:
        Shape `[n, n_labels]`, float32.
    """
    processes = Processes()
    network.to(processes.device)
    found = _logits(network, Loader(recordings, workers=workers), recordings, processes)
    network.to("cpu")
    return found


def _logits(
    network: SpeechClassifier, loader: Loader, recordings: Recordings, processes: Processes
) -> Array:
    network.eval()
    order = np.argsort(recordings.lengths, kind="stable")
    batches = np.array_split(order, -(-len(order) // _VALIDATED_AT_ONCE))
    mine = [batch.tolist() for batch in batches[processes.number :: processes.count]]
    found: list[tuple[list[int], Array]] = []
    with torch.no_grad():
        for batch in loader.batches(mine):
            on_device = batch.to(processes.device)
            values, _ = network(on_device.samples, on_device.lengths)
            found.append((batch.rows.tolist(), values.float().cpu().numpy()))
    parts = processes.gathered(found)
    logits = np.zeros((len(recordings), network.output.out_features), np.float32)
    for rows, values in parts:
        logits[rows] = values
    return logits
