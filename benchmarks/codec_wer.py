"""WER on coded speech.

The cost of coding is the difference to uncoded log-mel; the cost of log-mel and its preview is the
difference of uncoded log-mel to the original. pocketsphinx recognises sound, of log-mel the
Griffin-Lim preview. Whisper recognises the decoded log-mel. The shipped basis was not learned on
any of the speakers.

Needs transcribed clips (a folder `transcribed` with `transcripts.tsv`: file, speaker, text), PyAV,
pocketsphinx and jiwer, and for Whisper a folder with its weights as transformers saves them:
SERKIT_CORPORA=/folder [SERKIT_WHISPER=/folder/whisper-base] python benchmarks/codec_wer.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from serkit.audio import read
from serkit.codec import (
    decode,
    encode_basis,
    encode_low_rank,
    griffin_lim,
    log_mel_of,
    normalised,
    shipped_basis,
)
from serkit.metrics import clustered_intervals
from serkit.training import worker_pool

from harness import machine, versions, write_result
from peers.opus import OPUS_KBPS, RATE, through_opus
from peers.recognisers import pocketsphinx_text, whisper_text
from peers.wer import WordErrors, word_errors

Array = NDArray[np.float32]

QUALITIES = (2, 4, 5, 7, 9)
SVDQ_ERROR = 0.09
SVD_RATIO = 0.125
REPEATED = 8
ORIGINAL, UNCODED = "original, 16-bit PCM", "log-mel, not coded"


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """A recording as the receiver has it.

    Attributes:
        size: Bytes sent; None if not coded.
        log_mel: Whisper's normalised log-mel, shape `[80, n_frames]`.
        sound: Mono at 16 kHz; None if only the log-mel is available.
    """

    size: int | None
    log_mel: Array
    sound: Array | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and its transcript."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Size and recognised texts of a clip under one condition."""

    size: int | None
    pocketsphinx: str
    whisper: str | None


def pcm(samples: Array) -> Received:
    """16-bit PCM."""
    return Received(2 * len(samples), normalised(log_mel_of(samples)), samples)


def uncoded(samples: Array) -> Received:
    """Uncoded log-mel."""
    return Received(None, normalised(log_mel_of(samples)))


def packets(encode: Callable[[Array], bytes], samples: Array) -> Received:
    """Packets of serkit."""
    stream = encode(samples)
    return Received(len(stream), decode(stream).log_mel)


def opus(kbps: int, samples: Array) -> Received:
    """Opus."""
    size, sound = through_opus(samples, kbps)
    return Received(size, normalised(log_mel_of(sound)), sound)


CONDITIONS: dict[str, Callable[[Array], Received]] = {
    ORIGINAL: pcm,
    UNCODED: uncoded,
    **{
        f"basis, quality {quality}": partial(packets, partial(encode_basis, quality=quality))
        for quality in QUALITIES
    },
    f"svdq, error {SVDQ_ERROR}": partial(packets, partial(encode_low_rank, rmse=SVDQ_ERROR)),
    f"svd (AMSER), r/k {100 * SVD_RATIO:g} %": partial(
        packets, partial(encode_low_rank, ratio=SVD_RATIO)
    ),
    **{f"Opus, {kbps} kbit/s": partial(opus, kbps) for kbps in OPUS_KBPS},
}


def transcribed(folder: Path) -> list[Clip]:
    """The clips listed in `transcripts.tsv`.

    Raises:
        SystemExit: The list is missing.
    """
    table = folder / "transcripts.tsv"
    if not table.is_file():
        raise SystemExit(f"{table} is missing; set SERKIT_CORPORA to the folder of corpora")
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Clip(folder / row["file"], row["text"]) for row in rows]


