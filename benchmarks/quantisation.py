"""Reproduction of Table 2 of Shinde et al. (2024), accuracy against bits and bytes, with ablation.

Claims of the paper, on one split: TESS 99.29 % at 25 KB and 1.22 bits on average, EmoDB 75.93 % at
43 KB and 2.00 bits, both no worse than at 32 bits. Here: means over 20 seeds, sizes of whole files.

Needs the corpora; a corpus that is missing is skipped:
SERKIT_CORPORA=/folder python benchmarks/quantisation.py [CORPUS ...]
If corpora are named, the figures of the others are kept.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from serkit.compression.quantize import quantize
from serkit.errors import CorpusError
from serkit.evaluation import Fold, Protocol, find_protocol, guarded_folds
from serkit.metrics import confusion, mean_interval, unweighted_average_recall, weighted_accuracy
from serkit.runtime import Model, save_model
from serkit.training import (
    Dataset,
    Quantisation,
    Recipe,
    fit,
    load_recipe,
    load_utterances,
    make_dataset,
    one_thread,
    worker_pool,
)

from harness import RESULTS, machine, versions, write_result

PAPER = {
    "emodb": {"32": (676, 0.7407), "adaptive": (43, 0.7593), "average_bits": 2.00},
    "tess": {"32": (676, 0.9929), "adaptive": (25, 0.9929), "average_bits": 1.22},
    "savee": {"32": (676, 0.8125), "adaptive": (56, 0.8125), "average_bits": 2.69},
}
NETWORKS = {"256-512-64": (256, 512, 64), "128-64": (128, 64), "32-16": (32, 16)}
PAPERS_NETWORK = "256-512-64"
SEEDS = 20
SPEAKER_SEEDS = 5
MARGIN = 0.05
FINE_TUNING = 15

PLAIN = {"per_row": False, "steps": "range"}
STEPS = {
    "plain rounding": PLAIN,
    "+ least-squares step": {"per_row": False},
    "+ a step for each output": {},
    "+ fine-tuning": {"fine_tuning": FINE_TUNING},
}


def plans(network: str) -> dict[str, Quantisation]:
    """Quantisation plans by name: every one for the paper's network, serkit's for the others."""
    best = {"fine_tuning": FINE_TUNING, "per_row": False}
    by_name = {"adaptive, ours": Quantisation(margin=MARGIN, **best)}
    by_name |= {f"{bits} bits, ours": Quantisation(bits=bits, **best) for bits in (8, 4, 2, 1)}
    if network != PAPERS_NETWORK:
        return by_name
    for bits in range(8, 0, -1):
        by_name[f"{bits} bits"] = Quantisation(bits=bits, **PLAIN)
    by_name["adaptive"] = Quantisation(margin=MARGIN, **PLAIN)
    for bits in (1, 2, 3):
        for step, options in STEPS.items():
            by_name[f"{bits} bits, {step}"] = Quantisation(bits=bits, **options)
    for step, options in STEPS.items():
        by_name[f"adaptive, {step}"] = Quantisation(margin=MARGIN, **options)
    return by_name


def run(
    recipe: Recipe, plans: dict[str, Quantisation], data: Dataset, task: tuple[int, Fold]
) -> dict[str, Any]:
    """Confusion matrix, bytes and average bits of every plan on one fold."""
    seed, fold = task
    training, validation, test = (data.rows(p) for p in (fold.train, fold.validation, fold.test))
    with one_thread(), tempfile.TemporaryDirectory() as folder:

        def measured(model: Model) -> dict[str, Any]:
            answers = model.logits(test.features).argmax(axis=1)
            counts = confusion(test.targets, answers, len(recipe.labels))
            size = save_model(model, Path(folder) / "model.safetensors")
            return {"counts": counts, "bytes": size, "average_bits": 32.0}

        full = fit(recipe, training, validation, seed=seed)
        measurements = {"32 bits": measured(full)}
        log: list[dict[str, Any]] = []
        for name, plan in plans.items():
            small = quantize(full, plan, validation, training=training, recipe=recipe, seed=seed)
            measurements[name] = measured(small.model) | {"average_bits": small.average_bits}
            if name == "adaptive, ours":
                log = [asdict(trial) for trial in small.trials]
    return {"seed": seed, "measurements": measurements, "log": log}


def summarised(results: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Mean and 95 % interval over seeds, also of the difference to 32 bits, paired by seed."""
    seeds = sorted({result["seed"] for result in results})

    def figure(metric: Any, which: str, seed: int) -> float:
        counts = sum(r["measurements"][which]["counts"] for r in results if r["seed"] == seed)
        return float(metric(counts))

    row: dict[str, Any] = {"name": name}
    for key, metric in (("accuracy", weighted_accuracy), ("ua", unweighted_average_recall)):
        values = np.array([figure(metric, name, seed) for seed in seeds])
        full = np.array([figure(metric, "32 bits", seed) for seed in seeds])
        row[key] = {"mean": float(values.mean()), "difference": float((values - full).mean())}
        if len(seeds) > 2:
            for part, numbers in (("interval", values), ("difference_interval", values - full)):
                interval = mean_interval(numbers.tolist())
                row[key][part] = [interval.low, interval.high]
    for key in ("bytes", "average_bits"):
        numbers = [result["measurements"][name][key] for result in results]
        row[key] = float(np.mean(numbers))
        row[f"most_{key}"] = float(np.max(numbers))
    return row


