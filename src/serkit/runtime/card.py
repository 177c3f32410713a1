"""What a model file says about itself, whatever its backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serkit.audio import WINDOW_S
from serkit.runtime.inputs import Input
from serkit.runtime.sketch import Sketch
from serkit.runtime.typical import Typical


@dataclass(frozen=True, slots=True)
class TrainingCorpus:
    """A corpus that a model was trained on.

    Attributes:
        name: serkit's name of the corpus.
        title: Its full name.
        licence: Its licence.
        commercial_use: Whether that licence allows commercial use.
        utterances: Number of its recordings in the training data.
        speakers: Number of speakers of these recordings.
    """

    name: str
    title: str
    licence: str
    commercial_use: bool
    utterances: int
    speakers: int


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model file says about itself, apart from its tensors.

    Attributes:
        name: Name of the model.
        labels: Its classes, in the order of its outputs.
        input: What it computes its answer from.
        window_s: Length in seconds of the windows that a long recording is cut into.
        temperature: Divisor of the logits before the softmax; calibrated on held-out speakers.
        clip: Limit of the standardised features, in magnitude; None for a million, so that no sum
            overflows.
        corpora: What it was trained on.
        seen: A sample of the training recordings, by corpus.
        figures: The protocols and figures it was accepted with, as JSON values.
        recipe: The training recipe, as JSON values.
        created_with: Version of serkit that wrote it.
        typical: The spread of its training data; None if unknown.
    """

    name: str
    labels: tuple[str, ...]
    input: Input
    window_s: float = WINDOW_S
    temperature: float = 1.0
    clip: float | None = None
    corpora: tuple[TrainingCorpus, ...] = ()
    seen: Sketch = field(default_factory=Sketch)
    figures: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    created_with: str = ""
    typical: Typical | None = None
