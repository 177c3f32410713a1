"""WER on coded speech, as AMSER's figure 1.

The cost of coding is the difference to uncoded log-mel; the cost of log-mel and its preview is the
difference of uncoded log-mel to the original. pocketsphinx recognises sound, of log-mel the
Griffin-Lim preview. Whisper recognises the decoded log-mel. The shipped basis was not learned on
any of the speakers of `transcribed`.

Needs PyAV, pocketsphinx, jiwer and transformers, and a corpus of transcribed English:
`transcribed=FOLDER` (with `transcripts.tsv`: file, speaker, text; the default, in SERKIT_CORPORA),
`librispeech=LibriSpeech/test-clean` or `common_voice=cv-corpus/en`:
python benchmarks/codec_wer.py [CORPUS=FOLDER] [--clips N] [--whisper faster-whisper=FOLDER]
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
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
    log_mel_of,
    normalised,
    shipped_basis,
    write_at_rate,
)
from serkit.corpora import TranscribedClip, load_transcribed
from serkit.metrics import clustered_intervals
from serkit.serving.asr import Asr, load_asr
from serkit.serving.asr.pocketsphinx import Pocketsphinx
from serkit.training import worker_pool

from harness import RESULTS, machine, versions, write_result
from peers.opus import OPUS_KBPS, RATE, through_opus
from peers.wer import WordErrors, normaliser, word_errors

Array = NDArray[np.float32]

QUALITIES = (2, 4, 5, 7, 9)
BASIS_KBPS = (1.0, 1.5, 2.0, 3.0)
SVDQ_ERROR = 0.09
SVD_RATIOS = (0.0625, 0.125, 0.25, 0.5, 1.0)
# With fewer speakers a bootstrap over them has too few distinct resamples.
MIN_SPEAKERS = 5
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


def basis_at(kbps: float, samples: Array) -> bytes:
    """Packets of the mode `basis` at a rate."""
    out = io.BytesIO()
    write_at_rate(out, lambda: [samples], kbps)
    return out.getvalue()


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
    **{f"basis, {kbps:g} kbit/s": partial(packets, partial(basis_at, kbps)) for kbps in BASIS_KBPS},
    f"svdq, error {SVDQ_ERROR}": partial(packets, partial(encode_low_rank, rmse=SVDQ_ERROR)),
    **{
        f"svd (AMSER), r/k {100 * ratio:g} %": partial(
            packets, partial(encode_low_rank, ratio=ratio)
        )
        for ratio in SVD_RATIOS
    },
    **{f"Opus, {kbps} kbit/s": partial(opus, kbps) for kbps in OPUS_KBPS},
}


@cache
def recogniser(spec: str) -> Asr:
    """A recogniser, loaded once per process."""
    asr = load_asr(spec)
    if asr is None:
        raise SystemExit("--whisper is none; expected faster-whisper=FOLDER or transformers=FOLDER")
    return asr


@cache
def pocketsphinx() -> Pocketsphinx:
    """pocketsphinx, loaded once per process."""
    return Pocketsphinx()


def hear(whisper: str | None, task: tuple[TranscribedClip, str]) -> Heard:
    """Code a clip and recognise the result."""
    clip, condition = task
    received = CONDITIONS[condition](read(clip.audio))
    if received.sound is None:
        text = pocketsphinx().transcribe(received.log_mel).text
    else:
        text = pocketsphinx().transcribe_sound(received.sound)
    return Heard(
        received.size,
        text,
        recogniser(whisper).transcribe(received.log_mel, language="en").text if whisper else None,
    )


def heard(
    whisper: str | None, tasks: Sequence[tuple[TranscribedClip, str]], kept: Path | None
) -> list[Heard]:
    """All answers, in the order of the tasks.

    Args:
        whisper: Spec of the recogniser; None for pocketsphinx alone.
        tasks: Clips and conditions.
        kept: File that answers are appended to, a line each; those in it are not computed again.
    """
    lines = kept.read_text().splitlines() if kept and kept.exists() else []
    answers = [Heard(**json.loads(line)) for line in lines]
    rest = tasks[len(answers) :]
    with worker_pool(os.cpu_count() or 1) as pool:
        for answer in track(pool.map(partial(hear, whisper), rest), "Recognising", len(rest)):
            answers.append(answer)
            if kept:
                with kept.open("a") as file:
                    file.write(json.dumps(asdict(answer)) + "\n")
    return answers


def figures(
    errors: dict[str, list[WordErrors]], condition: str, clusters: Sequence[int]
) -> dict[str, Any]:
    """WER, and its differences to the original and to uncoded log-mel, with intervals.

    Args:
        errors: Errors per clip, by condition.
        condition: The condition to report.
        clusters: What each clip is resampled with: the number of its speaker, or its own.
    """

    def of(name: str) -> list[int]:
        return [clip.errors for clip in errors[name]]

    spoken = [clip.spoken for clip in errors[condition]]
    by_clip = np.array([of(condition), of(ORIGINAL), of(UNCODED), spoken]).T
    by_cluster = np.zeros((max(clusters) + 1, by_clip.shape[1]), by_clip.dtype)
    np.add.at(by_cluster, list(clusters), by_clip)

    def metrics(total: NDArray[Any]) -> Sequence[float]:
        wer, original, log_mel = total[:3] / total[3]
        return [wer, wer - original, wer - log_mel]

    intervals = clustered_intervals(metrics, by_cluster)
    names = ("wer", "against_original", "against_log_mel")
    return {
        name: {"value": value, "interval": [i.low, i.high] if i else None}
        for name, value, i in zip(names, metrics(by_clip.sum(axis=0)), intervals, strict=True)
    } | {
        kind: sum(asdict(clip)[kind] for clip in errors[condition])
        for kind in ("substituted", "deleted", "inserted", "correct")
    }


def clustered(clips: Sequence[TranscribedClip]) -> tuple[str, list[int]]:
    """Whether intervals resample speakers or clips, and the number of each clip's cluster."""
    speakers = list(dict.fromkeys(clip.speaker for clip in clips))
    if len(speakers) < MIN_SPEAKERS:
        return "clips", list(range(len(clips)))
    return "speakers", [speakers.index(clip.speaker) for clip in clips]


