"""A finished model quantised on a corpus, and measured before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serkit.adaptation import HoldOut
from serkit.compression.quantize import Quantised, quantize
from serkit.corpora import Corpus
from serkit.evaluation.final import learned_from
from serkit.evaluation.metrics import (
    confusion,
    expected_calibration_error,
    unweighted_average_recall,
    weighted_accuracy,
)
from serkit.evaluation.outcome import TRAINED_ON
from serkit.evaluation.protocols import SPEAKER_DEPENDENT, Protocol
from serkit.evaluation.run import guarded_folds
from serkit.evaluation.seen import seen_by_content, seen_by_name
from serkit.runtime import Model, PackedWeight, weighted
from serkit.runtime.model import softmax
from serkit.training import Dataset, Quantisation, Recipe

MATERIAL = 0.02
"""A fall of UA, or a rise of ECE, that is warned of."""

HELD_OUT_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures of a model on one part of a fold.

    Attributes:
        accuracy: WA.
        ua: Unweighted average recall.
        ece: Expected calibration error.
        utterances: How many it was asked.
    """

    accuracy: float
    ua: float
    ece: float
    utterances: int


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """A quantised model beside the one it was made of.

    Attributes:
        model: The small one, its corpora and recipe on the card.
        quantised: Bits and trials.
        fold: Name of the fold.
        seen: Whether the full model has learned from the corpus.
        repacked: Whether its weights were in few bits before.
        validation: Figures before and after, on what decided bits and temperature.
        test: Figures before and after, on what decided nothing.
        marks: What has to be told with these figures.
    """

    model: Model
    quantised: Quantised
    fold: str
    seen: bool
    repacked: bool
    validation: tuple[Scores, Scores]
    test: tuple[Scores, Scores]
    marks: tuple[str, ...]

    @property
    def calibrated_on(self) -> str:
        """What decided the temperature."""
        if self.seen:
            return "the full model's probabilities, as it has learned from these speakers"
        return "the validation speakers of the fold"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before the small model is used."""
        before, after = self.test
        told = []
        if before.ua - after.ua > MATERIAL:
            told.append(
                f"UA falls by {100 * (before.ua - after.ua):.1f} points; lower the --margin, give "
                "more --bits, or add --fine-tuning"
            )
        if after.ece - before.ece > MATERIAL:
            told.append(
                f"ECE rises by {100 * (after.ece - before.ece):.1f} points: its probabilities mean "
                "less than the full model's; give more bits, or a corpus it has not learned from"
            )
        if self.seen:
            told.append(
                "the model has learned from this corpus: UA and ECE on it flatter, before and "
                "after; a corpus of other speakers tells what few bits really cost"
            )
        if self.repacked:
            told.append(
                "its weights were in few bits already, and are rounded from those; train with "
                "--full-precision to start from the full ones"
            )
        return tuple(told)


def shrink(
    full: Model,
    plan: Quantisation,
    data: Dataset,
    corpora: Sequence[Corpus],
    protocol: Protocol,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
) -> Shrunk:
    """Quantise a model on the first fold of a protocol, and test it there.

    The validation part decides bits and temperature. If the model has learned from any of it, its
    labels say nothing on how sure to be, and the temperature is matched to the full model's
    probabilities; see `serkit.compression.quantize.quantize`.

    Args:
        full: The model.
        plan: How.
        data: Features of utterances it tells apart.
        corpora: Where they come from, for the card.
        protocol: How they are split.
        recipe: What the model was trained by; for fine-tuning.
        seed: Of the split and of fine-tuning.

    Raises:
        ModelError: As `quantize`.
        ProtocolError: The data cannot be split this way, or the split leaks; or as `quantize`.
    """
    fold = guarded_folds(data, protocol, HoldOut("speaker", HELD_OUT_SHARE), seed=seed)[0]
    training, validation, test = (
        data.rows(part) for part in (fold.train, fold.validation, fold.test)
    )
    seen = bool(seen_by_name(full.card, corpora) or seen_by_content(full.card, data.hashes))
    found = quantize(
        full,
        plan,
        validation,
        training=training if plan.fine_tuning else None,
        recipe=recipe,
        seen=seen,
        seed=seed,
    )
    # Bits, calibration and fine-tuning are learned from them too; figures were the full model's.
    small = learned_from(found.model, corpora, data).with_card(
        figures={},
        recipe={**full.card.recipe, "quantisation": plan.model_dump(exclude_defaults=True)},
    )
    marks = {SPEAKER_DEPENDENT: protocol.speaker_dependent, TRAINED_ON: seen}
    return Shrunk(
        small,
        found,
        fold.name,
        seen,
        any(isinstance(layer.weight, PackedWeight) for layer in weighted(full.layers)),
        (_scores(full, validation), _scores(small, validation)),
        (_scores(full, test), _scores(small, test)),
        tuple(mark for mark, holds in marks.items() if holds),
    )


def _scores(model: Model, data: Dataset) -> Scores:
    probabilities = softmax(model.logits(data.features))
    matrix = confusion(data.targets, probabilities.argmax(axis=1), len(model.card.labels))
    return Scores(
        weighted_accuracy(matrix),
        unweighted_average_recall(matrix),
        expected_calibration_error(data.targets, probabilities),
        len(data),
    )
