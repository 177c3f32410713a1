"""Training and calibration of a network on waveforms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import serkit
from serkit.adaptation import fit_temperature
from serkit.networks import SpeechClassifier
from serkit.runtime import ModelCard
from serkit.training.loop import Epoch
from serkit.training.speech.checkpoint import Checkpoint
from serkit.training.speech.encoders import build
from serkit.training.speech.loop import Lesson, logits_of, train
from serkit.training.speech.recipe import SpeechRecipe
from serkit.training.speech.recordings import Recordings, waveform_of

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SpeechModel:
    """A trained network on waveforms.

    Attributes:
        network: The network, in evaluation mode.
        card: Its card.
    """

    network: SpeechClassifier
    card: ModelCard

    @property
    def n_parameters(self) -> int:
        """Number of parameters, frozen ones included."""
        return sum(p.numel() for p in self.network.parameters())

    def logits(self, recordings: Recordings) -> Array:
        """Calibrated logits, shape `[n, n_labels]`, float32."""
        return logits_of(self.network, recordings) / np.float32(self.card.temperature)

    def with_card(self, **changes: Any) -> SpeechModel:
        """The same network with other values on its card."""
        return replace(self, card=replace(self.card, **changes))


def learn_speech(
    recipe: SpeechRecipe,
    training: Recordings,
    validation: Recordings,
    *,
    seed: int = 0,
    teacher: Array | None = None,
    workers: int = 0,
    checkpoint: Path | None = None,
    checkpoints: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> SpeechModel:
    """Train and calibrate a network; the same arguments give the same model.

    Args:
        recipe: The recipe.
        training: Training recordings.
        validation: Recordings for early stopping and calibration.
        seed: Seed of the initial weights and of all that is random in training.
        teacher: Logarithms of a teacher's probabilities of the training recordings, shape
            `[n_training, n_labels]`; None without a teacher.
        workers: Processes that read recordings; 0 for none.
        checkpoint: File that keeps the state after every epoch, from which an interrupted training
            is resumed; to be removed when the model is saved.
        checkpoints: A folder instead, in which each training has a file of its own, removed at the
            end.
        on_epoch: Called with each line of the training log.

    Returns:
        The model; its card has no figures and corpora yet.

    Raises:
        RecipeError: The training diverged, or the checkpoint is damaged or of another training.
        ModelError: Pretrained weights cannot be loaded.
        CorpusError: A recording cannot be read.
        OSError: A checkpoint cannot be written.
    """
    network = build(recipe, seed=seed)
    kept = None
    if checkpoint is not None or checkpoints is not None:
        digest = _digest(network, recipe, training, validation, seed, teacher)
        path = checkpoint or (checkpoints or Path()) / f"{digest}.safetensors"
        kept = Checkpoint(path, digest)
    lesson = Lesson(training, validation, teacher)
    train(network, lesson, recipe, seed=seed, workers=workers, checkpoint=kept, on_epoch=on_epoch)
    temperature = fit_temperature(logits_of(network, validation), validation.targets)
    if kept is not None and checkpoint is None:
        kept.remove()
    card = ModelCard(
        name=recipe.name,
        labels=recipe.labels,
        input=waveform_of(recipe.preprocessing),
        window_s=recipe.preprocessing.max_s,
        temperature=temperature,
        recipe=recipe.on_card(),
        created_with=serkit.__version__,
    )
    return SpeechModel(network, card)


def _digest(
    network: SpeechClassifier,
    recipe: SpeechRecipe,
    training: Recordings,
    validation: Recordings,
    seed: int,
    teacher: Array | None,
) -> str:
    """Hash of all that determines a training and that a checkpoint does not hold."""
    digest = hashlib.blake2b(json.dumps([recipe.to_dict(), seed]).encode(), digest_size=16)
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            digest.update(name.encode() + parameter.numpy().tobytes())
    for part in (training, validation):
        digest.update("\n".join(part.hashes).encode() + part.targets.tobytes())
    if teacher is not None:
        digest.update(teacher.tobytes())
    return digest.hexdigest()
