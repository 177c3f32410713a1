"""Recipes of serkit and baselines under speaker-independent protocols and a random split.

Claims: the best recipe, below 100 KB, reaches the UA of HuBERT-base, 65.4 %, on the six folds of
RAVDESS (Ma et al., EmoBox, Interspeech 2024), and the 77 % of a support vector machine on openSMILE
features on EmoDB, leave one speaker out. Baselines: scikit-learn's support vector machine on the
features of the recipes and on eGeMAPSv02.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/protocol_table.py [CORPUS ...]
With corpora named, the figures of tasks on none of them are kept.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.progress import track

from serkit.evaluation import Learner, Outcome, compare, evaluate, find_protocol
from serkit.evaluation.figures import figures
from serkit.metrics import confusion, unweighted_average_recall
from serkit.training import Dataset, Recipe, fit, load_recipe, load_utterances, make_dataset

from harness import RESULTS, machine, versions, write_result
from peers.baselines import svm, with_egemaps

SEEDS = range(3)


@dataclass(frozen=True)
class Task:
    """A classification task: corpora, labels, protocol, and the shipped recipe `best` for it.

    `reference` names another shipped recipe that the systems are compared with, if it is better.
    """

    name: str
    corpora: tuple[str, ...]
    labels: tuple[str, ...]
    protocol: str
    best: str
    reference: str = ""


FOUR = ("angry", "happy", "neutral", "sad")
TASKS = (
    Task(
        "EmoDB, 7 emotions",
        ("emodb",),
        (*FOUR, "fearful", "disgusted", "bored"),
        "loso",
        "emodb7",
    ),
    Task(
        "RAVDESS, 8 emotions",
        ("ravdess",),
        (*FOUR, "calm", "fearful", "disgusted", "surprised"),
        "emobox-ravdess",
        "ravdess8",
    ),
    Task(
        "RAVDESS, EmoDB and TESS, 4 emotions",
        ("ravdess", "emodb", "tess"),
        FOUR,
        "leave-one-corpus-out",
        "ravdess8",
        reference="tiny",
    ),
)


def systems(task: Task) -> list[tuple[str, Recipe, Learner, bool]]:
    """Name, recipe, learner, and whether eGeMAPSv02 replaces the recipe's features."""
    paper, tiny, best = (
        load_recipe(name).model_copy(
            update={
                "corpora": task.corpora,
                "labels": task.labels,
                "validation": "speaker",
                "quantisation": None,
            }
        )
        for name in (
            "layer-importance-adaptive-quantization/table2-emodb",
            "models/tiny",
            f"models/{task.best}",
        )
    )
    return [
        ("MLP of Shinde et al., 180 means", paper, fit, False),
        ("SVM, the same 180 means", paper, svm, False),
        ("recipe of `tiny`", tiny, fit, False),
        ("SVM, the features of `tiny`", tiny, svm, False),
        ("SVM, eGeMAPSv02", paper, svm, True),
        (f"recipe of `{task.best}`", best, fit, False),
    ]


def summarised(outcome: Outcome) -> dict[str, Any]:
    """WA and UA with intervals over speakers, and UA by fold."""
    found = figures(outcome)[-1]
    row: dict[str, Any] = {}
    for name in ("wa", "ua"):
        figure = found.headlines[name]
        interval = figure.interval
        row[name] = {
            "mean": figure.value,
            "sd": figure.sd,
            "interval": [interval.low, interval.high] if interval else None,
        }
    by_fold: dict[str, list[float]] = {}
    for result in outcome.results:
        answers = result.probabilities.argmax(axis=1)
        matrix = confusion(outcome.targets[result.test], answers, len(outcome.labels))
        by_fold.setdefault(result.fold, []).append(unweighted_average_recall(matrix))
    row["ua_by_fold"] = {fold: float(np.mean(values)) for fold, values in by_fold.items()}
    return row


def compared(best: Outcome, other: Outcome) -> dict[str, Any]:
    """The best recipe compared with another system, paired by speaker."""
    comparison = compare(other, best)
    interval = comparison.interval
    return {
        "difference": comparison.difference,
        "interval": [interval.low, interval.high] if interval else None,
        "p_value": comparison.p_value,
    }


def main() -> None:
    """Evaluate every system on every task, under its protocol and a random split."""
    jobs = os.cpu_count() or 1
    path = RESULTS / "protocol_table.json"
    old = json.loads(path.read_text())["rows"] if path.exists() and sys.argv[1:] else []
    chosen = [task for task in TASKS if not sys.argv[1:] or set(task.corpora) & set(sys.argv[1:])]
    rows = [row for row in old if row["task"] not in {task.name for task in chosen}]
    for task in chosen:
        outcomes: dict[tuple[str, str], Outcome] = {}
        datasets: dict[str, Dataset] = {}
        for name, recipe, learn, egemaps in systems(task):
            key = "eGeMAPSv02" if egemaps else recipe.features.name
            if key not in datasets:
                _, utterances = load_utterances(recipe)
                data = make_dataset(recipe, utterances, jobs=jobs)
                datasets[key] = with_egemaps(data) if egemaps else data
            for protocol in (task.protocol, "shuffle"):
                outcomes[name, protocol] = evaluate(
                    recipe,
                    datasets[key],
                    find_protocol(protocol),
                    seeds=SEEDS,
                    jobs=jobs,
                    learn=learn,
                    track=lambda results, total, name=name: track(results, name, total),
                )
        best = f"recipe of `{task.reference or task.best}`"
        for (name, protocol), outcome in outcomes.items():
            row = {
                "task": task.name,
                "system": name,
                "protocol": protocol,
                "title": outcome.protocol.title,
                "speaker_dependent": outcome.protocol.speaker_dependent,
                **summarised(outcome),
            }
            if name != best and protocol == task.protocol:
                row["best_against_this"] = compared(outcomes[best, protocol], outcome)
            rows.append(row)
            print(name, protocol, row["ua"])
    order = [task.name for task in TASKS]
    rows.sort(key=lambda row: order.index(row["task"]))
    write_result(
        "protocol_table",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch", "scikit-learn", "opensmile"]),
            "seeds": len(SEEDS),
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
