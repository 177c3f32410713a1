"""From a pretrained classifier of sound to the card of an imported model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import serkit
from serkit.audio import MIN_WINDOW_S, WINDOW_S
from serkit.corpora import ADDED_EMOTIONS, EMOTIONS, label_of, published_in
from serkit.errors import ModelError
from serkit.runtime import DIMENSIONS, ModelCard, Origin, TrainingCorpus, Waveform
from serkit.runtime.card_description import check_card, describe_card
from serkit.text import printable, shortened, shown
from serkit.training.pretrained_audio import PretrainedAudio

_LONGEST_SHARE = 1.25
"""The longest window by the usual one, see `serkit.audio.windows`."""


@dataclass(frozen=True, slots=True)
class Naming:
    """The outputs of a classifier by their names in serkit.

    Attributes:
        theirs: Names in its configuration, in the order of the outputs.
        ours: Names in serkit.
    """

    theirs: tuple[str, ...]
    ours: tuple[str, ...]

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The outputs if all of them are dimensions, else none."""
        return self.ours if set(self.ours) <= set(DIMENSIONS) else ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The outputs if they are categories."""
        return () if self.dimensions else self.ours


def named(theirs: Sequence[str], changes: Mapping[str, str]) -> Naming:
    """Translate the names of outputs; unknown ones are kept.

    Args:
        theirs: Names of the outputs, all different.
        changes: Names to use instead, by names of `theirs`.

    Raises:
        ModelError: A change is for no output, two outputs get one name, or there is one category
            alone.
    """
    unknown = [name for name in changes if name not in theirs]
    if unknown:
        raise ModelError(
            f"there is no output {shown(unknown[0], 80)} to rename; the outputs are "
            f"{shortened(', '.join(map(printable, theirs)), 300)}"
        )
    ours = tuple(changes[name] if name in changes else _translated(name) for name in theirs)
    for label in ours:
        same = [name for name, other in zip(theirs, ours, strict=True) if other == label]
        if len(same) > 1:
            raise ModelError(
                f"the outputs {' and '.join(map(printable, same))} are both named "
                f"{printable(label)}; give one another name, as in --label "
                f"{printable(same[-1])}={printable(same[-1])}_2"
            )
    naming = Naming(tuple(theirs), ours)
    if len(naming.labels) == 1:
        raise ModelError(
            f"the only output is {printable(theirs[0])}; expected at least two categories, or "
            f"dimensions out of {', '.join(DIMENSIONS)}"
        )
    return naming


def card_of(
    pretrained: PretrainedAudio, naming: Naming, *, name: str, window_s: float | None = None
) -> ModelCard:
    """The card of an imported model, not calibrated yet.

    Args:
        pretrained: The classifier.
        naming: Names of its outputs.
        name: Name of the model.
        window_s: Length of a window in seconds; None for 8 s, or less if the classifier cuts longer
            sounds off.

    Raises:
        ModelError: A model cannot have windows of this length or so many labels, or the classifier
            takes no windows so long.
    """
    longest_s = pretrained.longest_s
    fitting = WINDOW_S if longest_s is None else min(WINDOW_S, longest_s / _LONGEST_SHARE)
    window_s = fitting if window_s is None else window_s
    if longest_s is not None and _LONGEST_SHARE * window_s > longest_s:
        raise ModelError(
            f"{pretrained.name} takes sounds of at most {longest_s:g} s, and windows last up to "
            f"{_LONGEST_SHARE:g} times their length; expected windows of {MIN_WINDOW_S:g} to "
            f"{longest_s / _LONGEST_SHARE:g} s"
        )
    head = pretrained.head
    card = ModelCard(
        name=name,
        labels=naming.labels,
        dimensions=naming.dimensions,
        input=Waveform(),
        window_s=window_s,
        corpora=tuple(map(_corpus, head.datasets)),
        created_with=serkit.__version__,
        origin=Origin(pretrained.name, pretrained.architecture, head.licence, head.base_model),
    )
    return check_card(json.loads(json.dumps(describe_card(card))))


def _translated(name: str) -> str:
    label = label_of(name)
    return label if label in (*EMOTIONS, *ADDED_EMOTIONS, *DIMENSIONS) else name


def _corpus(dataset: str) -> TrainingCorpus:
    """A training corpus of which the name alone is known."""
    info = published_in(dataset)
    if info is None:
        return TrainingCorpus(dataset, dataset, "licence unknown", False, 0, 0)
    return TrainingCorpus(info.name, info.title, info.licence, info.commercial_use, 0, 0)
