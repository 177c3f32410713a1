"""Enrolment and corrections of a new speaker: UA after seconds of speech and after labels.

A model and its speaker model are trained on the other speakers of a fold. A test speaker's
recordings are drawn in random order (`SEEDS` orders); the first are enrolled without labels, or
learned with labels, and the others are tested. Seconds are those of speech: without the ends
40 dB below the loudest frame, and never more than stated. `all` enrols all recordings and tests on
the same (transductive).

Skewed: 10 s of a single emotion. Another channel: 10 s over a telephone (300 to 3400 Hz, noise at
20 dB), tested without it; recordings farther from the training data than the limit on the card are
not enrolled. The weights are not quantised.

The constants of the speaker model and of enrolment were chosen on CREMA-D. The correlations in the
recipes were tried on RAVDESS and EmoDB, including the speakers tested here, where they add about
2 points to the model alone; that part of the figures of these two corpora is optimistic.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/personalisation.py [CORPUS ...]
With corpora named, the figures of the others are kept.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from serkit.adaptation import Enrolment, SpeakerModel
from serkit.audio import SAMPLE_RATE, trim
from serkit.corpora import Utterance
from serkit.evaluation import Fold, find_protocol, guarded_folds
from serkit.features import DescriptorRecipe
from serkit.metrics import clustered_intervals, confusion, unweighted_average_recall
from serkit.runtime import features_of
from serkit.training import (
    Dataset,
    Recipe,
    fit,
    load_recipe,
    load_utterances,
    make_dataset,
    read_utterance,
    speakers_of,
    typical_of,
)
from serkit.training.workers import in_processes

from harness import RESULTS, machine, versions, write_result

Array = NDArray[np.float32]
Index = NDArray[np.int64]

CORPORA = {"ravdess": "ravdess8", "emodb": "emodb7", "crema_d": "crema-d6"}
FOLDS = {"crema_d": 1}
"""Folds that are tested, where all would take too long."""

SEEDS = 10
SECONDS = (5.0, 10.0, 20.0, 40.0)
LABELS = (5, 10, 20, 40)
BESIDE_S = 20.0
"""Seconds enrolled beside labelled recordings."""

SKEWED_S = 10.0
BAND_HZ = (300.0, 3400.0)
NOISE_DB = 20.0


@dataclass(frozen=True)
class Voice:
    """The recordings of a test speaker.

    Attributes:
        name: Key of the speaker.
        speakers: The speaker model of the fold.
        targets: Emotions, shape `[n]`.
        seconds: Speech of each recording, shape `[n]`.
        logits: Calibrated logits, shape `[n, n_labels]`.
        by_phone: Logits of the same recordings over a telephone.
        near: Which recordings over the telephone are close enough to the training data.
    """

    name: str
    speakers: SpeakerModel
    targets: Index
    seconds: NDArray[np.float64]
    logits: Array
    by_phone: Array
    near: NDArray[np.bool_]


def telephone(samples: Array, rng: np.random.Generator) -> Array:
    """Limited to the band of a telephone, with white noise in the band."""
    noise = rng.standard_normal(len(samples))
    hz = np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE)
    outside = (hz < BAND_HZ[0]) | (hz > BAND_HZ[1])

    def limited(values: NDArray[np.floating]) -> NDArray[np.float64]:
        spectrum = np.fft.rfft(values)
        spectrum[outside] = 0.0
        return np.fft.irfft(spectrum, len(values))

    sound, hiss = limited(samples), limited(noise)
    gain = np.sqrt(np.mean(np.square(sound)) / np.mean(np.square(hiss)))
    noisy: Array = (sound + 10.0 ** (-NOISE_DB / 20.0) * gain * hiss).astype(np.float32)
    return noisy


def by_phone(recipe: DescriptorRecipe, task: list[tuple[int, Utterance]]) -> list[Any]:
    """Features over a telephone, and seconds of speech."""
    results = []
    for number, utterance in task:
        samples = read_utterance(utterance)
        heard = telephone(samples, np.random.default_rng(number))
        speech_s = len(trim(samples, top_db=40.0)) / SAMPLE_RATE
        results.append((number, features_of(recipe, heard), speech_s))
    return results


def voices(recipe: Recipe, data: Dataset, phone: Array, seconds: Array, fold: Fold) -> list[Voice]:
    """Train on the other speakers of a fold; the recordings of its test speakers."""
    training, validation = data.rows(fold.train), data.rows(fold.validation)
    others = training.joined(validation)
    model = fit(recipe, training, validation, seed=0).with_card(typical=typical_of(recipe, others))
    speakers, typical = speakers_of(recipe, others), model.card.typical
    if speakers is None or typical is None:
        raise SystemExit(f"{recipe.name}: too few speakers in {fold.name}")
    names = np.array([u.speaker_key for u in data.utterances])
    found = []
    for name in np.unique(names[fold.test]):
        own = fold.test[names[fold.test] == name]
        distances = model.distances(phone[own])
        found.append(
            Voice(
                str(name),
                speakers,
                data.targets[own],
                seconds[own],
                model.logits(data.features[own]),
                model.logits(phone[own]),
                np.asarray(distances) <= typical.limit,
            )
        )
    return found


def up_to(voice: Voice, order: Index, limit_s: float) -> Index:
    """The first recordings that together have at most this much speech."""
    return order[np.cumsum(voice.seconds[order]) <= limit_s]


def conditions(voice: Voice, labels: tuple[str, ...]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each condition by its key: from a random order to an enrolment and what it has used."""

    def heard(limit_s: float, order: Index) -> tuple[Enrolment, Index]:
        used = up_to(voice, order, limit_s)
        return Enrolment(voice.speakers).hear(voice.logits[used]), used

    def everything(order: Index) -> tuple[Enrolment, Index]:
        return Enrolment(voice.speakers).hear(voice.logits), order[:0]

    def skewed(target: int, order: Index) -> tuple[Enrolment, Index]:
        return heard(SKEWED_S, order[voice.targets[order] == target])

    def phoned(checked: bool, order: Index) -> tuple[Enrolment, Index]:
        used = up_to(voice, order, SKEWED_S)
        taken = used[voice.near[used]] if checked else used
        return Enrolment(voice.speakers).hear(voice.by_phone[taken]), used

    def learned(n: int, beside_s: float, order: Index) -> tuple[Enrolment, Index]:
        used, more = order[:n], up_to(voice, order[n:], beside_s)
        enrolment = Enrolment(voice.speakers).learn(voice.logits[used], voice.targets[used])
        return enrolment.hear(voice.logits[more]), np.concatenate((used, more))

    for limit_s in SECONDS:
        yield f"seconds {limit_s:g}", partial(heard, limit_s)
    yield "seconds all", everything
    for target, label in enumerate(labels):
        yield f"skewed {label}", partial(skewed, target)
    yield "telephone", partial(phoned, False)
    yield "telephone, checked", partial(phoned, True)
    for n in LABELS:
        yield f"labels {n}", partial(learned, n, 0.0)
        yield f"labels {n}, enrolled", partial(learned, n, BESIDE_S)


