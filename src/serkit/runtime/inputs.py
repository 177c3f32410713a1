"""Kinds of model input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import RecipeError
from serkit.features import (
    DescriptorRecipe,
    FeatureRecipe,
    LogMelRecipe,
    extract,
    extract_of_log_mel,
)
from serkit.features.whisper import scaled
from serkit.runtime.text_input import TextRecipe
from serkit.text import shown

MAX_WIDTH = 1 << 16


@dataclass(frozen=True, slots=True)
class Waveform:
    """The samples themselves, mono at 16 kHz."""

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Waveform:
        """The input that `to_dict` wrote.

        Raises:
            RecipeError: The values are not an empty object.
        """
        if not isinstance(values, Mapping) or values:
            raise RecipeError(f"waveform is {shown(values)}; expected {{}}")
        return cls()


@dataclass(frozen=True, slots=True)
class Embedding:
    """A vector computed by another model.

    Attributes:
        model: Name of the other model.
        width: Length of the vector.
    """

    model: str
    width: int

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Embedding:
        """The input that `to_dict` wrote.

        Raises:
            RecipeError: A key is missing or unknown, or a value is invalid.
        """
        if (
            not isinstance(values, Mapping)
            or set(values) != {"model", "width"}
            or not isinstance(values["model"], str)
            or type(values["width"]) is not int
            or not 1 <= values["width"] <= MAX_WIDTH
        ):
            raise RecipeError(
                f"embedding is {shown(values)}; expected the name of a model and a width of 1 to "
                f"{MAX_WIDTH}"
            )
        return cls(values["model"], values["width"])


Input = FeatureRecipe | LogMelRecipe | TextRecipe | Waveform | Embedding

INPUTS: dict[str, type[Input]] = {
    "features": FeatureRecipe,
    "log_mel": LogMelRecipe,
    "text": TextRecipe,
    "waveform": Waveform,
    "embedding": Embedding,
}
"""All kinds of input, by their keys on a card."""


def kind_of(value: Input) -> str:
    """The key of an input on a card."""
    return next(kind for kind, cls in INPUTS.items() if type(value) is cls)


def features_of(recipe: DescriptorRecipe, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features of a recording under either kind of recipe.

    Args:
        recipe: A recipe for sound or for log-mel.
        samples: Mono at 16 kHz, shape `[n_samples]`, float32.

    Returns:
        As `serkit.features.extract`.

    Raises:
        AudioError: The recording is shorter than a log-mel frame of 10 ms.
    """
    if isinstance(recipe, LogMelRecipe):
        from serkit.codec.frontend import log_mel_of

        return extract_of_log_mel(recipe, scaled(log_mel_of(samples)))
    if isinstance(recipe, FeatureRecipe):
        return extract(recipe, samples)
    raise TypeError(f"expected a FeatureRecipe or LogMelRecipe, got {type(recipe).__name__}")