def main() -> None:
    """Recognise every clip under every condition."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = f"transcribed={Path(os.environ.get('SERKIT_CORPORA', '.')) / 'transcribed'}"
    options.add_argument("corpus", nargs="?", default=default, help="NAME=FOLDER")
    options.add_argument("--clips", type=int, help="number of clips, spread evenly")
    options.add_argument("--answers", type=Path, help="file of answers, to continue a stopped run")
    options.add_argument("--whisper", help="faster-whisper=FOLDER or transformers=FOLDER")
    asked = options.parse_args()
    corpus = load_transcribed(asked.corpus)
    if corpus.language != "en":
        raise SystemExit(f"the language is {corpus.language}; the recognisers are measured on en")
    n_clips = min(asked.clips or len(corpus.clips), len(corpus.clips))
    places = np.linspace(0, len(corpus.clips) - 1, n_clips).round().astype(int)
    clips = [corpus.clips[i] for i in places]
    tasks = [(clip, condition) for condition in CONDITIONS for clip in clips]
    # Some are recognised again in reverse order, to check that the result is repeatable.
    again = [(clip, UNCODED) for clip in reversed(clips[:REPEATED])]
    recognised_clips = heard(asked.whisper, tasks + again, asked.answers)
    by_condition = {
        condition: recognised_clips[i * len(clips) : (i + 1) * len(clips)]
        for i, condition in enumerate(CONDITIONS)
    }
    if recognised_clips[len(tasks) :] != by_condition[UNCODED][:REPEATED][::-1]:
        raise SystemExit("two runs on the same speech differ; the figures are not repeatable")
    seconds = sum(len(read(clip.audio)) for clip in clips) / RATE
    recognised = {
        "pocketsphinx": {
            c: [h.pocketsphinx for h in answers] for c, answers in by_condition.items()
        }
    }
    if asked.whisper:
        recognised["whisper"] = {
            c: [h.whisper or "" for h in answers] for c, answers in by_condition.items()
        }
    normalise = normaliser(Path(asked.whisper.partition("=")[2]) if asked.whisper else None)
    errors = {
        name: {
            condition: [
                word_errors(clip.text, text, normalise)
                for clip, text in zip(clips, texts, strict=True)
            ]
            for condition, texts in texts_by_condition.items()
        }
        for name, texts_by_condition in recognised.items()
    }
    over, clusters = clustered(clips)
    rows = []
    for condition, answers in by_condition.items():
        sizes = [h.size for h in answers if h.size is not None]
        rows.append(
            {"speech": condition, "kbps": 8e-3 * sum(sizes) / seconds if sizes else None}
            | {name: figures(found, condition, clusters) for name, found in errors.items()}
        )
    packages = ["serkit", "numpy", "av", "pocketsphinx", "jiwer", "transformers"]
    result = {
        "machine": machine(),
        "versions": versions(packages + (["faster-whisper"] if asked.whisper else [])),
        "clips": len(clips),
        "of_clips": len(corpus.clips),
        "speakers": len({clip.speaker for clip in clips}),
        "intervals_over": over,
        "seconds": seconds,
        "words": sum(e.spoken for e in errors["pocketsphinx"][ORIGINAL]),
        "basis": shipped_basis().digest.hex(),
        "whisper": recogniser(asked.whisper).name if asked.whisper else None,
        "rows": rows,
    }
    path = RESULTS / "codec_wer.json"
    measured = json.loads(path.read_text())["corpora"] if path.exists() else {}
    write_result("codec_wer", {"corpora": measured | {corpus.name: result}})


if __name__ == "__main__":
    main()
