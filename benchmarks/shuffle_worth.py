"""Accuracy under the paper's random split and under speaker-independent splits.

Claim of Shinde et al. (2024), Table 2, row "32-bit Baseline", on one random split: EMODB 74.07 %,
TESS 99.29 %. Here: the same recipe with 20 seeds, and on held-out speakers.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/shuffle_worth.py
"""

from __future__ import annotations

import os

import numpy as np
from rich.progress import track

from serkit.evaluation import evaluate, find_protocol
from serkit.metrics import mean_interval, unweighted_average_recall, weighted_accuracy
from serkit.training import load_recipe, load_utterances, make_dataset

from harness import machine, versions, write_result

PAPER = {"emodb": 0.7407, "tess": 0.9929}


def main() -> None:
    """Run every recipe under the protocols it names."""
    jobs = os.cpu_count() or 1
    rows = []
    for column, published in PAPER.items():
        recipe = load_recipe(f"layer-importance-adaptive-quantization/table2-{column}")
        _, utterances = load_utterances(recipe)
        data = make_dataset(recipe, utterances, jobs=jobs)
        for wanted in recipe.acceptance:
            protocol = find_protocol(wanted.protocol)
            outcome = evaluate(
                recipe,
                data,
                protocol,
                seeds=range(wanted.seeds),
                jobs=jobs,
                track=lambda results, total, name=protocol.name: track(results, name, total),
            )
            matrices = [outcome.matrix(seed) for seed in outcome.seeds]
            row = {
                "corpus": recipe.corpora[0],
                "protocol": protocol.name,
                "title": protocol.title,
                "speaker_dependent": protocol.speaker_dependent,
                "seeds": wanted.seeds,
                "folds": len(outcome.results) // wanted.seeds,
                "tested_per_seed": int(matrices[0].sum()),
                "published_accuracy": published if protocol.speaker_dependent else None,
            }
            for name, metric in (("wa", weighted_accuracy), ("ua", unweighted_average_recall)):
                values = [metric(matrix) for matrix in matrices]
                interval = mean_interval(values)
                row[name] = {
                    "mean": float(np.mean(values)),
                    "interval": [interval.low, interval.high],
                }
            rows.append(row)
            print(row)
    write_result(
        "shuffle_worth",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch"]),
            "recipe": "layer-importance-adaptive-quantization/table2-*",
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
