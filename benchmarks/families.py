"""Reproduction of Figure 2 of Shinde et al. (2024): four network families at 32 and at few bits.

The MLP's figures are those of `quantisation.py`. The CNN, the LSTM and the GRU with attention are
trained here on frames, on the same splits and seeds, and quantised by the same code.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/families.py [CORPUS ...]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from serkit.evaluation import find_protocol
from serkit.training import load_recipe, load_utterances, make_dataset

from quantisation import SEEDS, measure, plans, tried

# A whole clip of EmoDB has up to 560 frames, on which one seed takes a quarter of an hour.
WHOLE_CLIP_SEEDS = 3

FAMILIES = ("cnn", "lstm", "attention-gru")


def every_table() -> Iterator[dict[str, Any]]:
    """Tables of EmoDB and TESS on a random split as in the paper, and of EmoDB by speaker."""
    for column, protocol, n_seeds in (
        ("emodb", "shuffle", WHOLE_CLIP_SEEDS),
        ("tess", "shuffle", SEEDS),
        ("emodb", "loso", 1),
    ):
        if column not in (sys.argv[1:] or [column]):
            continue
        folder = "layer-importance-adaptive-quantization"
        base = load_recipe(f"{folder}/table2-{column}")
        split = find_protocol(protocol)
        _, utterances = load_utterances(base)
        data = None
        for family in FAMILIES:
            recipe = load_recipe(f"{folder}/figure2-{family}").model_copy(
                update={
                    "corpora": base.corpora,
                    "labels": base.labels,
                    "validation": "utterance" if split.speaker_dependent else "speaker",
                }
            )
            # All families take the same frames.
            data = data or make_dataset(recipe, utterances, jobs=os.cpu_count() or 1)
            yield tried(recipe, family, plans(family), data, split, n_seeds)


if __name__ == "__main__":
    measure("families", every_table())