def tried(
    recipe: Recipe,
    network: str,
    plans: dict[str, Quantisation],
    data: Dataset,
    split: Protocol,
    n_seeds: int,
) -> dict[str, Any]:
    """Results of every plan on a network under a protocol."""
    tasks = [
        (seed, fold)
        for seed in range(n_seeds)
        for fold in guarded_folds(data, split, recipe.hold_out, seed=seed)
    ]
    jobs = os.cpu_count() or 1
    title = f"{recipe.corpora[0]}, {split.name}, {network}"
    pool: ProcessPoolExecutor
    with worker_pool(jobs) as pool:
        work = partial(run, recipe, plans, data)
        results = list(track(pool.map(work, tasks), title, len(tasks)))
    rows = [summarised(results, name) for name in results[0]["measurements"]]
    for row in rows:
        print(title, row["name"], row["accuracy"]["mean"], row["bytes"])
    return {
        "corpus": recipe.corpora[0],
        "protocol": split.name,
        "title": split.title,
        "speaker_dependent": split.speaker_dependent,
        "network": network,
        "seeds": n_seeds,
        "folds": len(tasks) // n_seeds,
        "tested_per_seed": sum(len(fold.test) for _, fold in tasks) // n_seeds,
        "rows": rows,
        "log": results[0]["log"],
    }


def every_table(
    plans: Callable[[str], dict[str, Quantisation]], networks: Iterable[str]
) -> Iterator[dict[str, Any]]:
    """Tables of the corpora named on the command line: random split; for EmoDB also by speaker."""
    jobs = os.cpu_count() or 1
    for column in sys.argv[1:] or PAPER:
        base = load_recipe(f"layer-importance-adaptive-quantization/table2-{column}")
        try:
            _, utterances = load_utterances(base)
        except CorpusError as error:
            print(f"{column} skipped: {error}")
            continue
        data = make_dataset(base, utterances, jobs=jobs)
        protocols = [("shuffle", SEEDS)] + ([("loso", SPEAKER_SEEDS)] if column == "emodb" else [])
        for protocol, n_seeds in protocols:
            split = find_protocol(protocol)
            for network in networks:
                hidden = NETWORKS[network]
                recipe = base.model_copy(
                    update={
                        "network": base.network.model_copy(update={"hidden": hidden}),
                        "validation": "utterance" if split.speaker_dependent else "speaker",
                    }
                )
                yield tried(recipe, network, plans(network), data, split, n_seeds)


def measure(name: str, tables: Iterable[dict[str, Any]], **setting: Any) -> None:
    """Write the result after each table; tables of corpora not measured now are kept."""
    old = (
        json.loads(path.read_text())["tables"]
        if (path := RESULTS / f"{name}.json").exists()
        else []
    )
    key = itemgetter("corpus", "protocol", "network")
    tables_by_key = {key(table): table for table in old if table["corpus"] in PAPER}
    for table in tables:
        tables_by_key[key(table)] = table
        write_result(
            name,
            {
                "machine": machine(),
                "versions": versions(["serkit", "numpy", "torch"]),
                "margin": MARGIN,
                "fine_tuning": FINE_TUNING,
                **setting,
                "tables": list(tables_by_key.values()),
            },
        )


def main() -> None:
    """Measure every network."""
    measure(
        "quantisation",
        every_table(plans, NETWORKS),
        paper=PAPER,
        alpha=Quantisation().alpha,
    )


if __name__ == "__main__":
    main()
