"""Speed of packed weights compared with float32, features included.

Claim: packed weights are not slower.

python benchmarks/packed_speed.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np

from serkit.audio import SAMPLE_RATE
from serkit.compression import quantize_matrix
from serkit.features import extract
from serkit.runtime import Dense, Model, ModelCard, load_network
from serkit.training import load_recipe

from harness import machine, versions, write_result

ROUNDS = 301
SECONDS = 8


def with_bits(model: Model, bits: int | None) -> Model:
    """The model with weights packed to `bits`, or with float32 weights for None."""
    layers = (
        replace(layer, weight=quantize_matrix(layer.matrix, bits) if bits else layer.matrix)
        for layer in model.layers
    )
    return replace(model, layers=tuple(layers))


def papers_mlp() -> Model:
    """The network of Shinde et al. on its features, with random weights."""
    rng = np.random.default_rng(0)
    recipe = load_recipe("layer-importance-adaptive-quantization/table2-emodb")
    n_features = recipe.features.n_features
    widths = [n_features, *recipe.network.hidden, len(recipe.labels)]
    layers = tuple(
        Dense(
            (rng.standard_normal((n_out, n_in)) / n_in**0.5).astype(np.float32),
            np.zeros(n_out, np.float32),
            "none" if i == len(recipe.network.hidden) else "relu",
        )
        for i, (n_in, n_out) in enumerate(pairwise(widths))
    )
    card = ModelCard("256-512-64", recipe.labels, recipe.features)
    zeros, ones = np.zeros(n_features, np.float32), np.ones(n_features, np.float32)
    return Model(card, zeros, ones, layers)


def main() -> None:
    """Time all variants in turn, many times; ratios are taken within a turn."""
    tiny = load_network("tiny")
    samples = np.random.default_rng(0).standard_normal(SECONDS * SAMPLE_RATE).astype(np.float32)
    rows = []
    for name, model in (("tiny", tiny), ("256-512-64", papers_mlp())):
        variants = {bits: with_bits(model, bits) for bits in (None, 8, 4, 2, 1)}
        times: dict[int | None, list[float]] = {bits: [] for bits in variants}
        for turn in range(ROUNDS):
            order = list(variants) if turn % 2 else list(reversed(variants))
            for bits in order:
                start = time.perf_counter()
                variants[bits].logits(extract(model.recipe, samples)[None])
                times[bits].append(time.perf_counter() - start)
        for bits, taken in times.items():
            rows.append(
                {
                    "network": name,
                    "bits": bits or 32,
                    "median_ms": 1e3 * statistics.median(taken),
                    "ratio": statistics.median(
                        packed / full for packed, full in zip(taken, times[None], strict=True)
                    ),
                }
            )
            print(rows[-1])
    write_result(
        "packed_speed",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy"]),
            "seconds": SECONDS,
            "rounds": ROUNDS,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
