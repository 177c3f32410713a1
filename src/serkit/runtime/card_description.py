"""Model cards as JSON values and back; the same in every container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from serkit.adaptation.speaker_model import SpeakerModel
from serkit.audio import MAX_WINDOW_S, MIN_WINDOW_S, SAMPLE_RATE, WINDOW_S
from serkit.errors import ModelError, RecipeError
from serkit.runtime.card import DIMENSIONS, ModelCard, Origin, TrainingCorpus
from serkit.runtime.inputs import INPUTS, Input, kind_of
from serkit.runtime.sketch import Sketch
from serkit.runtime.speakers import check_speakers, describe_speakers
from serkit.runtime.typical import Typical, triangle
from serkit.text import shortened, shown

MAX_LABELS = 1024

MAX_TEXT = 1000
"""Characters of a text about the origin."""

LEAST, MOST = 1e-6, 1e6
"""Range of temperature, clip and limit."""


def describe_card(card: ModelCard) -> dict[str, Any]:
    """A card as JSON values."""
    description: dict[str, Any] = {
        "name": card.name,
        "labels": list(card.labels),
        "sample_rate": SAMPLE_RATE,
        "window_s": card.window_s,
        kind_of(card.input): card.input.to_dict(),
        "temperature": card.temperature,
        "clip": card.clip,
        "corpora": [asdict(corpus) for corpus in card.corpora],
        "figures": card.figures,
        "recipe": card.recipe,
        "created_with": card.created_with,
    }
    if card.seen.samples:
        description["seen"] = card.seen.to_dict()
    if card.typical is not None:
        description["typical"] = asdict(card.typical)
    if card.speakers is not None:
        description["speakers"] = describe_speakers(card.speakers)
    if card.dimensions:
        description["dimensions"] = list(card.dimensions)
    if card.dimension_corpora:
        description["dimension_corpora"] = [asdict(corpus) for corpus in card.dimension_corpora]
    if card.origin is not None:
        description["origin"] = asdict(card.origin)
    return description


def check_card(values: Mapping[str, Any]) -> ModelCard:
    """Check the JSON values of a card.

    Args:
        values: As written by `describe_card`; other keys are ignored.

    Raises:
        ModelError: A value is missing or invalid.
    """

    def require(condition: bool, key: str, expected: str) -> None:
        if not condition:
            raise ModelError(f"{key} is {shown(values.get(key))}; expected {expected}")

    dimensions = values.get("dimensions", [])
    require(
        isinstance(dimensions, list)
        and all(isinstance(name, str) and name in DIMENSIONS for name in dimensions)
        and len(set(dimensions)) == len(dimensions),
        "dimensions",
        f"different ones of {', '.join(DIMENSIONS)}",
    )
    labels = values.get("labels")
    require(
        isinstance(labels, list)
        and (2 <= len(labels) <= MAX_LABELS or (not labels and bool(dimensions)))
        and all(_is_name(label) for label in labels)
        and len(set(labels)) == len(labels),
        "labels",
        f"2 to {MAX_LABELS} different names, or none for a model of dimensions",
    )
    require(_is_name(values.get("name")), "name", "a name")
    rate = values.get("sample_rate")
    require(type(rate) is int and rate == SAMPLE_RATE, "sample_rate", str(SAMPLE_RATE))
    window_s = values.get("window_s", WINDOW_S)
    require(
        _is_number(window_s, MIN_WINDOW_S, MAX_WINDOW_S),
        "window_s",
        f"{MIN_WINDOW_S:g} to {MAX_WINDOW_S:g}",
    )
    temperature, clip = values.get("temperature"), values.get("clip")
    require(_is_number(temperature, LEAST, MOST), "temperature", f"{LEAST:g} to {MOST:g}")
    require(clip is None or _is_number(clip, LEAST, MOST), "clip", f"null or {LEAST:g} to {MOST:g}")
    require(isinstance(values.get("corpora"), list), "corpora", "a list")
    extra = values.get("dimension_corpora", [])
    require(isinstance(extra, list), "dimension_corpora", "a list")
    for key in ("figures", "recipe"):
        require(isinstance(values.get(key), dict), key, "an object")
    require(isinstance(values.get("created_with"), str), "created_with", "a version")
    return ModelCard(
        name=values["name"],
        labels=tuple(values["labels"]),
        input=_input(values),
        window_s=float(window_s),
        temperature=float(values["temperature"]),
        clip=None if clip is None else float(clip),
        corpora=tuple(map(_corpus, values["corpora"])),
        seen=_seen(values.get("seen", {})),
        figures=values["figures"],
        recipe=values["recipe"],
        created_with=values["created_with"],
        typical=_typical(values.get("typical")),
        speakers=_speakers(values.get("speakers"), len(values["labels"])),
        dimensions=tuple(dimensions),
        dimension_corpora=tuple(map(_corpus, extra)),
        origin=_origin(values.get("origin")),
    )


def _is_name(value: object) -> bool:
    """Whether a value is a non-empty string without lone surrogates."""
    if not isinstance(value, str) or not value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _input(values: Mapping[str, Any]) -> Input:
    kinds = [kind for kind in INPUTS if kind in values]
    if len(kinds) != 1:
        raise ModelError(
            f"the card has the inputs {' and '.join(kinds) or 'none'}; expected one of "
            f"{', '.join(INPUTS)}"
        )
    try:
        return INPUTS[kinds[0]].from_dict(values[kinds[0]])
    except RecipeError as error:
        raise ModelError(shortened(str(error), 500)) from error


def _corpus(values: object) -> TrainingCorpus:
    kinds = {
        f.name: {"str": str, "bool": bool, "int": int}[str(f.type)] for f in fields(TrainingCorpus)
    }
    if (
        not isinstance(values, dict)
        or set(values) != set(kinds)
        or any(type(values[name]) is not kind for name, kind in kinds.items())
    ):
        raise ModelError(f"a training corpus is {shown(values)}; expected {', '.join(kinds)}")
    return TrainingCorpus(**values)


def _origin(values: object) -> Origin | None:
    if values is None:
        return None
    names = {f.name for f in fields(Origin)}
    if (
        not isinstance(values, dict)
        or set(values) != names
        or any(not isinstance(text, str) or len(text) > MAX_TEXT for text in values.values())
    ):
        raise ModelError(
            f"origin is {shown(values)}; expected {', '.join(sorted(names))}, each a text of at "
            f"most {MAX_TEXT} characters"
        )
    return Origin(**values)


def _seen(values: object) -> Sketch:
    try:
        return Sketch.from_dict(values)
    except ValueError as error:
        raise ModelError(f"seen is not a valid sketch: {error}") from error


def _typical(values: object) -> Typical | None:
    if values is None:
        return None
    kinds = {"share": float, "limit": float, "whitening": str}
    if (
        not isinstance(values, dict)
        or set(values) != set(kinds)
        or any(type(values[name]) is not kind for name, kind in kinds.items())
        or not 0.0 < values["share"] < 1.0
        or not _is_number(values["limit"], LEAST, MOST)
    ):
        raise ModelError(
            f"typical is {shown(values)}; expected a share between 0 and 1, a limit from "
            f"{LEAST:g} to {MOST:g} and a whitening"
        )
    try:
        triangle(values["whitening"])
    except ValueError as error:
        raise ModelError(f"the whitening of typical is invalid: {error}") from error
    return Typical(**values)


def _speakers(values: object, n_labels: int) -> SpeakerModel | None:
    if values is None:
        return None
    try:
        return check_speakers(values, n_labels)
    except ValueError as error:
        raise ModelError(f"speakers is invalid: {error}; load a copy of the file") from error
