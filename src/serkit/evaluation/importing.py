"""Import of a pretrained classifier: exported, calibrated and tested on other speakers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation import fit_temperature
from serkit.adaptation.holdout import HoldOut
from serkit.audio import SAMPLE_RATE
from serkit.compression.classifier_export import ExportedClassifier, export_classifier, with_card
from serkit.compression.imported_card import card_of, named
from serkit.compression.onnx_integers import Packing
from serkit.corpora import Corpus, Utterance, load_labelled
from serkit.errors import AudioError, CorpusError, ModelError
from serkit.evaluation.outcome import Outcome
from serkit.evaluation.protocols import Protocol
from serkit.evaluation.seen import seen_by_name
from serkit.evaluation.summary import summary
from serkit.evaluation.trained import Answer, evaluate_model
from serkit.runtime import ModelCard, OnnxBackend, Recognizer
from serkit.runtime.sources import is_silent
from serkit.training.data import read_utterance
from serkit.training.pretrained_audio import PretrainedAudio

OTHER_HALF = Protocol(
    "other-half",
    "imported model on half of the speakers; the others calibrated it",
    "speakers divided at random: one half calibrates the temperature, the other is reported",
    speaker_dependent=False,
    split=lambda *_: [],
)

_MAX_CALIBRATION = 1000
"""Recordings that the temperature is fitted on."""

_MAX_SOUNDS = 32
"""Recordings that int8 is calibrated and the export compared on."""

Track = Callable[[Iterable[Answer], int], Iterable[Answer]]


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A model that was imported, not yet written.

    Attributes:
        card: Its card.
        theirs: Names of its outputs in the source, in their order.
        exported: Its graph.
        content: The content of the model file.
        outcome: Its answers on the half of the speakers that did not calibrate it; None without a
            corpus.
    """

    card: ModelCard
    theirs: tuple[str, ...]
    exported: ExportedClassifier
    content: bytes
    outcome: Outcome | None


def import_classifier(
    pretrained: PretrainedAudio,
    *,
    name: str,
    changes: Mapping[str, str] | None = None,
    value_range: tuple[float, float] | None = None,
    window_s: float | None = None,
    int8: bool = False,
    packed: Packing | None = None,
    corpora: Sequence[str] = (),
    seed: int = 0,
    path: Path = Path("model.onnx"),
    track: Track | None = None,
) -> Imported:
    """Export a classifier, calibrate it on half of the speakers of a corpus, test it on the others.

    Args:
        pretrained: The classifier; it must not be used afterwards.
        name: Name of the model.
        changes: Names of outputs to use instead of the usual ones.
        value_range: For dimensions, the values that are -1 and 1; None for 0 and 1.
        window_s: As for `card_of`.
        int8: As for `export_classifier`; calibrated on the same half of the speakers.
        packed: As for `export_classifier`.
        corpora: Corpora, as for `serkit.corpora.load`; empty for no calibration.
        seed: Seed of the division of the speakers.
        path: Name of the file in messages.
        track: Wrapper of the answers that shows progress: `track(answers, total)`.

    Raises:
        ModelError: The names clash, the classifier cannot be exported, has no categories to
            calibrate, or no dimensions with a range.
        CorpusError: A corpus cannot be read, or has none of the labels.
        ProtocolError: The corpora have too few speakers.
    """
    naming = named(pretrained.labels, changes or {})
    card = card_of(pretrained, naming, name=name, window_s=window_s)
    if value_range is not None and not card.dimensions:
        raise ModelError(
            f"{pretrained.name} has the labels {', '.join(card.labels)}, not dimensions; leave "
            "--range out"
        )
    loaded: Sequence[Corpus] = ()
    calibrating: list[Utterance] = []
    tested: list[Utterance] = []
    if corpora:
        if not card.labels:
            raise ModelError(
                f"{pretrained.name} has the dimensions {', '.join(card.dimensions)} and no "
                "categories, whose probabilities could be calibrated; leave --calibrate out"
            )
        loaded, utterances = load_labelled(corpora, labels=card.labels)
        calibrating, tested = _halves(utterances, seed)
    rng = np.random.default_rng(seed)
    sounds = [read_utterance(u) for u in _some(calibrating, _MAX_SOUNDS, rng)]
    exported = export_classifier(
        pretrained,
        card,
        value_range=value_range or (0.0, 1.0),
        int8=int8,
        packed=packed,
        sounds=sounds,
    )
    outcome = None
    if corpora:
        recognizer = Recognizer(OnnxBackend(path, with_card(exported, card)))
        fitted = _some(calibrating, _MAX_CALIBRATION, rng)
        card = replace(card, temperature=_temperature(recognizer, fitted))
        recognizer = Recognizer(OnnxBackend(path, with_card(exported, card)))
        seen = bool(seen_by_name(card, loaded))
        outcome = evaluate_model(recognizer, tested, seen=seen, track=track)
        outcome = replace(outcome, protocol=OTHER_HALF)
        card = replace(card, figures={"protocols": [summary(outcome)]})
    return Imported(card, naming.theirs, exported, with_card(exported, card), outcome)


def _halves(utterances: Sequence[Utterance], seed: int) -> tuple[list[Utterance], list[Utterance]]:
    """Utterances of one half of the speakers, and of the other."""
    everything = np.arange(len(utterances))
    first, second = HoldOut("speaker", 0.5).split(utterances, everything, seed=seed)
    return [utterances[i] for i in first], [utterances[i] for i in second]


def _some(utterances: Sequence[Utterance], most: int, rng: np.random.Generator) -> list[Utterance]:
    chosen = rng.permutation(len(utterances))[:most]
    return [utterances[i] for i in np.sort(chosen)]


def _temperature(recognizer: Recognizer, utterances: Sequence[Utterance]) -> float:
    """The temperature of the windows of some utterances, each utterance of weight 1."""
    logits: list[NDArray[np.float32]] = []
    targets: list[int] = []
    weights: list[NDArray[np.float64]] = []
    for utterance in utterances:
        samples = read_utterance(utterance)
        if is_silent(samples):
            continue
        try:
            found = recognizer.examine((samples, SAMPLE_RATE))
        except AudioError as error:
            raise CorpusError(f"{utterance.audio}: {error}") from error
        logits.append(found.logits)
        targets += [recognizer.labels.index(utterance.label)] * len(found.logits)
        weights.append(found.seconds / found.seconds.sum())
    if not logits:
        raise CorpusError("all recordings for the calibration are digital silence")
    return fit_temperature(
        np.concatenate(logits),
        np.array(targets, np.int64),
        np.concatenate(weights).astype(np.float32),
    )
