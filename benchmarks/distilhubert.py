"""Tables I and II and Figure 1 of Ismail, from runs of the recipes `distilhubert-mobile-ser/*`.

Five folds of IEMOCAP's sessions without and with CREMA-D as an anchor; the production model on a
random split; and the production recipe, trained on both corpora and tested on RAVDESS. Class
weights are those of the training parts, averaged over the folds.

Needs IEMOCAP, CREMA-D and RAVDESS, and the weights of `ntu-spml/distilhubert` (as safetensors, from
the hub or its cache); a GPU, or days. An interrupted run is resumed from FOLDER:
SERKIT_CORPORA=/folder python benchmarks/distilhubert.py FOLDER
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from serkit.corpora import base_name
from serkit.evaluation import (
    Outcome,
    compare,
    evaluate,
    find_protocol,
    guarded_folds,
    protocol_of,
)
from serkit.training import load_any_recipe
from serkit.training.feature_cache import FeatureCache
from serkit.training.speech import (
    Recordings,
    SpeechRecipe,
    load_recordings,
    make_recordings,
)
from serkit.training.speech.loss import balanced_weights

from harness import machine, versions, write_result
from speech_runs import run_values

RECIPES = {
    "iemocap": ("table1-iemocap", "session"),
    "with_crema_d": ("table1-iemocap-crema-d", "session"),
    "production": ("production", "shuffle"),
}
PAPER = {
    "iemocap": {"wa": 0.595, "ua": 0.616, "macro_f1": 0.596},
    "with_crema_d": {"wa": 0.607, "ua": 0.614, "macro_f1": 0.610},
    "production": {"wa": 0.7548, "ua": 0.7640},
    "ravdess": {"wa": 0.4329, "ua": 0.4618},
}


def recipe_of(name: str) -> SpeechRecipe:
    """A recipe of the paper."""
    recipe = load_any_recipe(f"distilhubert-mobile-ser/{name}")
    if not isinstance(recipe, SpeechRecipe):
        raise TypeError("expected a recipe of a network on waveforms")
    return recipe


def read(recipe: SpeechRecipe, *more: str) -> Recordings:
    """The recordings of a recipe, and of further corpora."""
    _, utterances = load_recordings(recipe, [*recipe.corpora, *more])
    return make_recordings(recipe, utterances, cache=FeatureCache.default())


def run(name: str, folder: Path) -> tuple[SpeechRecipe, Recordings, Outcome]:
    """One run of Table I."""
    recipe = recipe_of(RECIPES[name][0])
    data = read(recipe)
    outcome = evaluate(
        recipe,
        data,
        protocol_of(recipe, RECIPES[name][1]),
        seeds=[0],
        folder=folder / name,
        track=lambda results, total: track(results, name, total),
    )
    return recipe, data, outcome


def table_2(recipe: SpeechRecipe, data: Recordings) -> dict[str, Any]:
    """Recordings of each class by corpus, and class weights averaged over the folds."""
    folds = guarded_folds(data, protocol_of(recipe, "session"), recipe.hold_out, seed=0)
    counts = [np.bincount(data.targets[f.train], minlength=len(recipe.labels)) for f in folds]
    weights = np.mean([balanced_weights(c.tolist()).numpy() for c in counts], axis=0)
    names = [base_name(name) for name in (*recipe.corpora, *recipe.anchors)]
    return {
        "counts": {
            name: Counter(u.label for u in data.utterances if u.corpus == name) for name in names
        },
        "weights": dict(zip(recipe.labels, map(float, weights), strict=True)),
    }


def main() -> None:
    """All runs."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    _, _, alone = run("iemocap", folder)
    recipe, data, anchored = run("with_crema_d", folder)
    _, _, production = run("production", folder)
    found = compare(alone, anchored)
    both = recipe_of("production")
    across = evaluate(
        both,
        read(both, *recipe.anchors, "ravdess"),
        find_protocol("cross:train=iemocap+crema_d,test=ravdess"),
        seeds=[0],
        folder=folder / "ravdess",
    )
    write_result(
        "distilhubert",
        {
            "machine": machine(),
            "versions": versions(["serkit", "torch", "transformers", "audiomentations"]),
            "paper": PAPER,
            "iemocap": run_values(alone),
            "with_crema_d": run_values(anchored),
            "difference": asdict(found)
            | {"difference": found.difference, "verdict": found.verdict},
            "table_2": table_2(recipe, data),
            "production": run_values(production),
            "ravdess": run_values(across),
        },
    )


if __name__ == "__main__":
    main()