def measured(recipe: Recipe, tested: list[Voice]) -> list[dict[str, Any]]:
    """UA of each condition, with and without what was enrolled, on the same recordings."""
    n = len(recipe.labels)
    # Of each condition and speaker: confusion without and with, summed over the seeds.
    counts: dict[str, dict[str, NDArray[np.int64]]] = defaultdict(dict)
    used_s: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for voice in track(tested, recipe.name):
        for seed in range(SEEDS):
            order = np.random.default_rng(seed).permutation(len(voice.targets))
            for key, enrol in conditions(voice, recipe.labels):
                enrolment, used = enrol(order)
                rest = np.setdiff1d(order, used)
                used_s[key].append((len(used), float(voice.seconds[used].sum())))
                if not len(rest):
                    continue
                pair = np.stack(
                    [
                        confusion(voice.targets[rest], logits.argmax(axis=1), n)
                        for logits in (voice.logits[rest], enrolment.adjusted(voice.logits[rest]))
                    ]
                )
                counts[key][voice.name] = counts[key].get(voice.name, 0) + pair
    return [row(key, np.stack(list(of.values())), used_s[key]) for key, of in counts.items()]


def row(key: str, by_speaker: NDArray[np.int64], used: list[tuple[int, float]]) -> dict[str, Any]:
    """UA with its interval over speakers, and the gain over the model alone."""

    def figures(counts: NDArray[Any]) -> list[float]:
        without, own = (unweighted_average_recall(matrix) for matrix in counts)
        return [own, without, own - without]

    ua, ua_without, gain = figures(by_speaker.sum(axis=0))
    intervals = clustered_intervals(figures, by_speaker)
    clips, seconds = np.mean(used, axis=0)
    bounds = [None if one is None else [one.low, one.high] for one in intervals]
    print(f"{key:24} {100 * ua_without:5.1f} {100 * ua:5.1f} {100 * gain:+5.1f}  {clips:.1f} clips")
    return {
        "condition": key,
        "speakers": len(by_speaker),
        "clips": float(clips),
        "seconds": float(seconds),
        "ua": ua,
        "interval": bounds[0],
        "ua_without": ua_without,
        "gain": gain,
        "gain_interval": bounds[2],
    }


