"""UA on coded speech, speaker-independent.

Claim: with matched training, UA at no more than 2 kbit/s is within one point of uncoded speech. The
recipe of `tiny-mel` on Whisper's log-mel, trained on EmoDB alone, four emotions, leave one speaker
out; the shipped basis was not learned on EmoDB. The other codecs are those of `rate_distortion.py`.
The decoder interpolates lost packets.

Needs EmoDB, and PyAV for Opus: SERKIT_CORPORA=/folder python benchmarks/codec_ua.py
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from serkit.codec import (
    RATIOS,
    Decoder,
    encode_basis,
    log_mel_of,
    normalised,
    shipped_basis,
    split,
)
from serkit.corpora import Utterance, load
from serkit.evaluation import Fold, find_protocol, guarded_folds
from serkit.features import extract_of_log_mel, stacked
from serkit.metrics import clustered_intervals, confusion, per_speaker, unweighted_average_recall
from serkit.training import Dataset, fit, load_recipe, one_thread, worker_pool
from serkit.training.data import read_utterance

from harness import machine, versions, write_result
from peers.opus import OPUS_KBPS
from rate_distortion import codecs

Array = NDArray[np.float32]

CORPUS = "emodb"
TESTED = (
    "16-bit PCM",
    *(f"Opus, {kbps} kbit/s" for kbps in OPUS_KBPS),
    *(f"svd (AMSER), r/k {100 * ratio:g} %" for ratio in RATIOS),
    "svdq, error 0.09",
    *(f"basis, quality {quality}" for quality in (0, 2, 3, 4, 5, 7)),
)
MATCHED = (
    "Opus, 12 kbit/s",
    "svd (AMSER), r/k 12.5 %",
    *(f"basis, quality {quality}" for quality in (0, 2, 4)),
)
LOSSY = "basis, quality 4"
LOSS_QUALITY = 4
LOSSES = (0.01, 0.05, 0.10, 0.20)
SEEDS = 5

RECIPE = load_recipe("models/tiny-mel").model_copy(
    update={"corpora": (CORPUS,), "augmentation": None, "quantisation": None}
)


def coded(utterance: Utterance) -> tuple[dict[str, Array], dict[str, int], int]:
    """Features of a recording by condition, size in bytes by codec, and number of samples."""
    samples = read_utterance(utterance)
    frames = {"clean": normalised(log_mel_of(samples))}
    sizes = {}
    for codec in codecs(shipped_basis()):
        name = f"{codec.name}, {codec.setting}".strip(", ")
        if name in TESTED:
            sizes[name], frames[name] = codec.run(samples)
    stream = encode_basis(samples, LOSS_QUALITY, blocks_per_packet=1)
    sizes["loss"] = len(stream)
    packets = list(split(stream))
    for loss in LOSSES:
        rng = np.random.default_rng([round(100 * loss), len(samples)])
        kept = [packet for packet in packets if rng.random() >= loss]
        frames[f"loss {loss}"] = received(kept, n_frames=frames["clean"].shape[1])
    features = {name: extract_of_log_mel(RECIPE.log_mel, one) for name, one in frames.items()}
    return features, sizes, len(samples)


def received(packets: list[bytes], *, n_frames: int) -> Array:
    """Decode packets; lost frames at the end repeat the last received one."""
    decoder = Decoder()
    if not packets:
        return np.zeros((80, n_frames), np.float32)
    frames = np.concatenate((decoder.extend(packets), decoder.flush()), axis=1)
    missing = ((0, 0), (0, n_frames - frames.shape[1]))
    return normalised(np.pad(frames, missing, mode="edge"), peak=decoder.peak)


def run(
    data: dict[str, Dataset], task: tuple[int, Fold]
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Predictions on a fold's test part, by models trained on clean and on coded speech."""
    seed, fold = task
    answers = {}
    with one_thread():
        for trained in ("clean", *MATCHED):
            training, validation = (data[trained].rows(p) for p in (fold.train, fold.validation))
            model = fit(RECIPE, training, validation, seed=seed)
            lossy = trained == LOSSY
            for tested, dataset in data.items():
                if trained == "clean" or tested == trained or (lossy and "loss" in tested):
                    predicted = model.logits(dataset.features[fold.test]).argmax(axis=1)
                    answers[f"{trained} -> {tested}"] = (fold.test, predicted)
    return answers


def figures(results: list[dict[str, Any]], name: str, base: str, data: Dataset) -> dict[str, Any]:
    """UA over all seeds, and its difference to `base`, with intervals over speakers."""
    n = len(RECIPE.labels)
    speakers = [u.speaker_key for u in data.utterances]

    def counts(which: str, index: NDArray[np.int64]) -> NDArray[np.int64]:
        chosen = set(index.tolist())
        total = np.zeros((n, n), np.int64)
        for result in results:
            test, predicted = result[which]
            rows = np.isin(test, list(chosen))
            total += confusion(data.targets[test[rows]], predicted[rows], n)
        return total

    _, rows = per_speaker(speakers, lambda i: np.stack([counts(name, i), counts(base, i)]))

    def metrics(pair: NDArray[Any]) -> list[float]:
        first, second = (unweighted_average_recall(matrix) for matrix in pair)
        return [first, first - second]

    ua, difference = metrics(rows.sum(axis=0))
    intervals = clustered_intervals(metrics, rows)
    return {
        "name": name,
        "ua": ua,
        "difference": difference,
        "intervals": [[i.low, i.high] if i else None for i in intervals],
    }


def main() -> None:
    """Train on clean and on coded speech, test on complete and lossy streams."""
    jobs = os.cpu_count() or 1
    utterances = [u for u in load(CORPUS).utterances if u.label in RECIPE.labels]
    with worker_pool(jobs) as pool:
        every = list(track(pool.map(coded, utterances, chunksize=8), "Coding", len(utterances)))
    seconds = sum(n for _, _, n in every) / 16_000
    targets = np.array([RECIPE.labels.index(u.label) for u in utterances], np.int64)
    data = {}
    for condition in every[0][0]:
        features = stacked([of_condition[condition] for of_condition, _, _ in every])
        data[condition] = Dataset(features, features[None][:0], targets, tuple(utterances))
    protocol = find_protocol("loso")
    tasks = [
        (seed, fold)
        for seed in range(SEEDS)
        for fold in guarded_folds(data["clean"], protocol, RECIPE.hold_out, seed=seed)
    ]
    with worker_pool(jobs) as pool:
        results = list(track(pool.map(partial(run, data), tasks), "Training", len(tasks)))
    rates = {
        name: 8e-3 * sum(sizes[name] for _, sizes, _ in every) / seconds for name in every[0][1]
    }
    write_result(
        "codec_ua",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch", "av"]),
            "corpus": CORPUS,
            "protocol": protocol.title,
            "seeds": SEEDS,
            "utterances": len(utterances),
            "speakers": len({u.speaker_key for u in utterances}),
            "kbps": rates,
            "lossy": LOSSY,
            "rows": [
                figures(results, name, "clean -> clean", data["clean"]) for name in results[0]
            ],
        },
    )


if __name__ == "__main__":
    main()
