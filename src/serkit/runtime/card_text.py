"""Model cards as text and as JSON."""

from __future__ import annotations

import json
from typing import Any, Protocol

from serkit.errors import ModelError
from serkit.features import FeatureRecipe, LogMelRecipe
from serkit.runtime.card import ModelCard, Origin, TrainingCorpus
from serkit.runtime.card_description import describe_card
from serkit.runtime.inputs import Embedding, Input, SpeechAndText, Waveform
from serkit.runtime.text_input import TextRecipe
from serkit.runtime.typical import Typical
from serkit.text import printable


class Described(Protocol):
    """A loaded model file, of a backend or of text."""

    @property
    def card(self) -> ModelCard:
        """The card of the model."""

    @property
    def file_bytes(self) -> int:
        """Size of the file."""

    @property
    def facts(self) -> dict[str, Any]:
        """Further JSON values to show with the card."""


def card_as_json(model: Described) -> str:
    """The card and the size of the file as JSON."""
    values = describe_card(model.card) | {"file_bytes": model.file_bytes} | model.facts
    return json.dumps(values, indent=2)


def card_as_text(model: Described) -> str:
    """The card as text.

    Raises:
        ModelError: The figures are malformed.
    """
    card = model.card
    facts = {name.removeprefix("n_"): value for name, value in model.facts.items()}
    of_sound = {
        "windows": f"{card.window_s:g} s",
        "enrolment": "possible" if card.speakers else "not possible: the card has no speaker model",
    }
    rows = {
        "size": f"{model.file_bytes} bytes",
        "input": _input(card.input),
        **facts,
        "temperature": f"{card.temperature:.3f}",
        "created with": f"serkit {card.created_with}",
        "typical": _typical(card.typical),
        **({} if isinstance(card.input, TextRecipe | SpeechAndText) else of_sound),
        **({} if card.origin is None else _origin(card.origin)),
    }
    width = max(map(len, rows))
    lines = [f"{card.name}: {', '.join(card.labels + card.dimensions)}", ""]
    lines += [f"{name:<{width}}  {value}" for name, value in rows.items()]
    try:
        for protocol in card.figures.get("protocols", []):
            lines += ["", *_figures(protocol)]
        if "dimensions" in card.figures:
            lines += ["", *_dimension_figures(card.figures["dimensions"])]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"the figures on the card of {card.name} are damaged: {error!r}"
        ) from error
    lines += ["", "Trained on"]
    for corpus in card.corpora:
        lines.append(f"  {_corpus(corpus)}")
    if not card.corpora:
        lines.append("  unknown")
    for corpus in card.dimension_corpora:
        lines.append(f"  {' and '.join(card.dimensions)} alone: {_corpus(corpus)}")
    if not all(corpus.name in card.seen.samples for corpus in card.corpora):
        lines.append("  (recognised by name only: the file has no sketch of their recordings)")
    lines += ["", licence_note(card)]
    return "\n".join(map(printable, lines))


def licence_note(card: ModelCard) -> str:
    """Whether the licences of the training corpora allow commercial use."""
    corpora = card.corpora + card.dimension_corpora
    non_commercial = [c for c in corpora if not c.commercial_use]
    if card.origin is not None:
        return (
            f"Commercial use: by the licence of the weights, {card.origin.licence or 'unknown'}, "
            "and those of their training data, which their model card may not name in full."
        )
    if not non_commercial:
        return "Commercial use: allowed by the licences of all training corpora."
    named = ", ".join(f"{c.title} ({c.licence})" for c in non_commercial)
    return (
        f"Commercial use: no. The weights were trained on {named}; whether a licence of data "
        "binds weights trained on it is unsettled. Treat the weights as non-commercial, or train "
        "the recipe on corpora you have the rights to."
    )


def _origin(origin: Origin) -> dict[str, str]:
    """Rows of the table."""
    return {
        "imported from": f"{origin.source} ({origin.architecture})",
        "base model": origin.base_model or "unknown",
        "licence": origin.licence or "unknown",
    }


def _corpus(corpus: TrainingCorpus) -> str:
    if not corpus.utterances:  # of an imported model
        return f"{corpus.title}, {corpus.licence}"
    return (
        f"{corpus.title}: {corpus.utterances} recordings of {corpus.speakers} speakers, "
        f"{corpus.licence}"
    )


def _input(value: Input) -> str:
    match value:
        case FeatureRecipe() | LogMelRecipe():
            unit = "frame" if value.per_frame else "recording"
            kind = "log-mel, " if isinstance(value, LogMelRecipe) else ""
            return f"{kind}{value.name}: {value.n_features} numbers per {unit}"
        case TextRecipe():
            lines = f" and of {value.context} lines before it" if value.context else ""
            name = ", with the name of its speaker" if value.speaker else ""
            return (
                f"text: {value.n_features} numbers per line{name}{lines}, computed by the encoder "
                f"{value.encoder} ({value.digest[:16]}) from {value.max_tokens} tokens"
            )
        case SpeechAndText():
            return f"log-mel of speech, {_input(value.text)}" if value.text else "log-mel of speech"
        case Embedding():
            return f"embedding of {value.width} numbers, computed by {value.model}"
        case Waveform():
            return "waveform"


def _typical(typical: Typical | None) -> str:
    if typical is None:
        return "unknown: no warning of input far from the training data"
    return (
        f"{100 * typical.share:.3g} % of the recordings of held-out speakers are within "
        f"{typical.limit:.2f}"
    )


def _figures(protocol: dict[str, Any]) -> list[str]:
    """Lines of one protocol: UA and calibration error per corpus."""
    seeds = protocol["seeds"]
    lines = [f"{protocol['title']} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})"]
    for row in protocol["rows"]:
        interval = row["ua_interval"]
        uncertainty = (
            f"95 % interval over speakers {100 * interval[0]:.1f}-{100 * interval[1]:.1f}"
            if interval
            else f"{row['speakers']} speakers: too few for an interval"
        )
        lines.append(
            f"  {row['corpus']:<8} UA {100 * row['ua']:5.1f} %  ({uncertainty}), "
            f"ECE {100 * row['ece']:4.1f} %, {row['utterances']} recordings"
        )
    if "mean_ua" in protocol:
        lines.append(f"  {'mean':<8} UA {100 * protocol['mean_ua']:5.1f} %")
    return lines


def _dimension_figures(figures: dict[str, Any]) -> list[str]:
    """Lines of concordance, learned beside the circumplex, per dimension."""
    lines = [
        f"{figures['title']} (seed {figures['seed']}), {', '.join(figures['corpora'])}: "
        f"{figures['utterances']} recordings of {figures['speakers']} speakers"
    ]
    for row in figures["rows"]:
        of_scores = row.get("circumplex_ccc")
        beside = "" if of_scores is None else f"; by the circumplex of the scores {of_scores:.2f}"
        interval = row["learned_ccc_interval"]
        uncertainty = "" if interval is None else f" ({interval[0]:.2f} to {interval[1]:.2f})"
        lines.append(
            f"  {row['dimension']:<9} concordance {row['learned_ccc']:.2f}{uncertainty}{beside}"
        )
    return lines
