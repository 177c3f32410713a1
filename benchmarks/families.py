"""Figure 2 of Shinde et al. (2024) rebuilt: four families of networks, in full and in few bits.

The multilayer perceptron's figures are those of `quantisation.py`; the convolutional network, the
LSTM and the GRU with attention learn here from the frames, on the same splits and seeds, and are
quantised by the same code.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/families.py [CORPUS ...]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from serkit.evaluation import find_protocol
from serkit.training import load_recipe, load_utterances, make_dataset

from quantisation import SEEDS, SPEAKER_SEEDS, measure, plans, tried

FAMILIES = ("cnn", "lstm", "attention-gru")


def every_table() -> Iterator[dict[str, Any]]:
    """EmoDB and TESS shuffled, as in the paper; EmoDB by speaker as well."""
    for column, protocol, n_seeds in (
        ("emodb", "shuffle", SEEDS),
        ("tess", "shuffle", SEEDS),
        ("emodb", "loso", SPEAKER_SEEDS),
    ):
        if column not in (sys.argv[1:] or [column]):
            continue
        folder = "layer-importance-adaptive-quantization"
        base = load_recipe(f"{folder}/table2-{column}")
        way = find_protocol(protocol)
        _, utterances = load_utterances(base)
        data = None
        for family in FAMILIES:
            theirs = load_recipe(f"{folder}/figure2-{family}")
            recipe = theirs.model_copy(
                update={
                    "corpora": base.corpora,
                    "labels": base.labels,
                    "validation": "utterance" if way.speaker_dependent else "speaker",
                }
            )
            # The families use the same frames.
            data = data or make_dataset(recipe, utterances, jobs=os.cpu_count() or 1)
            yield tried(recipe, family, plans(family), data, way, n_seeds)


if __name__ == "__main__":
    measure("families", every_table())
