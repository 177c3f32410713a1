"""Accuracy on degraded speech, and rates of the warnings.

Claims: each warning is rare on clean speech and frequent under the condition it names. Accuracy is
measured on held-out speakers: each recipe is trained anew on clean speech for every fold, without
augmentation, and tested on degraded speech. The shipped models are also tested on CREMA-D, an
unseen corpus.

Needs the corpora and PyAV: SERKIT_CORPORA=/folder python benchmarks/trust.py [MODEL ...]
(a MODEL is a shipped model or a file; by default all shipped models)
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.progress import track

import serkit
from serkit.corpora import Utterance, load
from serkit.metrics import confusion, speaker_interval, unweighted_average_recall
from serkit.runtime import (
    CODES,
    Backend,
    Model,
    NumpyBackend,
    Prediction,
    Recognizer,
    SoundCheck,
)
from serkit.training import (
    Dataset,
    FeatureCache,
    Recipe,
    fit,
    make_dataset,
    one_thread,
    read_utterance,
    typical_of,
    worker_pool,
)

from degradation import CONDITIONS, SYNTHETIC, at_level, clipped, narrowband, speech_level
from harness import machine, versions, write_result

Array = NDArray[np.float32]

RATE = 16_000
CORPORA = ("ravdess", "emodb", "tess", "nemo", "crema_d")
UNSEEN = "crema_d"
UNSEEN_LABELS = ("angry", "happy", "neutral", "sad", "fearful", "disgusted")
UNSEEN_CONDITIONS = ("clean", "8 kHz", "white noise, 10 dB", "babble, 10 dB")
N_UNSEEN = 200
N_LEFT_OUT = 200
LENGTHS_AND_LEVELS_OF = "tiny"
"""The only model tested on short and quiet speech, which takes long."""
N_CLEAN = 240
N_DEGRADED = 60
N_SYNTHETIC = 20
SECONDS = {f"{seconds:g} s": seconds for seconds in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)}
LEVELS = {f"{level} dBFS": float(level) for level in (-50, -60, -70, -80)}
FOLDS = 5


def sample_of(name: str, size: int, labels: Sequence[str] = ()) -> list[Utterance]:
    """Utterances of a corpus, drawn with a fixed seed."""
    utterances = [u for u in load(name).utterances if not labels or u.label in labels]
    chosen = np.random.default_rng(0).permutation(len(utterances))[:size]
    return [utterances[i] for i in sorted(chosen)]


def is_sound(samples: Array) -> bool:
    """Whether a clip is not silent; one clip of CREMA-D is digital silence."""
    return bool(np.ptp(samples) > 1e-3)


# --- accuracy --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hearing:
    """A clip to test a model on.

    Attributes:
        number: Seed of random degradations.
        utterance: The clip.
        backend: The model to test.
        labels: Allowed labels.
        conditions: Names of degradations.
    """

    number: int
    utterance: Utterance
    backend: Backend
    labels: tuple[str, ...]
    conditions: tuple[str, ...]


def predictions(others: list[Utterance], task: Hearing) -> dict[str, Prediction]:
    """Predictions for one clip under every condition."""
    samples = read_utterance(task.utterance)
    voices = [u for u in others if u.speaker_key != task.utterance.speaker_key]
    recogniser = Recognizer(task.backend)
    with one_thread():
        return {
            name: recogniser(
                (degraded(name, samples, task.number, voices), RATE), labels=task.labels
            )
            for name in task.conditions
        }


def degraded(name: str, samples: Array, number: int, voices: list[Utterance]) -> Array:
    """A clip under a condition; `voices` are the speakers of babble noise."""
    if name in LEVELS:
        return at_level(samples, LEVELS[name])
    if name in SECONDS:
        half, middle = round(SECONDS[name] * RATE / 2), len(samples) // 2
        return samples[max(0, middle - half) : middle + half]
    seed = [number, list(CONDITIONS).index(name)]
    return CONDITIONS[name](samples, np.random.default_rng(seed), voices)


def accuracy(
    condition: str, labels: Sequence[str], answers: list[Prediction], clips: list[Utterance]
) -> dict[str, Any]:
    """UA with its interval, mean confidence and warning rates under a condition."""
    rows = [
        (labels.index(str(u.label)), answer, u.speaker_key)
        for u, answer in zip(clips, answers, strict=True)
        if u.label in labels and answer.label is not None
    ]
    targets = np.array([target for target, _, _ in rows])
    predicted = np.array([labels.index(str(p.label)) for _, p, _ in rows])
    speakers = [speaker for _, _, speaker in rows]
    interval = speaker_interval(
        unweighted_average_recall, targets, predicted, speakers, len(labels), resamples=1000
    )
    return {
        "condition": condition,
        "clips": len(rows),
        "speakers": len(set(speakers)),
        "ua": unweighted_average_recall(confusion(targets, predicted, len(labels))),
        "interval": [interval.low, interval.high] if interval else None,
        "confidence": float(np.mean([max(p.scores.values()) for _, p, _ in rows])),
        "share": {label: float(np.mean(predicted == i)) for i, label in enumerate(labels)},
        "warned": {
            code: float(np.mean([any(w.code == code for w in p.warnings) for _, p, _ in rows]))
            for code in CODES
        },
    }


def measured(pool: Any, tasks: list[Hearing], title: str) -> list[dict[str, Any]]:
    """Accuracy under each condition; all tasks share conditions and labels."""
    clips = [task.utterance for task in tasks]
    found = pool.map(partial(predictions, clips), tasks, chunksize=4)
    answers = list(track(found, title, len(tasks)))
    return [
        accuracy(name, tasks[0].labels, [answer[name] for answer in answers], clips)
        for name in tasks[0].conditions
    ]


def left_out(
    recipe: Recipe, data: Dataset, folds: list[tuple[Model, NDArray[np.int64]]]
) -> list[Hearing]:
    """Clips of held-out speakers, equally many per corpus."""
    conditions = tuple(CONDITIONS)
    if recipe.name == LENGTHS_AND_LEVELS_OF:
        conditions += (*LEVELS, *SECONDS)
    each = N_LEFT_OUT // len(folds) // len(recipe.corpora)
    tasks = []
    for number, (model, tested) in enumerate(folds):
        rng = np.random.default_rng(number)
        for corpus in recipe.corpora:
            own = [data.utterances[i] for i in tested if data.utterances[i].corpus == corpus]
            for i in rng.permutation(len(own))[:each]:
                task = Hearing(len(tasks), own[i], NumpyBackend(model), recipe.labels, conditions)
                tasks.append(task)
    return tasks


# --- checks of the recording -----------------------------------------------------------------


def codes_of(samples: Array) -> list[str]:
    """Codes of the warnings about a recording."""
    check = SoundCheck()
    check.add(samples)
    return [caution.code for caution in check.cautions()]


DEGRADED: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "resampled to 8 kHz": ("narrowband", partial(narrowband, how="plain")),
    "8 kHz, mu-law": ("narrowband", partial(narrowband, how="mu-law")),
    "AMR, 12.2 kbit/s": ("narrowband", partial(narrowband, how="amr")),
    "overdriven by 6 dB": ("clipped", partial(clipped, by_db=6.0)),
    "overdriven by 12 dB": ("clipped", partial(clipped, by_db=12.0)),
    "overdriven by 12 dB, Opus 24 kbit/s": ("clipped", partial(clipped, by_db=12.0, opus=True)),
    "at -75 dBFS": ("too-quiet", partial(at_level, level_dbfs=-75.0)),
    "the middle 0.5 s": ("short", lambda x: x[max(0, len(x) // 2 - 4000) : len(x) // 2 + 4000]),
}


def checked(task: tuple[Utterance, bool]) -> tuple[list[str], dict[str, bool], float] | None:
    """Warnings about a clean clip, detection of each degraded version, and the speech level."""
    utterance, degrade_too = task
    samples = read_utterance(utterance)
    if not is_sound(samples):
        return None
    detected = {
        name: code in codes_of(degrade(samples))
        for name, (code, degrade) in DEGRADED.items()
        if degrade_too
    }
    return codes_of(samples), detected, speech_level(samples)


def truncation_detected(utterance: Utterance, recogniser: Recognizer) -> dict[str, bool]:
    """Whether a file cut to half of its bytes gets a warning or an error, by format."""
    samples = read_utterance(utterance)
    detected = {}
    for kind, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "OPUS"), ("MP3", None)):
        file = io.BytesIO()
        soundfile.write(file, samples, RATE, format=kind, subtype=subtype)
        whole = file.getvalue()
        for name, content in ((kind, whole[: len(whole) // 2]), (f"{kind}, whole", whole)):
            (answer,) = recogniser.predict_many([content])
            detected[name] = not isinstance(answer, Prediction) or "truncated" in [
                caution.code for caution in answer.warnings
            ]
    return detected


# --- distance to the training data -----------------------------------------------------------


def trained(recipe: Recipe, data: Dataset) -> list[tuple[Model, NDArray[np.int64]]]:
    """A model per fold over speakers, with the indices of the held-out recordings."""
    speakers = [u.speaker_key for u in data.utterances]
    fold_of = {name: i % FOLDS for i, name in enumerate(sorted(set(speakers)))}
    folds = np.array([fold_of[speaker] for speaker in speakers])
    models = []
    for fold in track(range(FOLDS), f"Training {recipe.name}"):
        known = np.flatnonzero(folds != fold)
        training, validation = recipe.hold_out.split(data.utterances, known, seed=0)
        model = fit(recipe, data.rows(training), data.rows(validation))
        typical = typical_of(recipe, data.rows(known))
        models.append((model.with_card(typical=typical), np.flatnonzero(folds == fold)))
    return models


def new_speakers(
    data: Dataset, folds: list[tuple[Model, NDArray[np.int64]]]
) -> dict[str, dict[str, float]]:
    """Rate of `far-from-training` on held-out speakers, by corpus."""
    far: dict[str, list[bool]] = {}
    for model, tested in folds:
        distances, typical = model.distances(data.features[tested]), model.card.typical
        if distances is None or typical is None:
            raise SystemExit(f"{model.card.name}: too little training data for a distance limit")
        for i, distance in zip(tested, distances, strict=True):
            far.setdefault(data.utterances[i].corpus, []).append(bool(distance > typical.limit))
    return {c: {"rate": float(np.mean(flags)), "clips": len(flags)} for c, flags in far.items()}


def synthetic(recogniser: Recognizer) -> dict[str, float]:
    """Rate of `far-from-training` on synthetic sounds, by kind."""
    rng = np.random.default_rng(0)

    def is_far(sound: Array) -> bool:
        return any(w.code == "far-from-training" for w in recogniser((sound, RATE)).warnings)

    return {
        name: float(np.mean([is_far(make(rng)) for _ in range(N_SYNTHETIC)]))
        for name, make in SYNTHETIC.items()
    }


def read_speech(recogniser: Recognizer) -> dict[str, Any]:
    """Predictions for neutral read speech."""
    paths = sorted(Path(os.environ["SERKIT_CORPORA"], "transcribed").rglob("*.flac"))
    answers = [a for a in recogniser.predict_many(paths) if isinstance(a, Prediction)]
    return {
        "clips": len(answers),
        "labels": {
            label: float(np.mean([a.label == label for a in answers]))
            for label in recogniser.labels
        },
        "confidence": float(np.mean([max(a.scores.values()) for a in answers])),
        "warned": {
            code: float(np.mean([any(w.code == code for w in a.warnings) for a in answers]))
            for code in CODES
        },
    }


def of_model(recogniser: Recognizer, pool: Any, jobs: int) -> dict[str, Any]:
    """All measurements of one model."""
    card = recogniser.card
    if card.typical is None:
        raise SystemExit(f"{recogniser.name} holds no distance limit; train it again")
    recipe = Recipe.of_card(card).model_copy(update={"augmentation": None})
    utterances = [u for name in recipe.corpora for u in load(name).utterances]
    kept = [u for u in utterances if u.label in recipe.labels]
    data = make_dataset(recipe, kept, jobs=jobs, cache=FeatureCache.default())
    folds = trained(recipe, data)
    labels = tuple(label for label in recogniser.labels if label in UNSEEN_LABELS)
    unseen = [
        Hearing(number, utterance, recogniser.backend, labels, UNSEEN_CONDITIONS)
        for number, utterance in enumerate(sample_of(UNSEEN, N_UNSEEN, labels))
    ]
    return {
        "model": recogniser.name,
        "corpora": list(recipe.corpora),
        "share": card.typical.share,
        "limit": card.typical.limit,
        "left_out": measured(pool, left_out(recipe, data, folds), "Speakers left out"),
        "unseen": measured(pool, unseen, "Unseen corpus"),
        "new_speakers": new_speakers(data, folds),
        "synthetic": synthetic(recogniser),
        "read": read_speech(recogniser),
    }


def main() -> None:
    """Measure every model and every check."""
    jobs = os.cpu_count() or 1
    names = sys.argv[1:] or list(serkit.available_models())
    recognisers = [serkit.load(name) for name in names]
    cut = [truncation_detected(u, recognisers[0]) for u in sample_of(UNSEEN, 20)]
    with worker_pool(jobs) as pool:
        tasks = {
            corpus: [(u, i < N_DEGRADED) for i, u in enumerate(sample_of(corpus, N_CLEAN))]
            for corpus in CORPORA
        }
        checks = {
            corpus: [one for one in pool.map(checked, of, chunksize=8) if one]
            for corpus, of in track(tasks.items(), "Checks", len(tasks))
        }
        models = [of_model(recogniser, pool, jobs) for recogniser in recognisers]
    sound = [
        {
            "corpus": corpus,
            "clips": len(rows),
            "false_alarms": {
                code: float(np.mean([code in codes for codes, _, _ in rows]))
                for code in ("narrowband", "clipped", "too-quiet", "short")
            },
            "lowest_level_dbfs": min(level for _, _, level in rows),
            "found": {
                name: float(np.mean([hits[name] for _, hits, _ in rows if hits]))
                for name in DEGRADED
            },
        }
        for corpus, rows in checks.items()
    ]
    write_result(
        "trust",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch", "soxr", "soundfile", "av"]),
            "levels": list(LEVELS),
            "seconds": list(SECONDS),
            "spoilt": {name: code for name, (code, _) in DEGRADED.items()},
            "spoilt_clips": N_DEGRADED,
            "sound": sound,
            "truncated": {kind: float(np.mean([c[kind] for c in cut])) for kind in cut[0]},
            "folds": FOLDS,
            "synthetic_sounds": N_SYNTHETIC,
            "models": models,
        },
    )


if __name__ == "__main__":
    main()
