"""The recogniser of text: a line of a dialogue in, a probability for each emotion out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serkit.adaptation import softmax
from serkit.errors import ModelError
from serkit.runtime.card import ModelCard
from serkit.runtime.caution import Caution
from serkit.runtime.decision import (
    check_confidence,
    chosen_labels,
    decided,
    distance_cautions,
    scores_of,
)
from serkit.runtime.inputs import kind_of
from serkit.runtime.model import Model
from serkit.runtime.text_encoder import TextEncoder
from serkit.runtime.text_input import TextRecipe, with_context
from serkit.text import shown

_MOSTLY_UNKNOWN = 0.5


@dataclass(frozen=True, slots=True)
class TextPrediction:
    """The prediction for a line of text.

    Attributes:
        label: The most probable emotion; None if there is none, for the given `reason`.
        scores: Calibrated probability of each requested emotion; they sum to 1. Empty for an empty
            line.
        model: Name of the model.
        reason: Why there is no label; None if there is one.
        warnings: Reasons not to trust the prediction.
    """

    label: str | None
    scores: dict[str, float]
    model: str
    reason: str | None = None
    warnings: tuple[Caution, ...] = ()


class TextRecognizer:
    """A loaded model of text and its encoder; it may be called from several threads.

    Args:
        model: The model; its input is a `TextRecipe`.
        encoder: The encoder it was trained with.

    Raises:
        ModelError: The model takes another input, or was trained with another encoder.
    """

    def __init__(self, model: Model, encoder: TextEncoder) -> None:
        recipe = model.card.input
        if not isinstance(recipe, TextRecipe):
            raise ModelError(
                f"the input of {model.card.name} is {kind_of(recipe)}; expected text: leave the "
                "encoder out"
            )
        if recipe.digest != encoder.digest:
            raise ModelError(
                f"{model.card.name} was trained with the encoder {recipe.encoder} of digest "
                f"{recipe.digest[:16]}..., not with {encoder.name} of digest "
                f"{encoder.digest[:16]}...; give that encoder's folder, or train the model again"
            )
        if recipe.width != encoder.width:
            raise ModelError(
                f"{model.card.name} takes embeddings of width {recipe.width}; {encoder.name} gives "
                f"{encoder.width}"
            )
        self.model = model
        self.encoder = encoder
        self._recipe = recipe

    def __repr__(self) -> str:
        return f"TextRecognizer({self.name!r}, labels={list(self.labels)})"

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self.model.card

    @property
    def recipe(self) -> TextRecipe:
        """The input of the model."""
        return self._recipe

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of the model."""
        return self.card.labels

    def __call__(
        self,
        text: str,
        *,
        context: Sequence[str] = (),
        labels: Sequence[str] | None = None,
        min_confidence: float | None = None,
    ) -> TextPrediction:
        """Recognise the emotion of one line.

        Args:
            text: The line. If the card says `speaker`, it begins with the name of its speaker, as
                in `Joey: Hi!`.
            context: The lines before it in the dialogue, the latest last; a model without context
                ignores them.
            labels: Restrict the prediction to these labels; the probabilities are renormalised.
            min_confidence: Return no label below this probability.

        Returns:
            The prediction. Its label is None for an empty line, and if `min_confidence` is not
            reached.

        Raises:
            ModelError: A label is unknown, `min_confidence` is not in 0-1, or the encoder fails.
        """
        _check_lines(context)
        kept = context[len(context) - min(len(context), self._recipe.context) :]
        return self.dialogue([*kept, text], labels=labels, min_confidence=min_confidence)[-1]

    def dialogue(
        self,
        lines: Sequence[str],
        *,
        labels: Sequence[str] | None = None,
        min_confidence: float | None = None,
    ) -> list[TextPrediction]:
        """Recognise the emotion of every line of a dialogue, each after the lines before it.

        Args:
            lines: The lines, in order, each as for a call.
            labels: As for a call.
            min_confidence: As for a call.

        Raises:
            ModelError: As a call, or the lines are not texts.
        """
        _check_lines(lines)
        chosen = chosen_labels(self.card, labels)
        check_confidence(min_confidence)
        embeddings = self.encoder.encode(lines)
        features = with_context(embeddings, [len(lines)], self._recipe.context)
        logits = self.model.logits(features)
        if not np.isfinite(logits).all():
            raise ModelError(
                f"the outputs of {self.name} are not finite: its weights overflow; get a fresh "
                "copy of the model"
            )
        distances = self.model.distances(features)
        predictions = []
        for i, line in enumerate(lines):
            if not line.strip():
                reason = "empty text: nothing to classify"
                predictions.append(TextPrediction(None, {}, self.name, reason))
                continue
            scores = scores_of(self.card, chosen, softmax(logits[i, chosen]))
            label, why = decided(scores, min_confidence)
            distance = 0.0 if distances is None else float(distances[i])
            cautions = self._cautions(line) + distance_cautions(self.card, distance)
            predictions.append(TextPrediction(label, scores, self.name, why, cautions))
        return predictions

    def _cautions(self, line: str) -> tuple[Caution, ...]:
        tokens = self.encoder.tokens(line)
        cautions: list[Caution] = []
        if tokens.is_cut:
            message = f"only the first {self.encoder.max_tokens} tokens of the text are used"
            cautions.append(Caution("truncated", message))
        if tokens.unknown_share > _MOSTLY_UNKNOWN:
            message = (
                f"{100 * tokens.unknown_share:.0f} % of the tokens are unknown to "
                f"{self.encoder.name}, such as emoji or another script"
            )
            cautions.append(Caution("unknown-words", message))
        return tuple(cautions)


def _check_lines(lines: Sequence[str]) -> None:
    """Refuse a single text, whose characters would be taken for lines, and what is no text."""
    if isinstance(lines, str) or not all(isinstance(line, str) for line in lines):
        raise ModelError(f"the lines are {shown(lines, 80)}; expected a sequence of texts")
