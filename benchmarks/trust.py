"""When the shipped models should not be trusted, and how often they say so.

Claims: each warning is rare on clean speech and frequent on what it is named for; the accuracy
behind them is measured on CREMA-D, whose speakers and recordings no shipped model has heard. The
distance to the training data is tested on speakers left out of it.

Needs the corpora and PyAV: SERKIT_CORPORA=/folder python benchmarks/trust.py [MODEL ...]
(a MODEL is a shipped name or a file; the shipped ones if none is given)
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.progress import track
from spoiling import CONDITIONS, SYNTHETIC, at_level, clipped, narrowband, speech_level

import serkit
from serkit.corpora import Utterance, load
from serkit.evaluation import confusion, unweighted_average_recall
from serkit.evaluation.metrics import speaker_interval
from serkit.runtime import CODES, Model, Prediction, Recognizer, SoundCheck
from serkit.training import (
    Dataset,
    FeatureCache,
    Recipe,
    make_dataset,
    one_thread,
    read_utterance,
    typical_of,
    worker_pool,
)
from serkit.training.fitting import normalisation, recording_weights

from harness import machine, versions, write_result

Array = NDArray[np.float32]

RATE = 16_000
CORPORA = ("ravdess", "emodb", "tess", "nemo", "crema_d")
UNSEEN = "crema_d"
UNSEEN_LABELS = ("angry", "happy", "neutral", "sad", "fearful", "disgusted")
N_UNSEEN = 240
LENGTHS_AND_LEVELS_OF = "tiny"
"""The model that short and quiet sounds are tested on; they take much of the time."""
N_CLEAN = 240
N_SPOILT = 60
N_SYNTHETIC = 20
SECONDS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
LEVELS_DBFS = (-50, -60, -70, -80)
FOLDS = 5


def sample_of(name: str, size: int, labels: Sequence[str] = ()) -> list[Utterance]:
    """Utterances of a corpus, drawn with a fixed seed."""
    found = [u for u in load(name).utterances if not labels or u.label in labels]
    chosen = np.random.default_rng(0).permutation(len(found))[:size]
    return [found[i] for i in sorted(chosen)]


def is_sound(samples: Array) -> bool:
    """Whether there is anything to hear; one clip of CREMA-D is digital silence."""
    return bool(np.ptp(samples) > 1e-3)


# --- accuracy on a corpus that no model has heard --------------------------------------------


def judged(
    models: list[str], others: list[Utterance], task: tuple[int, Utterance]
) -> list[dict[str, Prediction]]:
    """What each model says of one clip under every condition."""
    number, utterance = task
    samples = read_utterance(utterance)
    voices = [u for u in others if u.speaker_key != utterance.speaker_key]
    sounds = {
        name: spoil(samples, np.random.default_rng([number, i]), voices)
        for i, (name, spoil) in enumerate(CONDITIONS.items())
    }
    middle = len(samples) // 2
    more = {f"{level} dBFS": at_level(samples, level) for level in LEVELS_DBFS}
    for seconds in SECONDS:
        half = round(seconds * RATE / 2)
        more[f"{seconds:g} s"] = samples[max(0, middle - half) : middle + half]
    with one_thread():
        return [said_of(loaded(model), sounds, more) for model in models]


loaded = cache(serkit.load)


def said_of(
    recogniser: Recognizer, sounds: dict[str, Array], more: dict[str, Array]
) -> dict[str, Prediction]:
    """A model's answers, restricted to the emotions of the corpus."""
    labels = [label for label in recogniser.labels if label in UNSEEN_LABELS]
    heard = sounds | more if recogniser.name == LENGTHS_AND_LEVELS_OF else sounds
    return {name: recogniser((sound, RATE), labels=labels) for name, sound in heard.items()}


