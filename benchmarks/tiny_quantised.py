"""UA of `tiny` at 1 to 8 bits, on new speakers and unseen corpora, compared with float16.

Claim: at most 25 KB on disk, at most 1 point of UA lost.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/tiny_quantised.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from serkit.compression.quantize import learn
from serkit.evaluation import Outcome, compare, evaluate, find_protocol
from serkit.evaluation.summary import summary
from serkit.runtime import load, save_model
from serkit.training import (
    Quantisation,
    Recipe,
    load_recipe,
    load_utterances,
    make_dataset,
)

from harness import machine, versions, write_result

SEEDS = 3
PROTOCOLS = ("speaker-folds", "leave-one-corpus-out")
PLANS = {
    "as float16": None,
    "8 bits": Quantisation(bits=8),
    "4 bits": Quantisation(bits=4),
    "3 bits": Quantisation(bits=3),
    "2 bits": Quantisation(bits=2),
    "4 bits, fine-tuned": Quantisation(bits=4, fine_tuning=8),
    "2 bits, fine-tuned": Quantisation(bits=2, fine_tuning=8),
    "1 bit, fine-tuned": Quantisation(bits=1, fine_tuning=8),
    "adaptive, fine-tuned": Quantisation(margin=0.02, fine_tuning=8),
}


def main() -> None:
    """Evaluate every plan under both protocols."""
    parent = load_recipe("models/tiny").model_copy(update={"quantisation": None})
    jobs = os.cpu_count() or 1
    data = make_dataset(parent, load_utterances(parent)[1], jobs=jobs)
    everything = np.arange(len(data))
    training, validation = (
        data.rows(part) for part in parent.hold_out.split(data.utterances, everything, seed=0)
    )
    shipped = load("tiny").card
    rows: list[dict[str, Any]] = []
    parents: dict[str, Outcome] = {}
    for name, plan in PLANS.items():
        recipe: Recipe = parent.model_copy(update={"quantisation": plan})
        model = learn(recipe, training, validation)
        # The shipped model card, since the file size includes it.
        model = model.with_card(figures=shipped.figures, corpora=shipped.corpora)
        with tempfile.TemporaryDirectory() as folder:
            size = save_model(model, Path(folder) / "tiny.safetensors")
        row: dict[str, Any] = {"name": name, "bytes": size, "protocols": {}}
        for protocol in PROTOCOLS:
            outcome = evaluate(
                recipe,
                data,
                find_protocol(protocol),
                seeds=range(SEEDS),
                jobs=jobs,
                track=lambda results, total, name=name: track(results, name, total),
            )
            summed = summary(outcome)
            row["protocols"][protocol] = {
                "title": outcome.title,
                "mean_ua": summed["mean_ua"],
                "ua": {r["corpus"]: r["ua"] for r in summed["rows"]},
            }
            full = parents.setdefault(protocol, outcome)
            if full is not outcome:
                found = compare(full, outcome)
                row["protocols"][protocol] |= {
                    "pooled_difference": found.difference,
                    "pooled_interval": [found.interval.low, found.interval.high],
                }
        rows.append(row)
        print(name, size, {p: v["mean_ua"] for p, v in row["protocols"].items()})
    write_result(
        "tiny_quantised",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch"]),
            "seeds": SEEDS,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
