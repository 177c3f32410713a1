"""The bits of a trained speech network: bytes, and accuracy on new speakers.

The recipe `speech/log-mel-student` is trained on CREMA-D (four emotions, speakers of one fold in
five kept for testing) and exported in float32, float16, int8, and int8 with weights of 2 to 6 bits
and of as many bits as the search by layer importance gives each. Ranges, the search and the
temperature see speakers of the training part only; the exports are compared on the test speakers,
paired by recording.

Needs the corpora, and takes minutes: SERKIT_CORPORA=/folder python benchmarks/student_bits.py
"""

from __future__ import annotations

import os
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

import serkit
from serkit.compression.classifier_export import save_classifier
from serkit.compression.onnx_integers import Packing, in_bits, search_by_agreement
from serkit.compression.speech_export import export_speech
from serkit.evaluation import find_protocol, guarded_folds
from serkit.metrics import (
    clustered_intervals,
    confusion,
    per_speaker,
    unweighted_average_recall,
)
from serkit.training.data import MAX_CLIP_S, read_utterance
from serkit.training.feature_cache import FeatureCache
from serkit.training.speech import (
    Recordings,
    SpeechRecipe,
    learn_speech,
    load_any_recipe,
    load_recordings,
    make_recordings,
)

from harness import machine, versions, write_result

CORPUS = "crema_d"
PROTOCOL = "speaker-folds"

PACKINGS: dict[str, tuple[str, Packing | None]] = {
    "float32": ("fp32", None),
    "float16": ("fp16", None),
    "int8": ("int8", None),
    **{
        f"int8, weights of {bits} bits": ("int8", lambda graph, _, bits=bits: in_bits(graph, bits))
        for bits in (6, 5, 4, 3, 2)
    },
    "int8, weights by the search": ("int8", search_by_agreement),
}
REFERENCE = "int8"


def answers(path: Path, test: Recordings) -> NDArray[np.int64]:
    """Index of the label that a model file gives each recording, shape `[n]`."""
    backend = serkit.load(str(path)).backend
    sounds = (read_utterance(utterance, max_clip_s=MAX_CLIP_S) for utterance in test.utterances)
    return np.array([backend.outputs([sound]).logits[0].argmax() for sound in sounds])


def figures(
    test: Recordings, found: NDArray[np.int64], reference: NDArray[np.int64], n_labels: int
) -> dict[str, Any]:
    """UA, and its difference from that of the reference, with intervals over speakers."""

    def counts(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.stack([confusion(test.targets[rows], one[rows], n_labels) for one in both])

    def metrics(pair: NDArray[np.int64]) -> list[float]:
        ours, theirs = (unweighted_average_recall(matrix) for matrix in pair)
        return [ours, ours - theirs]

    both = found, reference
    _, by_speaker = per_speaker([u.speaker for u in test.utterances], counts)
    values = metrics(by_speaker.sum(axis=0))
    intervals = clustered_intervals(metrics, by_speaker)
    names = ("ua", "difference")
    return dict(zip(names, values, strict=True)) | {
        f"{name}_interval": interval and [interval.low, interval.high]
        for name, interval in zip(names, intervals, strict=True)
    }


def main() -> None:
    """Train once, export in every way, and test each file."""
    recipe = load_any_recipe("speech/log-mel-student")
    if not isinstance(recipe, SpeechRecipe):
        raise TypeError("expected a recipe of a network on waveforms")
    recipe = recipe.model_copy(update={"corpora": (CORPUS,), "anchors": (), "acceptance": ()})
    _, utterances = load_recordings(recipe)
    data = make_recordings(
        recipe,
        utterances,
        jobs=os.cpu_count() or 1,
        cache=FeatureCache.default(),
        track=lambda results, total: track(results, "reading", total),
    )
    fold = guarded_folds(data, find_protocol(PROTOCOL), recipe.hold_out, seed=0)[0]
    training, validation, test = (data.rows(p) for p in (fold.train, fold.validation, fold.test))
    model = learn_speech(
        recipe, training, validation, seed=0, on_epoch=lambda epoch: print(epoch, flush=True)
    )
    rows: list[dict[str, Any]] = []
    found: dict[str, NDArray[np.int64]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (precision, packed) in PACKINGS.items():
            path = Path(folder) / f"{len(rows)}.onnx"
            exported = export_speech(
                deepcopy(model), precision=precision, packed=packed, recordings=validation
            )
            size = save_classifier(exported, model.card, path)
            found[name] = answers(path, test)
            rows.append({"name": name, "bytes": size})
            print(rows[-1], flush=True)
    for row in rows:
        row |= figures(test, found[row["name"]], found[REFERENCE], len(recipe.labels))
    write_result(
        "student_bits",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch", "onnx", "onnxruntime"]),
            "corpus": CORPUS,
            "protocol": PROTOCOL,
            "parameters": model.n_parameters,
            "utterances": len(test),
            "speakers": len({u.speaker for u in test.utterances}),
            "reference": REFERENCE,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
