"""The questions of Ismail, IV.A and V.B, asked of the log-mel student: does an anchor corpus help?

The recipe `speech/log-mel-student` is trained from scratch on four emotions. Each corpus is tested
in speaker-independent folds, trained alone and with CREMA-D (4,900 clips) as an anchor, which is in
every training part and in no other; the difference is paired by utterance, with an interval over
speakers. Then CREMA-D alone is tested on the whole of RAVDESS, as the paper tests its model.

The recipe was chosen on held-out speakers of CREMA-D, the range and the random frequency responses
of its front end by training on CREMA-D and testing on TESS and nEMO, too; none is tested here. A
corpus alone is trained for more epochs, as they are shorter; both stop early on held-out speakers
of the corpus.
Needs the corpora, and takes hours; an interrupted run is resumed from FOLDER:
SERKIT_CORPORA=/folder python benchmarks/cross_corpus.py FOLDER [CORPUS ...]
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import track

from serkit.evaluation import Outcome, compare, evaluate, find_protocol
from serkit.training import load_any_recipe
from serkit.training.feature_cache import FeatureCache
from serkit.training.speech import (
    Recordings,
    SpeechRecipe,
    load_recordings,
    make_recordings,
)

from harness import machine, versions, write_result
from speech_runs import run_values

ANCHOR = "crema_d"
SPLITS = {"ravdess": "emobox-ravdess", "emodb": "speaker-folds"}
EPOCHS_ALONE = 60
SEEDS = 1
CROSSED = ("ravdess",)
SEEDS_CROSSED = 2


def recordings(recipe: SpeechRecipe, corpus: str) -> Recordings:
    """The corpus and the anchor."""
    _, utterances = load_recordings(recipe, [corpus], [ANCHOR])
    return make_recordings(
        recipe,
        utterances,
        jobs=os.cpu_count() or 1,
        cache=FeatureCache.default(),
        track=lambda results, total: track(results, f"{corpus}: reading", total),
    )


def outcome(
    recipe: SpeechRecipe, data: Recordings, protocol: Any, folder: Path, n_seeds: int = SEEDS
) -> Outcome:
    """A finished run; its folds are kept in the folder."""
    return evaluate(
        recipe,
        data,
        protocol,
        seeds=range(n_seeds),
        jobs=os.cpu_count() or 1,
        folder=folder,
        track=lambda results, total: track(results, folder.name, total),
    )


def anchored(recipe: SpeechRecipe, corpus: str, folder: Path) -> dict[str, Any]:
    """A corpus alone and with the anchor, and their difference."""
    data = recordings(recipe, corpus)
    alone = data.of(corpus)
    longer = recipe.model_copy(
        update={"optimiser": recipe.optimiser.model_copy(update={"max_epochs": EPOCHS_ALONE})}
    )
    split = find_protocol(SPLITS[corpus])
    runs = {
        "alone": outcome(longer, alone, split, folder / f"{corpus}-alone"),
        "anchored": outcome(recipe, data, split.anchored([ANCHOR]), folder / f"{corpus}-anchored"),
    }
    found = compare(runs["alone"], runs["anchored"])
    return {
        "corpus": corpus,
        **{name: run_values(run) for name, run in runs.items()},
        "difference": asdict(found) | {"difference": found.difference, "verdict": found.verdict},
    }


def crossed(recipe: SpeechRecipe, corpus: str, folder: Path) -> dict[str, Any]:
    """CREMA-D alone, tested on another corpus."""
    protocol = find_protocol(f"cross:train={ANCHOR},test={corpus}")
    data = recordings(recipe, corpus)
    run = outcome(recipe, data, protocol, folder / f"{corpus}-crossed", SEEDS_CROSSED)
    return {"trained": ANCHOR, "tested": corpus, **run_values(run)}


def main() -> None:
    """All corpora, or those on the command line."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    recipe = load_any_recipe("speech/log-mel-student")
    if not isinstance(recipe, SpeechRecipe):
        raise TypeError("expected a recipe of a network on waveforms")
    wanted = sys.argv[2:] or list(SPLITS)
    write_result(
        "cross_corpus",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch", "audiomentations"]),
            "recipe": recipe.to_dict(),
            "epochs_alone": EPOCHS_ALONE,
            "seeds": SEEDS,
            "paper": {"ravdess": {"ua": 0.4618, "wa": 0.4329}},
            "seeds_crossed": SEEDS_CROSSED,
            "crossed": [crossed(recipe, corpus, folder) for corpus in CROSSED],
            "rows": [anchored(recipe, corpus, folder) for corpus in wanted],
        },
    )


if __name__ == "__main__":
    main()
