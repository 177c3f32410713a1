"""The training log in TensorBoard."""

from __future__ import annotations

from pathlib import Path

from serkit.errors import MissingExtraError
from serkit.training.loop import Epoch


class Board:
    """A folder that TensorBoard reads.

    Args:
        folder: The folder; created if missing.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtraError("tensorboard", "tensorboard", "the log") from None
        self._writer = SummaryWriter(folder)

    def add(self, epoch: Epoch) -> None:
        """Write the values of an epoch."""
        values = {
            "loss/training": epoch.train_loss,
            "loss/validation": epoch.validation_loss,
            "ua/validation": epoch.validation_ua,
        }
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch.number)
        self._writer.flush()