def accuracy(
    recogniser: Recognizer, condition: str, answers: list[Prediction], clips: list[Utterance]
) -> dict[str, Any]:
    """UA of a model under a condition, with its interval, confidence and warnings."""
    labels = [label for label in recogniser.labels if label in UNSEEN_LABELS]
    rows = [
        (labels.index(str(u.label)), answer, u.speaker_key)
        for u, answer in zip(clips, answers, strict=True)
        if u.label in labels and answer.label is not None
    ]
    targets = np.array([target for target, _, _ in rows])
    said = np.array([labels.index(str(p.label)) for _, p, _ in rows])
    speakers = [speaker for _, _, speaker in rows]
    interval = speaker_interval(
        unweighted_average_recall, targets, said, speakers, len(labels), resamples=1000
    )
    return {
        "condition": condition,
        "clips": len(rows),
        "ua": unweighted_average_recall(confusion(targets, said, len(labels))),
        "interval": [interval.low, interval.high] if interval else None,
        "confidence": float(np.mean([max(p.scores.values()) for _, p, _ in rows])),
        "share": {label: float(np.mean(said == i)) for i, label in enumerate(labels)},
        "warned": {
            code: float(np.mean([any(w.code == code for w in p.warnings) for _, p, _ in rows]))
            for code in CODES
        },
    }


# --- the checks of the sound itself ----------------------------------------------------------


def codes_of(samples: Array) -> list[str]:
    """The warnings about a sound."""
    check = SoundCheck()
    check.add(samples)
    return [caution.code for caution in check.cautions()]


