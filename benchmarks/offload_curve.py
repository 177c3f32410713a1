"""The offload decision: accuracy, bytes, delay and energy against the share of recordings sent.

Claim: of the gain in UA that a larger model on a server brings, asking it only when the device is
unsure keeps more than asking at random, at the same share of recordings, bytes and delay.

Both models are trained on the same speakers of CREMA-D, RAVDESS and EmoDB together and answer
others (`offload_models.py`): the device by the recipe of `tiny`, the server by the acoustic branch
of AMSER on coded log-mel. A recording is sent if the rule of `serkit.Client(when_unsure=P)` says
so. P is chosen on the validation speakers of each fold, for a share of their recordings; the share
of the test recordings that is then sent is what is reported, for each corpus by itself. Beside it:
the same share at random, and the most that any choice of as many recordings could reach. The share
is also chosen: the least whose UA on the validation speakers is within a point of that of the
server alone.

Bytes are those of the recording as sent. The delay of an answer is that of the device, and for a
recording that is sent also coding, link and server: medians over some recordings on this machine;
a message over a link of `transmission.py`, on a connection of its own, by its size. Energy is that
of `serkit.serving.client.energy`.

Needs the corpora, and what `shaped_link.py` needs; 20 minutes on two cores, and two when the folds
are in runs/offload: SERKIT_CORPORA=/folder python benchmarks/offload_curve.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from serkit.audio import SAMPLE_RATE
from serkit.corpora import Utterance
from serkit.evaluation import find_protocol, guarded_folds
from serkit.evaluation.run import split_utterances
from serkit.metrics import confusion, speaker_interval, unweighted_average_recall
from serkit.serving.client.coding import body_of
from serkit.serving.client.energy import CPU_WATTS
from serkit.training import load_utterances, make_dataset, read_utterance
from serkit.training.feature_cache import FeatureCache
from serkit.training.fusion import make_fusion_data
from serkit.training.workers import in_processes

from harness import machine, versions, write_result
from offload_models import (
    CHOSEN_BY,
    CORPORA,
    DEVICE,
    MODES,
    SERVER,
    Models,
    folder_of,
    kept,
    run,
)
from offload_policy import at_best, at_random, compared, sent_by, threshold_for
from shaped_link import over
from transmission import LINKS, Setting, send, serve

Index = NDArray[np.int64]
Answers = dict[str, Any]

RUNS = Path(__file__).parents[1] / "runs" / "offload"
PROTOCOL = "speaker-folds"
FOLDS = 5
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
WITHIN = 0.01
TIMED = 40
SIZES = (300, 1_000, 3_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000)
"""Bytes of messages."""
ROUNDS = 3


def classes(answers: Sequence[Answers], of: str) -> Index:
    """Index of the best label of each answer; digital silence has none and counts as the first."""
    labels = list(DEVICE.labels)
    best = [max(one[of], key=one[of].get) if one[of] else labels[0] for one in answers]
    return np.array([labels.index(label) for label in best], np.int64)


def targets_of(utterances: Sequence[Utterance]) -> Index:
    """Index of each label."""
    return np.array([list(DEVICE.labels).index(u.label) for u in utterances], np.int64)


def ua(targets: Index, found: Index) -> float:
    """Unweighted average recall."""
    return unweighted_average_recall(confusion(targets, found, len(DEVICE.labels)))


def chosen_share(utterances: Sequence[Utterance], answers: Sequence[Answers]) -> float:
    """The least share whose UA on the validation speakers is near to that of the server."""
    targets = targets_of(utterances)
    device, server = classes(answers, "device"), classes(answers, CHOSEN_BY)
    scores = [one["device"] for one in answers]
    for share in SHARES:
        sent = sent_by(scores, threshold_for(scores, share))
        if ua(targets, np.where(sent, server, device)) >= ua(targets, server) - WITHIN:
            return share
    return 1.0


def median_s(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Median time of a call over items, after one that is not counted."""
    work(items[0])
    times = []
    for item in items:
        begun = time.perf_counter()
        work(item)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def timed(models: Models, utterances: Sequence[Utterance]) -> dict[str, Any]:
    """Median seconds of the device, and by mode of coding and of the server."""
    order = np.random.default_rng(0).permutation(len(utterances))[:TIMED].tolist()
    sounds = [(read_utterance(utterances[i]), SAMPLE_RATE) for i in order]
    found: dict[str, Any] = {
        "device_s": median_s(lambda one: models.on_device(one[0]), sounds),
        "modes": {},
    }
    for mode in MODES:
        bodies = [body_of(one, mode) for one in sounds]
        found["modes"][mode] = {
            "coding_s": median_s(partial(body_of, mode=mode), sounds),
            "server_s": median_s(partial(models.on_server, mode=mode), bodies),
        }
    return found


