"""The processes of one training: one, or those that `accelerate launch` started."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import nn

from serkit.errors import MissingExtraError


class Processes:
    """This process among those of the training.

    Attributes:
        device: Device of this process.
        number: Number of this process, from 0.
        count: Number of processes.
    """

    def __init__(self) -> None:
        self._accelerator: Any = None
        self.number, self.count = 0, 1
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            try:
                from accelerate import Accelerator
            except ImportError:
                raise MissingExtraError("accelerate", "speech", "several processes") from None
            self._accelerator = Accelerator()
            self.number = self._accelerator.process_index
            self.count = self._accelerator.num_processes
            self.device = self._accelerator.device
        else:
            self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.number == 0

    def prepared(self, network: nn.Module) -> nn.Module:
        """The network on the device; its gradients are averaged over the processes."""
        network.to(self.device)
        if self._accelerator is None:
            return network
        wrapped: nn.Module = self._accelerator.prepare_model(network)
        return wrapped

    def gathered(self, values: list[Any]) -> list[Any]:
        """The values of all processes, in the order of their numbers."""
        if self._accelerator is None:
            return values
        from accelerate.utils import gather_object

        found: list[Any] = gather_object(values)
        return found

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()
