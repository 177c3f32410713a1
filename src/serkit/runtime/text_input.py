"""Text as the input of a model: lines of a dialogue in, vectors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import RecipeError
from serkit.plain import is_int
from serkit.text import shown

Array = NDArray[np.float32]

MAX_WIDTH = 1 << 13
"""Width of an embedding, at most."""

MAX_TOKENS = 512
MAX_CONTEXT = 7
"""Previous lines, at most."""


@dataclass(frozen=True, slots=True)
class TextRecipe:
    """Embeddings of a line of text and of the lines before it, computed by an encoder.

    The vector is the embedding of the line, then those of the `context` lines before it in the same
    dialogue, the latest first; zeros where there is none.

    Attributes:
        encoder: Name of the encoder; empty in a recipe that takes any encoder.
        digest: Digest of the encoder's description; empty in a recipe that takes any encoder.
        width: Width of its embeddings; 0 in a recipe that takes any encoder.
        max_tokens: Tokens of a line that are used; 0 in a recipe that takes any encoder.
        context: Number of previous lines.
        speaker: Whether each line begins with the name of its speaker, as in `Joey: Hi!`.
    """

    encoder: str = ""
    digest: str = ""
    width: int = 0
    max_tokens: int = 0
    context: int = 0
    speaker: bool = False

    @property
    def name(self) -> str:
        """The name of the encoder."""
        return self.encoder

    @property
    def per_frame(self) -> bool:
        """Whether the input is frames: it is a vector."""
        return False

    @property
    def n_features(self) -> int:
        """Length of the vector."""
        return self.width * (1 + self.context)

    @property
    def bound(self) -> bool:
        """Whether it belongs to a certain encoder."""
        return bool(self.digest)

    def line(self, text: str, speaker: str) -> str:
        """A line as the encoder takes it."""
        return f"{speaker}: {text}" if self.speaker else text

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TextRecipe:
        """The input that `to_dict` wrote, of a certain encoder.

        Raises:
            RecipeError: A key is missing or unknown, or a value is invalid.
        """
        names = {f.name for f in fields(cls)}
        if not isinstance(values, Mapping) or set(values) != names:
            raise RecipeError(f"text is {shown(values)}; expected {', '.join(sorted(names))}")
        recipe = cls.any_encoder(values.get("context"), values.get("speaker"))
        if (
            not (isinstance(values["encoder"], str) and 1 <= len(values["encoder"]) <= 200)
            or not is_digest(values["digest"])
            or not is_int(values["width"], 1, MAX_WIDTH)
            or not is_int(values["max_tokens"], 1, MAX_TOKENS)
        ):
            raise RecipeError(
                f"text is {shown(values)}; expected the name of an encoder, a digest of 64 hex "
                f"digits, a width of 1 to {MAX_WIDTH} and max_tokens of 1 to {MAX_TOKENS}"
            )
        return cls(**{**values, "context": recipe.context, "speaker": recipe.speaker})

    @classmethod
    def any_encoder(cls, context: object, speaker: object) -> TextRecipe:
        """A recipe that takes any encoder.

        Raises:
            RecipeError: The context or the speaker is invalid.
        """
        if not isinstance(context, int) or not is_int(context, 0, MAX_CONTEXT):
            raise RecipeError(f"context is {shown(context, 40)}; expected 0 to {MAX_CONTEXT}")
        if not isinstance(speaker, bool):
            raise RecipeError(f"speaker is {shown(speaker, 40)}; expected true or false")
        return cls(context=context, speaker=speaker)


def with_context(embeddings: Array, lengths: Sequence[int], context: int) -> Array:
    """Append to each line the embeddings of the lines before it in the same dialogue.

    Args:
        embeddings: Embeddings of the lines of all dialogues, in order, shape `[n, width]`.
        lengths: Number of lines of each dialogue.
        context: Number of previous lines.

    Returns:
        Shape `[n, width * (1 + context)]`, float32; zeros before the first line of a dialogue.
    """
    numbers = np.concatenate([np.arange(length) for length in lengths] or [np.arange(0)])
    parts = [embeddings]
    for back in range(1, context + 1):
        previous = np.zeros_like(embeddings)
        previous[back:] = embeddings[:-back]
        previous[numbers < back] = 0.0
        parts.append(previous)
    return np.concatenate(parts, axis=1)


def is_digest(value: object) -> bool:
    """Whether a value is a SHA-256 as 64 hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")