def message_s(setting: Setting) -> list[float]:
    """Median seconds from the start of a connection to the answer, by size of the message."""
    files = [bytes(size) for size in SIZES for _ in range(ROUNDS)]
    (_, seconds), _ = over(setting.link, serve, partial(send, files, False))
    medians = np.median(np.reshape(seconds, (len(SIZES), ROUNDS)), axis=1)
    return [float(one) for one in medians]


def costs(
    setting: Setting, message: Sequence[float], times: dict[str, Any], mode: str, sent_bytes: Index
) -> dict[str, float]:
    """Mean and 95th percentile of the delay, and mean energy, of all recordings.

    Args:
        setting: The link.
        message: Seconds of a message of each of `SIZES`.
        times: What `timed` found.
        mode: How recordings are sent.
        sent_bytes: Of each recording; 0 if it is not sent.
    """
    of_mode, on = times["modes"][mode], sent_bytes > 0
    waiting = np.interp(sent_bytes, SIZES, message) + of_mode["server_s"]
    delay = times["device_s"] + on * (of_mode["coding_s"] + waiting)
    computing = CPU_WATTS * (times["device_s"] + on * of_mode["coding_s"])
    radio = on * setting.radio.joules(sent_bytes, waiting)
    return {
        "mean_s": float(delay.mean()),
        "p95_s": float(np.percentile(delay, 95)),
        "joules": float((computing + radio).mean()),
    }


def table(
    corpus: str,
    parts: Sequence[tuple[Sequence[Utterance], Sequence[Answers], dict[float, float]]],
    chosen: Sequence[float],
    times: dict[str, Any],
    messages: Sequence[Sequence[float]],
) -> dict[str, Any]:
    """All figures of a corpus.

    Args:
        corpus: Its name.
        parts: Test utterances, answers, and threshold by share, of each fold.
        chosen: The share that each fold chose.
        times: What `timed` found.
        messages: Of each link, what `message_s` found.
    """
    rows: list[tuple[Utterance, Answers]] = []
    sent: dict[float, list[bool]] = {share: [] for share in SHARES}
    sent_chosen: list[bool] = []
    for (utterances, answers, thresholds), share_of_fold in zip(parts, chosen, strict=True):
        own = [i for i, u in enumerate(utterances) if u.corpus == corpus]
        rows += [(utterances[i], answers[i]) for i in own]
        scores = [answers[i]["device"] for i in own]
        for share in SHARES:
            sent[share] += sent_by(scores, thresholds[share]).tolist()
        sent_chosen += sent_by(scores, thresholds[share_of_fold]).tolist()
    utterances, answers = [u for u, _ in rows], [one for _, one in rows]
    speakers = [u.speaker_key for u in utterances]
    targets, n = targets_of(utterances), len(DEVICE.labels)
    device = classes(answers, "device")
    servers = {mode: classes(answers, mode) for mode in MODES}
    sizes = {mode: np.array([one["bytes"][mode] for one in answers]) for mode in MODES}

    def interval(found: Index) -> list[float] | None:
        one = speaker_interval(unweighted_average_recall, targets, found, speakers, n)
        return [one.low, one.high] if one else None

    def row(which: Sequence[bool]) -> dict[str, Any]:
        mask = np.array(which)
        by_mode = {
            mode: compared(targets, device, server, mask, speakers, n)
            | {
                "bytes": float((mask * sizes[mode]).mean()),
                "links": [
                    costs(setting, message, times, mode, mask * sizes[mode])
                    for setting, message in zip(LINKS, messages, strict=True)
                ],
            }
            for mode, server in servers.items()
        }
        server = servers[CHOSEN_BY]
        share = float(mask.mean())
        return {
            "share": share,
            "random": at_random(ua(targets, device), ua(targets, server), share),
            "best": at_best(targets, device, server, n, int(mask.sum())),
            "modes": by_mode,
        }

    return {
        "corpus": corpus,
        "clips": len(rows),
        "speakers": len(set(speakers)),
        "mean_s": float(np.mean([one["seconds"] for one in answers])),
        "device": {"ua": ua(targets, device), "interval": interval(device)},
        "servers": {
            mode: {"ua": ua(targets, one), "interval": interval(one)}
            for mode, one in servers.items()
        },
        "rows": [{"target": share} | row(sent[share]) for share in SHARES],
        "chosen": row(sent_chosen),
    }


