"""Model cards: the description in a model file of any backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serkit.adaptation.speaker_model import SpeakerModel
from serkit.audio import WINDOW_S
from serkit.features import LogMelRecipe
from serkit.runtime.inputs import Input
from serkit.runtime.sketch import Sketch
from serkit.runtime.typical import Typical

DIMENSIONS = ("arousal", "valence", "dominance")
"""Dimensions of emotion that a model may estimate, each from -1 to 1."""


@dataclass(frozen=True, slots=True)
class TrainingCorpus:
    """A corpus that a model was trained on.

    Attributes:
        name: Name of the corpus in serkit.
        title: Full name.
        licence: Licence.
        commercial_use: Whether the licence allows commercial use.
        utterances: Number of recordings in the training data.
        speakers: Number of speakers in the training data.
    """

    name: str
    title: str
    licence: str
    commercial_use: bool
    utterances: int
    speakers: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the weights of an imported model come from.

    Attributes:
        source: Id on the Hugging Face hub, or name of the folder.
        architecture: Class of its network in the library `transformers`.
        licence: Licence of the weights, as on its model card; empty if unknown.
        base_model: Model that it was fine-tuned from, as on its model card; empty if unknown.
    """

    source: str
    architecture: str
    licence: str = ""
    base_model: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The description of a model.

    Attributes:
        name: Name of the model.
        labels: Classes, in the order of the outputs; empty for a model of dimensions alone.
        input: Kind and parameters of the input.
        window_s: Length in seconds of the windows that a long recording is cut into.
        temperature: Divisor of the logits before the softmax; calibrated on held-out speakers.
        clip: Limit of the standardised features, in magnitude; None for 1e6, which prevents
            overflow.
        corpora: The training corpora.
        seen: Sketch of the training recordings.
        figures: Protocols of the evaluation and their figures, as JSON values.
        recipe: The training recipe, as JSON values.
        created_with: Version of serkit that wrote the file.
        typical: Distribution of the training data; None if unknown.
        speakers: How speakers differ in the logits, for `serkit.adaptation.Enrolment`; None if
            unknown.
        dimensions: Dimensions that the model estimates, of `DIMENSIONS`, in the order of the
            outputs; empty for a model of categories alone.
        dimension_corpora: The corpora that the dimensions were learned from, on top of a network
            trained on `corpora`; empty if they are the same.
        origin: Where the weights come from; None if they were trained by serkit.
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
    speakers: SpeakerModel | None = None
    dimensions: tuple[str, ...] = ()
    dimension_corpora: tuple[TrainingCorpus, ...] = ()
    origin: Origin | None = None

    @property
    def takes_log_mel(self) -> bool:
        """Whether the input is log-mel, so that the model answers to packets as well as sound."""
        return isinstance(self.input, LogMelRecipe)
