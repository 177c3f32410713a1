"""Nested selection of the recipe of `tiny`.

For each corpus C, candidates are compared on the three others alone (leaving out each in turn), and
only the winner is tested on C. The figure on the model card is of the shipped recipe, which was
chosen with all four corpora in view; the difference is its optimistic bias.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/tiny_selection.py
"""

from __future__ import annotations

import os

import numpy as np
from rich.progress import track

from serkit.evaluation import Outcome, evaluate, find_protocol
from serkit.metrics import confusion, unweighted_average_recall
from serkit.training import Dataset, Recipe, load_recipe, load_utterances, make_dataset

from harness import machine, versions, write_result

SEEDS = 3


def candidates(recipe: Recipe) -> dict[str, Recipe]:
    """The shipped recipe with 32-bit weights, and its neighbours."""

    def changed(part: str, **changes: object) -> Recipe:
        return recipe.model_copy(update={part: getattr(recipe, part).model_copy(update=changes)})

    return {
        "as shipped": recipe,
        "16 hidden units": changed("network", hidden=(16,)),
        "48 hidden units": changed("network", hidden=(48,)),
        "input dropout 0.5": changed("network", input_dropout=0.5),
        "input dropout 0.2": changed("network", input_dropout=0.2),
        "label smoothing 0.1": changed("optimiser", label_smoothing=0.1),
        "no speaker shrinkage": recipe.model_copy(update={"speaker_shrinkage": 0.0}),
        "each class alike": recipe.model_copy(update={"balance": "class"}),
    }


def ua_by_corpus(outcome: Outcome) -> dict[str, float]:
    """UA of each held-out corpus, mean over seeds."""
    values_by_corpus: dict[str, list[float]] = {}
    for result in outcome.results:
        predicted = result.probabilities.argmax(axis=1)
        matrix = confusion(outcome.targets[result.test], predicted, len(outcome.labels))
        values_by_corpus.setdefault(result.fold, []).append(unweighted_average_recall(matrix))
    return {corpus: float(np.mean(values)) for corpus, values in values_by_corpus.items()}


def leave_one_corpus_out(recipe: Recipe, data: Dataset, what: str) -> dict[str, float]:
    """UA of each corpus of `data`, trained on the others."""
    return ua_by_corpus(
        evaluate(
            recipe,
            data,
            find_protocol("leave-one-corpus-out"),
            seeds=range(SEEDS),
            jobs=os.cpu_count() or 1,
            track=lambda results, total: track(results, what, total),
        )
    )


def main() -> None:
    """For each corpus, select on the others and test on it."""
    shipped = load_recipe("models/tiny").model_copy(update={"quantisation": None})
    _, utterances = load_utterances(shipped)
    data = make_dataset(shipped, utterances, jobs=os.cpu_count() or 1)
    corpus_of = np.array([u.corpus for u in data.utterances])
    names = sorted(set(corpus_of))
    outer, inner = {}, {}
    for name, recipe in candidates(shipped).items():
        outer[name] = leave_one_corpus_out(recipe, data, f"{name}: all")
        inner[name] = {
            corpus: leave_one_corpus_out(
                recipe, data.rows(np.flatnonzero(corpus_of != corpus)), f"{name}: {corpus}"
            )
            for corpus in names
        }
    rows = []
    for corpus in names:
        scores = {
            name: float(np.mean(list(by_corpus[corpus].values())))
            for name, by_corpus in inner.items()
        }
        chosen = max(scores, key=scores.__getitem__)
        rows.append(
            {
                "corpus": corpus,
                "chosen": chosen,
                "inner_scores": scores,
                "ua": outer[chosen][corpus],
                "ua_as_shipped": outer["as shipped"][corpus],
            }
        )
        print(rows[-1])
    write_result(
        "tiny_selection",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch"]),
            "seeds": SEEDS,
            "candidates": list(outer),
            "rows": rows,
            "mean_ua": float(np.mean([row["ua"] for row in rows])),
            "mean_ua_as_shipped": float(np.mean([row["ua_as_shipped"] for row in rows])),
            "outer": outer,
            "inner": inner,
        },
    )


if __name__ == "__main__":
    main()
