"""UA of `tiny-mel`, which takes Whisper's log-mel, beside `tiny`, which takes sound.

Both shipped models on a corpus that neither was trained on: CREMA-D, their four emotions, clean and
coded by the mode `basis`. On sound `tiny-mel` computes the log-mel itself.

Needs CREMA-D: SERKIT_CORPORA=/folder python benchmarks/log_mel_model.py
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

import serkit
from serkit.audio import SAMPLE_RATE
from serkit.codec import encode_basis
from serkit.corpora import Utterance, load_labelled
from serkit.metrics import confusion, speaker_interval, unweighted_average_recall
from serkit.runtime import Recognizer
from serkit.training import read_utterance
from serkit.training.workers import in_processes

from harness import machine, versions, write_result

CORPUS = "crema_d"
QUALITIES = (0, 2, 4, 5, 8)
CLIPS_AT_A_TIME = 64


@cache
def recognizer(name: str) -> Recognizer:
    """A shipped model, loaded once per process."""
    return serkit.load(name)


def predicted(
    labels: Sequence[str], task: tuple[int, Sequence[Utterance]]
) -> tuple[int, dict[str, list[int]], dict[str, int], int]:
    """Index of the predicted label by condition, bytes by quality, and samples of some clips."""
    number, utterances = task
    answers: dict[str, list[int]] = {}
    sizes: dict[str, int] = {}
    n_samples = 0

    def answer(condition: str, model: str, source: Any) -> None:
        label = recognizer(model)(source).label
        # A clip of digital silence has no label; it counts as the first.
        answers.setdefault(condition, []).append(labels.index(label or labels[0]))

    for utterance in utterances:
        samples = read_utterance(utterance)
        n_samples += len(samples)
        for model in ("tiny", "tiny-mel"):
            answer(f"{model}, sound", model, (samples, SAMPLE_RATE))
        for quality in QUALITIES:
            packets = encode_basis(samples, quality=quality)
            key = f"tiny-mel, quality {quality}"
            sizes[key] = sizes.get(key, 0) + len(packets)
            answer(key, "tiny-mel", packets)
    return number, answers, sizes, n_samples


def main() -> None:
    """Every condition."""
    labels = serkit.load("tiny").labels
    _, utterances = load_labelled([CORPUS], labels=labels)
    parts = [
        utterances[i : i + CLIPS_AT_A_TIME] for i in range(0, len(utterances), CLIPS_AT_A_TIME)
    ]
    work = partial(predicted, labels)
    done = in_processes(work, list(enumerate(parts)), os.cpu_count() or 1)
    results = sorted(track(done, "Clips", len(parts)), key=lambda result: result[0])
    targets = np.array([labels.index(u.label) for u in utterances], np.int64)
    speakers = [u.speaker_key for u in utterances]
    seconds = sum(n for *_, n in results) / SAMPLE_RATE
    rows = []
    for condition in results[0][1]:
        answers: NDArray[np.int64] = np.array(
            [one for _, of_condition, _, _ in results for one in of_condition[condition]]
        )
        ua = unweighted_average_recall(confusion(targets, answers, len(labels)))
        interval = speaker_interval(
            unweighted_average_recall, targets, answers, speakers, len(labels)
        )
        n_bytes = sum(sizes.get(condition, 0) for _, _, sizes, _ in results)
        rows.append(
            {
                "name": condition,
                "ua": ua,
                "interval": [interval.low, interval.high] if interval else None,
                "kbps": 8e-3 * n_bytes / seconds if n_bytes else None,
            }
        )
        print(condition, ua, rows[-1]["kbps"])
    write_result(
        "log_mel_model",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy"]),
            "corpus": CORPUS,
            "clips": len(utterances),
            "speakers": len(set(speakers)),
            "bytes": {name: serkit.load(name).backend.file_bytes for name in ("tiny", "tiny-mel")},
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
