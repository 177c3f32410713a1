"""Checkpoints of an interrupted training: one safetensors file, replaced after every epoch.

It holds the trained parameters, the best so far, the state of the optimiser and the log. No state
of a random generator is needed, since every epoch seeds them anew from its number. Nothing in it is
pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.container import Format, TensorSpec, container_bytes, open_container
from serkit.errors import RecipeError
from serkit.files import write_atomically
from serkit.training.loop import Epoch

FORMAT = Format("serkit-checkpoint", 1, "checkpoint", max_bytes=16 << 30, error=RecipeError)

Arrays = Mapping[str, NDArray[Any]]

PARTS = ("now", "best", "average", "square")
"""Parameters now and at the best epoch; AdamW's averages of gradients and of their squares."""


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """The state of a training after some epochs.

    Attributes:
        arrays: By part and parameter, as `now.output.weight`, float32.
        steps: Steps of the optimiser so far.
        log: Lines of the training log.
        waited: Epochs since the best one.
    """

    arrays: Arrays
    steps: int
    log: tuple[Epoch, ...]
    waited: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a training keeps its state.

    Attributes:
        path: The file.
        training: Digest of the recipe, the data, the frozen weights and the seed; another training
            is not resumed.
    """

    path: Path
    training: str

    def save(self, progress: Progress) -> None:
        """Replace the file.

        Raises:
            OSError: The disk is full, or the folder is not writable; the old file stays.
        """
        description = {
            "training": self.training,
            "steps": progress.steps,
            "waited": progress.waited,
            "log": [asdict(epoch) for epoch in progress.log],
        }
        write_atomically(self.path, container_bytes(FORMAT, description, progress.arrays))

    def load(self, shapes: Mapping[str, tuple[int, ...]]) -> Progress | None:
        """Read the file.

        Args:
            shapes: Shape of each parameter.

        Returns:
            The state; None if there is no file.

        Raises:
            RecipeError: The file is damaged or of another training.
        """
        if not self.path.exists():
            return None
        with open_container(self.path, FORMAT) as contents:
            values = contents.description
            if values.get("training") != self.training:
                raise RecipeError(
                    f"{self.path} is the checkpoint of another training (recipe, data, teacher, "
                    "pretrained weights or seed differ); remove it, or name another output"
                )
            try:
                epochs = tuple(Epoch(**line) for line in values["log"])
                steps, waited = int(values["steps"]), int(values["waited"])
            except (KeyError, TypeError, ValueError) as error:
                raise RecipeError(f"{self.path} is damaged: {error!r}; remove it") from error
            if not epochs or steps < 1 or not 0 <= waited < len(epochs):
                raise RecipeError(f"{self.path} is damaged: impossible counts; remove it")
            specs = {
                f"{part}.{name}": TensorSpec(shape)
                for part in PARTS
                for name, shape in shapes.items()
            }
            arrays = contents.tensors(specs)
        return Progress(
            {k: np.asarray(v, np.float32) for k, v in arrays.items()}, steps, epochs, waited
        )

    def remove(self) -> None:
        """Remove the file of a finished training."""
        self.path.unlink(missing_ok=True)
