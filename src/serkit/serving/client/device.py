"""The model on the device."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from serkit.audio import Source
from serkit.runtime import Recognizer, load
from serkit.runtime.sources import is_packets


class Device:
    """Answers without a server.

    Args:
        model: The model, its name or its file; None for the shipped one that takes the input.

    Raises:
        ModelError: The model cannot be loaded.
    """

    def __init__(self, model: Recognizer | str | None) -> None:
        self._model = load(model) if isinstance(model, str) else model

    def model_for(self, source: Source) -> Recognizer:
        """The model for a recording."""
        return self.model_of(packets=is_packets(source))

    def model_of(self, *, packets: bool) -> Recognizer:
        """The model for packets or for sound."""
        return self._model or _shipped("tiny-mel" if packets else "tiny")


def is_sure(scores: Mapping[str, float], when_unsure: float) -> bool:
    """Whether the answer of the device stands, so that the server is not asked.

    Args:
        scores: Probability of each emotion on the device; empty for digital silence, of which a
            server could not tell more.
        when_unsure: Least probability of the best one.
    """
    return not scores or max(scores.values()) >= when_unsure


@cache
def _shipped(name: str) -> Recognizer:
    return load(name)
