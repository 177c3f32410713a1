"""What coding costs a recogniser of words: WER on coded speech.

Words lost to coding are the difference to log-mel that was not coded; those lost to log-mel and
its preview, the difference of that to the original. pocketsphinx takes sound: of log-mel, the
Griffin-Lim preview. Whisper takes log-mel as it was decoded. The shipped basis has heard none of
the speakers.

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
from serkit.evaluation.metrics import clustered_intervals
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
    """What arrives of a recording.

    Attributes:
        size: Bytes sent; None if nothing was coded.
        log_mel: As Whisper's encoder takes it, shape `[80, n_frames]`.
        sound: Mono at 16 kHz; None if it has to be guessed from the log-mel.
    """

    size: int | None
    log_mel: Array
    sound: Array | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and what is said in it."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What the recognisers make of a clip under one condition."""

    size: int | None
    pocketsphinx: str
    whisper: str | None


def pcm(samples: Array) -> Received:
    """As it is, 16 bits a sample."""
    return Received(2 * len(samples), normalised(log_mel_of(samples)), samples)


def uncoded(samples: Array) -> Received:
    """Its log-mel."""
    return Received(None, normalised(log_mel_of(samples)))


def packets(encode: Callable[[Array], bytes], samples: Array) -> Received:
    """Coded by one of our modes."""
    stream = encode(samples)
    return Received(len(stream), decode(stream).log_mel)


def opus(kbps: int, samples: Array) -> Received:
    """Through libopus."""
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
    """The clips that `transcripts.tsv` lists."""
    table = folder / "transcripts.tsv"
    if not table.is_file():
        raise SystemExit(f"{table} is missing; set SERKIT_CORPORA to the folder of corpora")
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Clip(folder / row["file"], row["text"]) for row in rows]


def hear(whisper: Path | None, task: tuple[Clip, str]) -> Heard:
    """Send a clip and recognise what arrives."""
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
        errors: Of each condition, those of each clip.
        condition: The one asked for.
    """

    def of(name: str) -> list[int]:
        return [found.errors for found in errors[name]]

    spoken = [found.spoken for found in errors[condition]]
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
        kind: sum(asdict(found)[kind] for found in errors[condition])
        for kind in ("substituted", "deleted", "inserted")
    }


def main() -> None:
    """Every clip under every condition."""
    folder = Path(os.environ.get("SERKIT_CORPORA", ".")) / "transcribed"
    whisper = Path(os.environ["SERKIT_WHISPER"]) if os.environ.get("SERKIT_WHISPER") else None
    clips = transcribed(folder)
    tasks = [(clip, condition) for condition in CONDITIONS for clip in clips]
    # A few once more, the other way round, to see that the answers do not change.
    again = [(clip, UNCODED) for clip in reversed(clips[:REPEATED])]
    with worker_pool(os.cpu_count() or 1) as pool:
        answers = pool.map(partial(hear, whisper), tasks + again, chunksize=2)
        heard = list(track(answers, "Listening", len(tasks) + len(again)))
    of = {
        condition: heard[i * len(clips) : (i + 1) * len(clips)]
        for i, condition in enumerate(CONDITIONS)
    }
    if heard[len(tasks) :] != of[UNCODED][:REPEATED][::-1]:
        raise SystemExit("the same speech was heard in two ways: the figures cannot be repeated")
    seconds = sum(len(read(clip.path)) for clip in clips) / RATE
    recognised = {"pocketsphinx": {c: [h.pocketsphinx for h in found] for c, found in of.items()}}
    if whisper:
        recognised["whisper"] = {c: [h.whisper or "" for h in found] for c, found in of.items()}
    errors = {
        name: {
            condition: [word_errors(clip.text, t) for clip, t in zip(clips, texts, strict=True)]
            for condition, texts in by_condition.items()
        }
        for name, by_condition in recognised.items()
    }
    rows = []
    for condition, found in of.items():
        sizes = [h.size for h in found if h.size is not None]
        rows.append(
            {"speech": condition, "kbps": 8e-3 * sum(sizes) / seconds if sizes else None}
            | {name: figures(theirs, condition) for name, theirs in errors.items()}
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
