"""Nested selection of the recipes of `ravdess8` and `emodb7`.

The recipes were chosen by UA on held-out speakers of the corpora they are tested on. Here similar
recipes are compared for each test fold on the other speakers alone (in five folds), and only the
winner is tested on that fold, all with 32-bit weights. The difference to the shipped recipe is the
bias of the choice.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/functionals_selection.py [MODEL ...]
With models named, the figures of the others are kept.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from serkit.evaluation import Outcome, evaluate, find_protocol
from serkit.metrics import confusion, unweighted_average_recall
from serkit.training import Dataset, Recipe, load_recipe, load_utterances, make_dataset

from harness import RESULTS, machine, versions, write_result

FRAMES = {"10 ms, 40 bands": (160, 40), "25 ms, 64 bands": (400, 64)}
SLOPES = {"first slopes": 1, "second slopes": 2}
PENALTIES = (0.25, 0.5, 1.0)
SHIPPED = {
    "emodb7": "10 ms, 40 bands, second slopes, penalty 0.5",
    "ravdess8": "25 ms, 64 bands, first slopes, penalty 0.5",
}


def with_features(recipe: Recipe, hop: int, n_mels: int, order: int) -> Recipe:
    """The recipe with other frames, and slopes up to an order."""
    lowest = [d for d in recipe.features.descriptors if d.order == 0]
    descriptors = tuple(replace(d, order=o) for d in lowest for o in range(order + 1))
    features = replace(recipe.features, hop=hop, n_mels=n_mels, descriptors=descriptors)
    return recipe.model_copy(update={"features": features})


def tested(recipe: Recipe, data: Dataset, protocol: str, what: str) -> Outcome:
    """The recipe under a protocol; its closed-form solution needs one seed only."""
    return evaluate(
        recipe,
        data,
        find_protocol(protocol),
        seeds=[0],
        jobs=os.cpu_count() or 1,
        track=lambda results, total: track(results, what, total),
    )


def pooled_ua(outcome: Outcome, tests: dict[str, NDArray[np.float32]]) -> float:
    """UA over all folds, whose probabilities may come from different candidates."""
    rows = {result.fold: result.test for result in outcome.results}
    truth = np.concatenate([outcome.targets[rows[fold]] for fold in tests])
    answers = np.concatenate([probabilities.argmax(axis=1) for probabilities in tests.values()])
    return unweighted_average_recall(confusion(truth, answers, len(outcome.labels)))


def select(name: str) -> dict[str, Any]:
    """Nested selection among the neighbours of one recipe."""
    shipped = load_recipe(f"models/{name}").model_copy(update={"quantisation": None})
    protocol = shipped.acceptance[0].protocol
    _, utterances = load_utterances(shipped)
    inner: dict[str, dict[str, float]] = {}
    outer: dict[str, Outcome] = {}
    for frames, (hop, n_mels) in FRAMES.items():
        for slopes, order in SLOPES.items():
            recipe = with_features(shipped, hop, n_mels, order)
            data = make_dataset(recipe, utterances, jobs=os.cpu_count() or 1)
            for penalty in PENALTIES:
                candidate = recipe.model_copy(
                    update={"optimiser": recipe.optimiser.model_copy(update={"penalty": penalty})}
                )
                key = f"{frames}, {slopes}, penalty {penalty:g}"
                outer[key] = tested(candidate, data, protocol, f"{name}, {key}")
                for result in outer[key].results:
                    others = np.setdiff1d(np.arange(len(data)), result.test)
                    outcome = tested(
                        candidate, data.rows(others), "speaker-folds", f"without {result.fold}"
                    )
                    scores = inner.setdefault(result.fold, {})
                    scores[key] = unweighted_average_recall(outcome.matrix(0))
    predictions = {
        key: {result.fold: result.probabilities for result in outcome.results}
        for key, outcome in outer.items()
    }
    chosen = {fold: max(scores, key=scores.__getitem__) for fold, scores in inner.items()}
    any_outcome = outer[SHIPPED[name]]
    return {
        "model": name,
        "protocol": any_outcome.protocol.title,
        "ua_nested": pooled_ua(any_outcome, {f: predictions[key][f] for f, key in chosen.items()}),
        "ua_as_shipped": pooled_ua(any_outcome, predictions[SHIPPED[name]]),
        "ua_of_each": {key: pooled_ua(any_outcome, tests) for key, tests in predictions.items()},
        "chosen": chosen,
        "inner_scores": inner,
    }


def main() -> None:
    """Select for both models."""
    path = RESULTS / "functionals_selection.json"
    old = json.loads(path.read_text())["rows"] if path.exists() and sys.argv[1:] else []
    found = {row["model"]: row for row in old}
    found |= {name: select(name) for name in sys.argv[1:] or SHIPPED}
    rows = list(found.values())
    for row in rows:
        print(row["model"], row["ua_nested"], row["ua_as_shipped"])
    write_result(
        "functionals_selection",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch"]),
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