SPOILT: dict[str, tuple[str, Callable[[Array], Array]]] = {
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
    """Warnings about a clean clip, whether each spoilt version is found, and the clip's level."""
    utterance, spoil = task
    samples = read_utterance(utterance)
    if not is_sound(samples):
        return None
    found = {name: code in codes_of(do(samples)) for name, (code, do) in SPOILT.items() if spoil}
    return codes_of(samples), found, speech_level(samples)


def truncated_found(utterance: Utterance, recogniser: Recognizer) -> dict[str, bool]:
    """Whether a file cut to half is noticed, by format: judged with a warning, or refused."""
    samples = read_utterance(utterance)
    found = {}
    for kind, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "OPUS"), ("MP3", None)):
        file = io.BytesIO()
        soundfile.write(file, samples, RATE, format=kind, subtype=subtype)
        whole = file.getvalue()
        for name, content in ((kind, whole[: len(whole) // 2]), (f"{kind}, whole", whole)):
            (answer,) = recogniser.predict_many([content])
            found[name] = not isinstance(answer, Prediction) or "truncated" in [
                caution.code for caution in answer.warnings
            ]
    return found


# --- the distance to the training data -------------------------------------------------------


def without_some(recipe: Recipe, data: Dataset) -> dict[str, list[bool]]:
    """Whether each recording is far, judged by what was learned from other speakers."""
    speakers = [u.speaker_key for u in data.utterances]
    names = sorted(set(speakers))
    # By another rule than the one that finds the limit.
    fold_of = {name: i * FOLDS // len(names) for i, name in enumerate(names)}
    folds = np.array([fold_of[speaker] for speaker in speakers])
    far: dict[str, list[bool]] = {}
    for fold in range(FOLDS):
        tested = np.flatnonzero(folds == fold)
        if not len(tested):
            continue
        known = data.rows(np.flatnonzero(folds != fold))
        typical = typical_of(recipe, known)
        if typical is None:
            raise SystemExit(f"too little data to say what is typical of {recipe.name}")
        mean, scale = normalisation(known.features, recording_weights(recipe, known))
        distances = typical.distances((data.features[tested] - mean) / scale)
        for i, distance in zip(tested, distances, strict=True):
            far.setdefault(data.utterances[i].corpus, []).append(bool(distance > typical.limit))
    return far


def new_speakers(model: Model, jobs: int) -> dict[str, dict[str, float]]:
    """False alarms of a model's recipe on speakers left out, by corpus."""
    # The altered copies take no part in what is typical.
    recipe = Recipe.of_card(model.card).model_copy(update={"augmentation": None})
    utterances = [u for name in recipe.corpora for u in load(name).utterances]
    kept = [u for u in utterances if u.label in recipe.labels]
    data = make_dataset(recipe, kept, jobs=jobs, cache=FeatureCache.default())
    far = without_some(recipe, data)
    return {c: {"rate": float(np.mean(found)), "clips": len(found)} for c, found in far.items()}


def synthetic(recogniser: Recognizer) -> dict[str, float]:
    """Share of sounds that are no speech that are called far."""
    rng = np.random.default_rng(0)

    def is_far(sound: Array) -> bool:
        return any(w.code == "far-from-training" for w in recogniser((sound, RATE)).warnings)

    return {
        name: float(np.mean([is_far(make(rng)) for _ in range(N_SYNTHETIC)]))
        for name, make in SYNTHETIC.items()
    }


def read_speech(recogniser: Recognizer) -> dict[str, Any]:
    """What neutral reading is called."""
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


def main() -> None:
    """Everything that the section of the results page says."""
    jobs = os.cpu_count() or 1
    names = sys.argv[1:] or list(serkit.available_models())
    recognisers = [serkit.load(name) for name in names]
    for recogniser in recognisers:
        if recogniser.model.card.typical is None:
            raise SystemExit(f"{recogniser.name} does not know what is typical: train it anew")

    clips = sample_of(UNSEEN, N_UNSEEN, UNSEEN_LABELS)
    cut = [truncated_found(u, recognisers[0]) for u in clips[:20]]
    with worker_pool(jobs) as pool:
        work = partial(judged, names, clips)
        answers = list(
            track(pool.map(work, enumerate(clips), chunksize=4), "Unseen corpus", len(clips))
        )
        tasks = {
            corpus: [(u, i < N_SPOILT) for i, u in enumerate(sample_of(corpus, N_CLEAN))]
            for corpus in CORPORA
        }
        checks = {
            corpus: [one for one in pool.map(checked, of, chunksize=8) if one]
            for corpus, of in track(tasks.items(), "Checks", len(tasks))
        }
    sound = [
        {
            "corpus": corpus,
            "clips": len(found),
            "false_alarms": {
                code: float(np.mean([code in codes for codes, _, _ in found]))
                for code in ("narrowband", "clipped", "too-quiet", "short")
            },
            "lowest_level_dbfs": min(level for _, _, level in found),
            "found": {
                name: float(np.mean([hits[name] for _, hits, _ in found if hits]))
                for name in SPOILT
            },
        }
        for corpus, found in checks.items()
    ]
    write_result(
        "trust",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "soxr", "soundfile", "av"]),
            "unseen": UNSEEN,
            "speakers": len({u.speaker_key for u in clips}),
            "conditions": list(CONDITIONS),
            "seconds": [f"{seconds:g} s" for seconds in SECONDS],
            "levels": [f"{level} dBFS" for level in LEVELS_DBFS],
            "spoilt": {name: code for name, (code, _) in SPOILT.items()},
            "spoilt_clips": N_SPOILT,
            "sound": sound,
            "truncated": {kind: float(np.mean([c[kind] for c in cut])) for kind in cut[0]},
            "folds": FOLDS,
            "synthetic_sounds": N_SYNTHETIC,
            "models": [
                {
                    "model": recogniser.name,
                    "share": recogniser.model.card.typical.share,  # type: ignore[union-attr]
                    "unseen": [
                        accuracy(recogniser, name, [found[i][name] for found in answers], clips)
                        for name in answers[0][i]
                    ],
                    "new_speakers": new_speakers(recogniser.model, jobs),
                    "synthetic": synthetic(recogniser),
                    "read": read_speech(recogniser),
                }
                for i, recogniser in enumerate(recognisers)
            ],
        },
    )


if __name__ == "__main__":
    main()
