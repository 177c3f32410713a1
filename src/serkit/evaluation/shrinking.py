"""Quantisation of a trained model on a corpus, with its figures before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serkit.adaptation import HoldOut, softmax
from serkit.compression.quantize import Quantised, quantize
from serkit.corpora import Corpus
from serkit.evaluation.final import learned_from
from serkit.evaluation.outcome import marks
from serkit.evaluation.protocols import Protocol
from serkit.evaluation.run import guarded_folds
from serkit.evaluation.seen import seen_by_content, seen_by_name
from serkit.metrics import (
    confusion,
    expected_calibration_error,
    unweighted_average_recall,
    weighted_accuracy,
)
from serkit.runtime import Model, PackedWeight, weighted
from serkit.training import Dataset, Quantisation, Recipe

MATERIAL = 0.02
"""Loss of UA, or increase of ECE, above which a warning is given."""

HELD_OUT_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures of a model on one part of a fold.

    Attributes:
        accuracy: WA.
        ua: Unweighted average recall.
        ece: Expected calibration error.
        utterances: Number of utterances.
    """

    accuracy: float
    ua: float
    ece: float
    utterances: int


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """A quantised model against the full model it was made from.

    Attributes:
        model: The quantised model, with its corpora and recipe on the card.
        quantised: Bits and trials.
        fold: Name of the fold.
        seen: Whether the full model was trained on the corpus.
        repacked: Whether the full model's weights were quantised already.
        validation: Figures before and after on the part that chose bits and temperature.
        test: Figures before and after on the test part.
        marks: Marks of these figures.
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
        """Target of the temperature's calibration."""
        if self.seen:
            return "the full model's probabilities, as it was trained on these speakers"
        return "the validation speakers of the fold"

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line per caveat about the quantised model."""
        before, after = self.test
        lines = []
        if before.ua - after.ua > MATERIAL:
            lines.append(
                f"UA falls by {100 * (before.ua - after.ua):.1f} points; lower the --margin, give "
                "more --bits, or add --fine-tuning"
            )
        if after.ece - before.ece > MATERIAL:
            lines.append(
                f"ECE rises by {100 * (after.ece - before.ece):.1f} points: the probabilities are "
                "less reliable than the full model's; use more bits, or a corpus it was not "
                "trained on"
            )
        if self.seen:
            lines.append(
                "the model was trained on this corpus, so UA and ECE on it are optimistic, before "
                "and after; use a corpus of other speakers to measure the cost of quantisation"
            )
        if self.repacked:
            lines.append(
                "the model's weights were quantised already and are quantised again; train with "
                "--full-precision to start from unquantised weights"
            )
        return tuple(lines)


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

    The validation part chooses bits and temperature. If the model was trained on any of it, its
    labels cannot calibrate, and the temperature is matched to the full model's probabilities; see
    `serkit.compression.quantize.quantize`.

    Args:
        full: The model.
        plan: The quantisation.
        data: Features of utterances with the model's labels.
        corpora: Their corpora, for the card.
        protocol: The protocol that splits them.
        recipe: Recipe of the model, for fine-tuning.
        seed: Seed of the split and of fine-tuning.

    Raises:
        ModelError: As for `quantize`.
        ProtocolError: The protocol does not fit the data, or the split leaks; or as for
            `quantize`.
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
    # The corpora decided bits, calibration and fine-tuning; the figures are the full model's.
    small = learned_from(found.model, corpora, data).with_card(
        figures={},
        recipe={**full.card.recipe, "quantisation": plan.model_dump(exclude_defaults=True)},
    )
    return Shrunk(
        small,
        found,
        fold.name,
        seen,
        any(isinstance(layer.weight, PackedWeight) for layer in weighted(full.layers)),
        (_scores(full, validation), _scores(small, validation)),
        (_scores(full, test), _scores(small, test)),
        marks(protocol, seen=seen),
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
