"""Kinds of model input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio import normalise_peak, pre_emphasis, trim
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
    """The samples themselves, mono at 16 kHz, after preprocessing; Ismail, III.B.

    Attributes:
        trim_db: Leading and trailing stretches that are quieter than the loudest frame by this are
            removed; None to keep them.
        pre_emphasis: Coefficient of the pre-emphasis filter; 0 for none.
        peak: Largest magnitude after scaling; None for no scaling.
    """

    trim_db: float | None = None
    pre_emphasis: float = 0.0
    peak: float | None = None

    def prepared(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Preprocess a recording or window.

        Args:
            samples: Mono at 16 kHz, shape `[n_samples]`, float32.

        Returns:
            At most as many samples, float32.
        """
        if self.trim_db is not None:
            samples = trim(samples, top_db=self.trim_db)
        if self.pre_emphasis:
            samples = pre_emphasis(samples, self.pre_emphasis)
        return samples if self.peak is None else normalise_peak(samples, self.peak)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, without defaults."""
        default = Waveform()
        return {k: v for k, v in asdict(self).items() if v != getattr(default, k)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Waveform:
        """The input that `to_dict` wrote.

        Raises:
            RecipeError: A key is unknown, or a value is invalid.
        """
        ranges = {"trim_db": (1.0, 120.0), "pre_emphasis": (0.0, 0.999), "peak": (0.01, 1.0)}
        if not isinstance(values, Mapping) or any(
            key not in ranges
            or not isinstance(value, int | float)
            or isinstance(value, bool)
            or not ranges[key][0] <= value <= ranges[key][1]
            for key, value in values.items()
        ):
            limits = ", ".join(f"{k} of {low:g} to {high:g}" for k, (low, high) in ranges.items())
            raise RecipeError(f"waveform is {shown(values)}; expected at most {limits}")
        return cls(**{key: float(value) for key, value in values.items()})


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


@dataclass(frozen=True, slots=True)
class SpeechAndText:
    """Log-mel as Whisper's encoder takes it, and vectors of the text.

    Attributes:
        text: The text; None for log-mel alone.
    """

    text: TextRecipe | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"text": None if self.text is None else self.text.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SpeechAndText:
        """The input that `to_dict` wrote.

        Raises:
            RecipeError: A key is missing or unknown, or a value is invalid.
        """
        if not isinstance(values, Mapping) or set(values) != {"text"}:
            raise RecipeError(f"speech_and_text is {shown(values)}; expected text")
        return cls(None if values["text"] is None else TextRecipe.from_dict(values["text"]))


Input = FeatureRecipe | LogMelRecipe | TextRecipe | Waveform | Embedding | SpeechAndText

INPUTS: dict[str, type[Input]] = {
    "features": FeatureRecipe,
    "log_mel": LogMelRecipe,
    "text": TextRecipe,
    "waveform": Waveform,
    "embedding": Embedding,
    "speech_and_text": SpeechAndText,
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
