"""Arousal and valence: learned beside the circumplex of the scores.

On CREMA-D, which no shipped model was trained on. Its raters did not rate arousal and valence: the
targets are derived from the emotions that they heard and how intense they were (see
`serkit.corpora.crema_d`). The network of each model is that of its file; the layer of the
dimensions, with its penalty, is learned in five folds over speakers. Of the layer in a model file,
the mean answers by corpus and emotion on the training corpora of the network, which have no ratings
and which the layer has not heard.

Needs CREMA-D: SERKIT_CORPORA=/folder python benchmarks/affect.py [MODEL ...]
With models named, the figures of the others are kept.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np
from rich.progress import track

from serkit.evaluation import dimension_figures
from serkit.runtime import load_network
from serkit.training import (
    Dimensions,
    FeatureCache,
    Recipe,
    extract_dataset,
    load_rated,
    load_utterances,
    make_dataset,
)

from harness import RESULTS, machine, versions, write_result

MODELS = ("tiny", "tiny-mel", "ravdess8", "emodb7")
PLAN = Dimensions(corpora=("crema_d",))


def measured(name: str) -> dict[str, Any]:
    """Agreement of one model with the ratings."""
    model = load_network(name)
    _, utterances = load_rated(PLAN)
    data = extract_dataset(
        model.recipe,
        sorted({u.label for u in utterances}),
        utterances,
        jobs=os.cpu_count() or 1,
        cache=FeatureCache.default(),
    )
    figures = dimension_figures(model, PLAN, data)
    for row in figures["rows"]:
        print(name, row)
    return (
        {"model": name, "width": model.embedding_width} | figures | {"elsewhere": elsewhere(name)}
    )


def elsewhere(name: str) -> list[dict[str, Any]]:
    """Mean answers of the shipped layer, by corpus and emotion; none without a layer."""
    model = load_network(name)
    if model.dimensions is None:
        return []
    recipe = Recipe.of_card(model.card)
    _, utterances = load_utterances(recipe)
    data = make_dataset(recipe, utterances, jobs=os.cpu_count() or 1, cache=FeatureCache.default())
    _, embeddings = model.logits_and_embeddings(data.features)
    values = np.clip(model.dimensions(embeddings), -1.0, 1.0)
    groups: dict[tuple[str, str], list[int]] = {}
    for i, u in enumerate(utterances):
        groups.setdefault((u.corpus, u.label), []).append(i)
    return [
        {"corpus": corpus, "label": label, "utterances": len(rows)}
        | dict(zip(model.card.dimensions, map(float, values[rows].mean(axis=0)), strict=True))
        for (corpus, label), rows in sorted(groups.items())
    ]


def main() -> None:
    """The models on the command line, or every shipped model."""
    path = RESULTS / "affect.json"
    old = json.loads(path.read_text())["rows"] if path.exists() and sys.argv[1:] else []
    rows = {row["model"]: row for row in old}
    for name in track(sys.argv[1:] or MODELS, "models"):
        rows[name] = measured(name)
    write_result(
        "affect",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy"]),
            "rows": [rows[name] for name in MODELS if name in rows],
        },
    )


if __name__ == "__main__":
    main()