def hear(whisper: Path | None, task: tuple[Clip, str]) -> Heard:
    """Code a clip and recognise the result."""
    clip, condition = task
    received = CONDITIONS[condition](read(clip.path))
    sound = griffin_lim(received.log_mel) if received.sound is None else received.sound
    return Heard(
        received.size,
        pocketsphinx_text(sound),
        whisper_text(received.log_mel, whisper) if whisper else None,
    )


def figures(errors: dict[str, list[WordErrors]], condition: str) -> dict[str, Any]:
    """WER, and its differences to the original and to uncoded log-mel, with intervals over clips.

    Args:
        errors: Errors per clip, by condition.
        condition: The condition to report.
    """

    def of(name: str) -> list[int]:
        return [clip.errors for clip in errors[name]]

    spoken = [clip.spoken for clip in errors[condition]]
    by_clip = np.array([of(condition), of(ORIGINAL), of(UNCODED), spoken]).T

    def metrics(total: NDArray[Any]) -> Sequence[float]:
        wer, original, log_mel = total[:3] / total[3]
        return [wer, wer - original, wer - log_mel]

    intervals = clustered_intervals(metrics, by_clip)
    names = ("wer", "against_original", "against_log_mel")
    return {
        name: {"value": value, "interval": [i.low, i.high] if i else None}
        for name, value, i in zip(names, metrics(by_clip.sum(axis=0)), intervals, strict=True)
    } | {
        kind: sum(asdict(clip)[kind] for clip in errors[condition])
        for kind in ("substituted", "deleted", "inserted")
    }


def main() -> None:
    """Recognise every clip under every condition."""
    folder = Path(os.environ.get("SERKIT_CORPORA", ".")) / "transcribed"
    whisper = Path(os.environ["SERKIT_WHISPER"]) if os.environ.get("SERKIT_WHISPER") else None
    clips = transcribed(folder)
    tasks = [(clip, condition) for condition in CONDITIONS for clip in clips]
    # Some are recognised again in reverse order, to check that the result is repeatable.
    again = [(clip, UNCODED) for clip in reversed(clips[:REPEATED])]
    with worker_pool(os.cpu_count() or 1) as pool:
        texts = pool.map(partial(hear, whisper), tasks + again, chunksize=2)
        recognised_clips = list(track(texts, "Recognising", len(tasks) + len(again)))
    by_condition = {
        condition: recognised_clips[i * len(clips) : (i + 1) * len(clips)]
        for i, condition in enumerate(CONDITIONS)
    }
    if recognised_clips[len(tasks) :] != by_condition[UNCODED][:REPEATED][::-1]:
        raise SystemExit("two runs on the same speech differ; the figures are not repeatable")
    seconds = sum(len(read(clip.path)) for clip in clips) / RATE
    recognised = {
        "pocketsphinx": {
            c: [h.pocketsphinx for h in answers] for c, answers in by_condition.items()
        }
    }
    if whisper:
        recognised["whisper"] = {
            c: [h.whisper or "" for h in answers] for c, answers in by_condition.items()
        }
    errors = {
        name: {
            condition: [word_errors(clip.text, t) for clip, t in zip(clips, texts, strict=True)]
            for condition, texts in texts_by_condition.items()
        }
        for name, texts_by_condition in recognised.items()
    }
    rows = []
    for condition, answers in by_condition.items():
        sizes = [h.size for h in answers if h.size is not None]
        rows.append(
            {"speech": condition, "kbps": 8e-3 * sum(sizes) / seconds if sizes else None}
            | {name: figures(by_clip, condition) for name, by_clip in errors.items()}
        )
    packages = ["serkit", "numpy", "av", "pocketsphinx", "jiwer"]
    write_result(
        "codec_wer",
        {
            "machine": machine(),
            "versions": versions(packages + (["torch", "transformers"] if whisper else [])),
            "clips": len(clips),
            "seconds": seconds,
            "words": sum(e.spoken for e in errors["pocketsphinx"][ORIGINAL]),
            "basis": shipped_basis().digest.hex(),
            "whisper": whisper.name if whisper else None,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