def of_corpus(corpus: str, jobs: int) -> dict[str, Any]:
    """All conditions of one corpus."""
    recipe = load_recipe(f"personal/{CORPORA[corpus]}").model_copy(update={"quantisation": None})
    _, utterances = load_utterances(recipe)
    data = make_dataset(
        recipe, utterances, jobs=jobs, track=lambda results, n: track(results, "features", n)
    )
    numbered = list(enumerate(utterances))
    tasks = [numbered[i : i + 32] for i in range(0, len(numbered), 32)]
    work = partial(by_phone, recipe.input)
    parts = in_processes(work, tasks, jobs)
    found = [one for part in track(parts, "telephone", len(tasks)) for one in part]
    found.sort(key=lambda one: one[0])
    phone = np.stack([features for _, features, _ in found])
    seconds = np.array([speech_s for _, _, speech_s in found])
    protocol = find_protocol(recipe.acceptance[0].protocol)
    folds = guarded_folds(data, protocol, recipe.hold_out, seed=0)
    chosen = folds[: FOLDS.get(corpus)]
    tested = [
        voice
        for fold in track(chosen, "folds")
        for voice in voices(recipe, data, phone, seconds, fold)
    ]
    targets = np.concatenate([voice.targets for voice in tested])
    answers = np.concatenate([voice.logits.argmax(axis=1) for voice in tested])
    alone = confusion(targets, answers, len(recipe.labels))
    print(corpus, "alone", unweighted_average_recall(alone))
    return {
        "corpus": corpus,
        "recipe": f"personal/{CORPORA[corpus]}",
        "protocol": protocol.title,
        "folds": [len(chosen), len(folds)],
        "seeds": SEEDS,
        "speakers": len(tested),
        "n_labels": len(recipe.labels),
        "ua_alone": unweighted_average_recall(alone),
        "near_by_phone": float(np.mean(np.concatenate([voice.near for voice in tested]))),
        "rows": measured(recipe, tested),
    }


def main() -> None:
    """The corpora on the command line, or all."""
    path = RESULTS / "personalisation.json"
    for corpus in sys.argv[1:] or CORPORA:
        new = of_corpus(corpus, os.cpu_count() or 1)
        old = json.loads(path.read_text())["corpora"] if path.exists() else []
        rows = {one["corpus"]: one for one in old} | {corpus: new}
        write_result(
            "personalisation",
            {
                "machine": machine(),
                "versions": versions(["serkit", "numpy", "torch"]),
                "beside_s": BESIDE_S,
                "skewed_s": SKEWED_S,
                "corpora": [rows[name] for name in CORPORA if name in rows],
            },
        )


if __name__ == "__main__":
    main()
