"""A model's card, as text for people and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from serkit.errors import ModelError
from serkit.runtime.layers import (
    GRU,
    LSTM,
    AttentionPooling,
    Convolution,
    MeanPooling,
    PackedWeight,
    weighted,
)
from serkit.runtime.model import Model
from serkit.runtime.typical import Typical
from serkit.text import printable


def card_as_json(model: Model) -> str:
    """Everything the model file says about itself, and its size, as JSON."""
    values = asdict(model.card) | {"seen": model.card.seen.to_dict()} | _size(model)
    return json.dumps(values, indent=2)


def card_as_text(model: Model) -> str:
    """The card as a page of text.

    Raises:
        ModelError: The figures on it are not what serkit writes.
    """
    card = model.card
    size = _size(model)
    lines = [
        f"{card.name}: {', '.join(card.labels)}",
        "",
        f"size         {size['file_bytes']} bytes, {size['n_parameters']} parameters",
        f"features     {card.features.name}: {card.features.n_features} numbers a "
        f"{'frame' if card.features.per_frame else 'recording'}",
        f"network      {_layers(model)}{_packed(model)}",
        f"temperature  {card.temperature:.3f}",
        f"made with    serkit {card.created_with}",
        f"typical      {_typical(card.typical)}",
    ]
    try:
        for protocol in card.figures.get("protocols", []):
            lines += ["", *_figures(protocol)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"the figures on the card of {card.name} are damaged: {error!r}"
        ) from error
    lines += ["", "Trained on"]
    for corpus in card.corpora:
        lines.append(
            f"  {corpus.title}: {corpus.utterances} recordings of {corpus.speakers} speakers, "
            f"{corpus.licence}"
        )
    if not all(corpus.name in card.seen.samples for corpus in card.corpora):
        lines.append("  (recognised by name only: the file has no sketch of their recordings)")
    lines += ["", licence_note(model)]
    return "\n".join(map(printable, lines))


def licence_note(model: Model) -> str:
    """What the licences of the training corpora mean for commercial use."""
    bound = [c for c in model.card.corpora if not c.commercial_use]
    if not bound:
        return "Commercial use: no licence of a training corpus speaks against it."
    named = ", ".join(f"{c.title} ({c.licence})" for c in bound)
    return (
        f"Commercial use: no. The weights were learned from {named}; whether a licence of data "
        "binds weights learned from it is unsettled, so treat them as non-commercial, or train "
        "the recipe on corpora you have the rights to."
    )


def _layers(model: Model) -> str:
    """Widths, as in `180-64-7`, with the kinds of layers that are not fully connected."""
    names = {Convolution: "conv ", LSTM: "lstm ", GRU: "gru "}
    parts = [str(model.card.features.n_features)]
    for layer in model.layers:
        if isinstance(layer, AttentionPooling | MeanPooling):
            parts.append("attention" if isinstance(layer, AttentionPooling) else "mean")
        else:
            width = len(layer.bias) // (4 if isinstance(layer, LSTM | GRU) else 1)
            parts.append(f"{names.get(type(layer), '')}{width}")
    return "-".join(parts)


def _typical(typical: Typical | None) -> str:
    if typical is None:
        return "not known: it cannot say what is far from its training data"
    return (
        f"{100 * typical.share:.3g} % of the recordings of held-out speakers lie within "
        f"{typical.limit:.2f}"
    )


def _packed(model: Model) -> str:
    """The bits of each layer, where any is packed."""
    weights = [layer.weight for layer in weighted(model.layers)]
    if not any(isinstance(weight, PackedWeight) for weight in weights):
        return ""
    bits = (str(w.bits) if isinstance(w, PackedWeight) else "32" for w in weights)
    return f", weights of {', '.join(bits)} bits"


def _size(model: Model) -> dict[str, int]:
    return {"file_bytes": model.file_bytes, "n_parameters": model.n_parameters}


def _figures(protocol: dict[str, Any]) -> list[str]:
    """One protocol's table: UA and calibration error per corpus."""
    seeds = protocol["seeds"]
    lines = [f"{protocol['title']} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})"]
    for row in protocol["rows"]:
        interval = row["ua_interval"]
        sure = (
            f"95 % interval over speakers {100 * interval[0]:.1f}-{100 * interval[1]:.1f}"
            if interval
            else f"{row['speakers']} speakers: too few for an interval"
        )
        lines.append(
            f"  {row['corpus']:<8} UA {100 * row['ua']:5.1f} %  ({sure}), "
            f"ECE {100 * row['ece']:4.1f} %, {row['utterances']} recordings"
        )
    if "mean_ua" in protocol:
        lines.append(f"  {'mean':<8} UA {100 * protocol['mean_ua']:5.1f} %")
    return lines
