"""The window of each shipped model on long recordings.

A long recording joins the clips of one held-out speaker in one emotion, with pauses of 0.2 to
0.5 s, up to a minute. It is cut into windows of every length below, and the probabilities are
averaged as in `Recognizer`. The length is chosen by UA on the validation speakers of all folds; the
UA on the test speakers is reported for all lengths. Weights are not quantised.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/window_length.py [MODEL ...]
With models named, the figures of the others are kept.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from serkit.adaptation import softmax
from serkit.audio import SAMPLE_RATE, windows
from serkit.corpora import Utterance
from serkit.evaluation import find_protocol, guarded_folds
from serkit.features import DescriptorRecipe
from serkit.metrics import confusion, unweighted_average_recall
from serkit.runtime import features_of
from serkit.training import fit, load_recipe, load_utterances, make_dataset, read_utterance
from serkit.training.workers import in_processes

from harness import RESULTS, machine, versions, write_result

Array = NDArray[np.float32]

MODELS = {
    "tiny": "speaker-folds",
    "tiny-mel": "speaker-folds",
    "emodb7": "loso",
    "ravdess8": "emobox-ravdess",
}
WINDOWS_S = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 30.0)
PAUSE_S = (0.2, 0.5)
LONGEST_S = 60.0
JOINS = 2
"""Long recordings per speaker and emotion, with the clips in different orders."""


@dataclass(frozen=True)
class Long:
    """A long recording.

    Attributes:
        speaker: Key of its speaker.
        target: Index of its emotion.
        features: For each window length, the features of the windows and their weights.
    """

    speaker: str
    target: int
    features: dict[float, tuple[Array, Array]]


def joined(clips: Sequence[Utterance], rng: np.random.Generator) -> Array:
    """Clips in random order with silent pauses, up to a minute."""
    parts: list[Array] = []
    length = 0
    for i in rng.permutation(len(clips)):
        samples = read_utterance(clips[i])
        pause = np.zeros(round(rng.uniform(*PAUSE_S) * SAMPLE_RATE), np.float32)
        if parts and length + len(samples) > LONGEST_S * SAMPLE_RATE:
            break
        parts += [samples, pause]
        length += len(samples) + len(pause)
    return np.concatenate(parts[:-1])


def long_recordings(
    recipe: DescriptorRecipe, task: tuple[int, str, int, list[Utterance]]
) -> list[Long]:
    """The long recordings of one speaker in one emotion."""
    number, speaker, target, clips = task
    rng = np.random.default_rng(number)
    recordings = []
    for _ in range(JOINS):
        samples = joined(clips, rng)
        features = {}
        for window_s in WINDOWS_S:
            cut = [part for _, part in windows([samples], window_s=window_s)]
            rows = np.stack([features_of(recipe, part) for part in cut])
            features[window_s] = rows, np.array([len(part) for part in cut], np.float32)
        recordings.append(Long(speaker, target, features))
    return recordings


def measured(name: str, protocol: str) -> dict[str, Any]:
    """UA by window length on validation and on test speakers."""
    jobs = os.cpu_count() or 1
    recipe = load_recipe(f"models/{name}").model_copy(update={"quantisation": None, "refit": False})
    _, utterances = load_utterances(recipe)
    groups: dict[tuple[str, int], list[Utterance]] = {}
    for u in utterances:
        groups.setdefault((u.speaker_key, recipe.labels.index(u.label)), []).append(u)
    tasks = [(i, *key, clips) for i, (key, clips) in enumerate(sorted(groups.items(), key=str))]
    work = partial(long_recordings, recipe.input)
    found = track(in_processes(work, tasks, jobs), f"{name}: long recordings", len(tasks))
    recordings = [one for several in found for one in several]
    data = make_dataset(recipe, utterances, jobs=jobs)
    n = len(recipe.labels)
    counts = {
        part: {window_s: np.zeros((n, n), np.int64) for window_s in WINDOWS_S}
        for part in ("validation", "test")
    }
    folds = guarded_folds(data, find_protocol(protocol), recipe.hold_out, seed=0)
    for fold in track(folds, f"{name}: folds"):
        model = fit(recipe, data.rows(fold.train), data.rows(fold.validation), seed=0)
        for part, rows in (("validation", fold.validation), ("test", fold.test)):
            speakers = {utterances[i].speaker_key for i in rows}
            chosen = [one for one in recordings if one.speaker in speakers]
            for window_s in WINDOWS_S:
                answers = [
                    np.average(softmax(model.logits(rows)), axis=0, weights=weights).argmax()
                    for rows, weights in (one.features[window_s] for one in chosen)
                ]
                targets = np.array([one.target for one in chosen])
                counts[part][window_s] += confusion(targets, np.array(answers), n)
    ua = {
        part: {f"{w:g}": unweighted_average_recall(matrix) for w, matrix in of_part.items()}
        for part, of_part in counts.items()
    }
    print(name, ua)
    return {
        "model": name,
        "protocol": protocol,
        "recordings": len(recordings),
        "median_s": float(
            np.median([one.features[WINDOWS_S[-1]][1].sum() for one in recordings]) / SAMPLE_RATE
        ),
        "ua": ua,
        "chosen_s": max(WINDOWS_S, key=lambda w: ua["validation"][f"{w:g}"]),
    }


def main() -> None:
    """The models on the command line, or every shipped model."""
    path = RESULTS / "window_length.json"
    old = json.loads(path.read_text())["rows"] if path.exists() and sys.argv[1:] else []
    rows = {row["model"]: row for row in old}
    rows |= {name: measured(name, MODELS[name]) for name in sys.argv[1:] or MODELS}
    write_result(
        "window_length",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch"]),
            "windows_s": WINDOWS_S,
            "rows": [rows[name] for name in MODELS if name in rows],
        },
    )


if __name__ == "__main__":
    main()