def train_missing(utterances: Sequence[Utterance], is_missing: Sequence[bool]) -> None:
    """Run the first folds, except those that are kept."""
    if not any(is_missing):
        return
    jobs, cache = os.cpu_count() or 1, FeatureCache.default()
    device = make_dataset(
        DEVICE, utterances, jobs=jobs, cache=cache, track=lambda r, n: track(r, "Features", n)
    )
    server = make_fusion_data(
        SERVER, utterances, jobs=jobs, cache=cache, track=lambda r, n: track(r, "Coding", n)
    )
    # As in `main`, and checked for copies of recordings.
    folds = guarded_folds(device, find_protocol(PROTOCOL), DEVICE.hold_out, seed=0)
    missing = [fold for fold, missed in zip(folds, is_missing, strict=False) if missed]
    done = in_processes(partial(run, device, server, RUNS), missing, jobs)
    for _ in track(done, "Folds", len(missing)):
        pass


def main() -> None:
    """Train and answer, or read what is kept; time; and compare."""
    _, utterances = load_utterances(DEVICE)
    protocol = find_protocol(PROTOCOL)
    every_fold = split_utterances(utterances, protocol, DEVICE.hold_out, seed=0)
    folds = every_fold[:FOLDS]
    folders = [folder_of(RUNS, utterances, fold) for fold in folds]
    train_missing(utterances, [not kept(folder) for folder in folders])
    answers = [kept(folder) or {} for folder in folders]
    parts, chosen = [], []
    for fold, of_fold in zip(folds, answers, strict=True):
        validation = of_fold["validation"]
        scores = [one["device"] for one in validation]
        chosen.append(chosen_share([utterances[i] for i in fold.validation], validation))
        tested = [utterances[i] for i in fold.test]
        thresholds = {share: threshold_for(scores, share) for share in SHARES}
        parts.append((tested, of_fold["test"], thresholds))
    folder = folders[0]
    times = timed(Models.load(folder), parts[0][0])
    messages = [message_s(setting) for setting in LINKS]
    write_result(
        "offload_curve",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch", "onnxruntime", "soundfile"]),
            "protocol": protocol.title,
            "folds": [len(folds), len(every_fold)],
            "seeds": 1,
            "mode": CHOSEN_BY,
            "within": WITHIN,
            "device_bytes": (folder / "device.safetensors").stat().st_size,
            "server_bytes": (folder / "server.onnx").stat().st_size,
            "timed": TIMED,
            "times": times,
            "cpu_watts": CPU_WATTS,
            "links": [
                {"name": one.name, "link": asdict(one.link), "message_s": message}
                for one, message in zip(LINKS, messages, strict=True)
            ],
            "sizes": SIZES,
            "thresholds": [
                {"fold": fold.name, "share": share, "threshold": thresholds[share]}
                for fold, share, (_, _, thresholds) in zip(folds, chosen, parts, strict=True)
            ],
            "tables": [table(corpus, parts, chosen, times, messages) for corpus in CORPORA],
        },
    )


if __name__ == "__main__":
    main()
