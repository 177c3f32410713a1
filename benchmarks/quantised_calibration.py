"""Calibration of a quantised model when no held-out speakers are left.

Claim: a temperature matched to the full model's probabilities on training clips is nearly as good
for new speakers as one fitted on held-out speakers. One fitted on the labels of the training clips
is not, nor is the full model's temperature at one bit.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/quantised_calibration.py
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from serkit.adaptation import HoldOut, softmax
from serkit.compression.quantize import quantize
from serkit.evaluation import Fold, find_protocol, guarded_folds
from serkit.metrics import confusion, expected_calibration_error, unweighted_average_recall
from serkit.runtime import Model
from serkit.training import (
    Dataset,
    FeatureCache,
    Quantisation,
    Recipe,
    fit,
    load_recipe,
    load_utterances,
    make_dataset,
    one_thread,
)

from harness import machine, versions, write_result

RECIPES = ("models/tiny", "layer-importance-adaptive-quantization/table2-emodb")
BITS = (1, 2, 4)
SEEDS = 2
PROTOCOL = "speaker-folds"
HELD_OUT = HoldOut("speaker", 0.15)


def scores(model: Model, test: Dataset) -> dict[str, float]:
    """UA, expected calibration error and cross-entropy in nats."""
    probabilities = softmax(model.logits(test.features))
    answers = probabilities.argmax(axis=1)
    of_target = probabilities[np.arange(len(test)), test.targets]
    return {
        "ua": unweighted_average_recall(confusion(test.targets, answers, probabilities.shape[1])),
        "ece": expected_calibration_error(test.targets, probabilities),
        "loss": float(-np.log(np.maximum(of_target, 1e-12)).mean()),
    }


def tried(recipe: Recipe, data: Dataset, fold: Fold, seed: int) -> dict[str, dict[str, float]]:
    """Scores on a fold's test speakers, by what the temperature is fitted on."""
    training, validation, test = (data.rows(p) for p in (fold.train, fold.validation, fold.test))
    with one_thread():
        full = fit(recipe, training, validation, seed=seed)
    results = {"full": scores(full, test)}
    for bits in BITS:
        plan = Quantisation(bits=bits)
        matched = quantize(full, plan, training, seen=True).model
        variants = {
            "the full model's temperature": matched.with_card(temperature=full.card.temperature),
            "labels of what was learned from": quantize(full, plan, training).model,
            "the full model's probabilities": matched,
            "labels of held-out speakers": quantize(full, plan, validation).model,
        }
        results |= {f"{bits} {name}": scores(model, test) for name, model in variants.items()}
    return results


def main() -> None:
    """Evaluate both recipes on every fold and seed."""
    rows: list[dict[str, Any]] = []
    for name in RECIPES:
        recipe = load_recipe(name).model_copy(update={"quantisation": None, "augmentation": None})
        data = make_dataset(
            recipe,
            load_utterances(recipe)[1],
            jobs=os.cpu_count() or 1,
            cache=FeatureCache.default(),
        )
        results = [
            tried(recipe, data, fold, seed)
            for seed in range(SEEDS)
            for fold in guarded_folds(data, find_protocol(PROTOCOL), HELD_OUT, seed=seed)
        ]
        rows += [
            {
                "recipe": name,
                "way": variant,
                **{
                    key: float(np.mean([r[variant][key] for r in results]))
                    for key in results[0][variant]
                },
            }
            for variant in results[0]
        ]
    write_result(
        "quantised_calibration",
        {
            "rows": rows,
            "seeds": SEEDS,
            "protocol": find_protocol(PROTOCOL).title,
            "machine": machine(),
            "versions": versions(["numpy", "torch"]),
        },
    )


if __name__ == "__main__":
    main()
