"""Rate and log-mel error of the codec, PCM, FLAC, Opus and AMSER's SVD.

Claims: at most 1.6 kbit/s at RMSE 0.105 of Whisper's normalised log-mel, at most 2.7 at 0.088,
headers included, on a corpus that the basis was not learned on.

Needs RAVDESS and EmoDB, and PyAV for Opus:
SERKIT_CORPORA=/folder python benchmarks/rate_distortion.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from serkit.codec import (
    BLOCKS_PER_PACKET,
    N_QUALITIES,
    RATIOS,
    Basis,
    decode,
    encode_basis,
    encode_low_rank,
    log_mel_of,
    normalised,
    shipped_basis,
)
from serkit.corpora import load
from serkit.training import read_utterance
from serkit.training.codec_basis import learn_basis
from serkit.training.codec_blocks import corpus_blocks

from harness import machine, versions, write_result
from peers.opus import OPUS_KBPS, RATE, through_opus

Array = NDArray[np.float32]

SVDQ_ERRORS = (0.16, 0.12, 0.09, 0.07, 0.05)
BASIS_CODECS = {"basis": BLOCKS_PER_PACKET, "basis, live": 1}
"""Blocks of 320 ms per packet, by codec."""

SHIPPED = "ravdess, nemo, tess (the shipped basis)"
DIRECTIONS = (
    ("ravdess", "emodb"),
    ("emodb", "ravdess"),
    (SHIPPED, "emodb"),
)
MAX_RECORDINGS = 339
"""Recordings tested per corpus, selected evenly."""


@dataclass
class Codec:
    """A codec at one setting; `run` takes samples and returns bytes and decoded log-mel."""

    name: str
    setting: str
    run: Callable[[Array], tuple[int, Array]]


def pcm(samples: Array) -> tuple[int, Array]:
    """16-bit PCM."""
    rounded = np.round(samples * 32767.0) / 32768.0
    return 2 * len(samples), normalised(log_mel_of(rounded.astype(np.float32)))


def flac(samples: Array) -> tuple[int, Array]:
    """FLAC of libsndfile at its default level."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="FLAC", subtype="PCM_16")
    size = len(buffer.getvalue())
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    return size, normalised(log_mel_of(decoded))


def opus(kbps: int) -> Callable[[Array], tuple[int, Array]]:
    """Opus at a target rate."""

    def run(samples: Array) -> tuple[int, Array]:
        size, sound = through_opus(samples, kbps)
        return size, normalised(log_mel_of(sound))

    return run


def smel(
    basis: Basis, quality: int, blocks_per_packet: int
) -> Callable[[Array], tuple[int, Array]]:
    """Mode `basis`, as a file or as a live stream."""

    def run(samples: Array) -> tuple[int, Array]:
        stream = encode_basis(samples, quality, blocks_per_packet=blocks_per_packet, basis=basis)
        return len(stream), decode(stream, basis=basis).log_mel

    return run


def low_rank(**options: float) -> Callable[[Array], tuple[int, Array]]:
    """Modes `svd` and `svdq`."""

    def run(samples: Array) -> tuple[int, Array]:
        stream = encode_low_rank(samples, **options)
        return len(stream), decode(stream).log_mel

    return run


def codecs(basis: Basis) -> list[Codec]:
    """All codecs and settings."""
    return [
        Codec("16-bit PCM", "", pcm),
        Codec("FLAC", "", flac),
        *(Codec("Opus", f"{kbps} kbit/s", opus(kbps)) for kbps in OPUS_KBPS),
        *(Codec("svd (AMSER)", f"r/k {100 * r:g} %", low_rank(ratio=r)) for r in RATIOS),
        *(Codec("svdq", f"error {error}", low_rank(rmse=error)) for error in SVDQ_ERRORS),
        *(
            Codec(name, f"quality {q}", smel(basis, q, blocks))
            for name, blocks in BASIS_CODECS.items()
            for q in range(N_QUALITIES)
        ),
    ]


def at(rows: list[dict[str, Any]], name: str, rmse: float) -> float | None:
    """Rate of a codec at an error, interpolated linearly in logarithms; None if out of range."""
    points = sorted((row["rmse"], row["kbps"]) for row in rows if row["codec"] == name)
    errors = [error for error, _ in points]
    if not errors[0] <= rmse <= errors[-1]:
        return None
    logarithms = np.interp(np.log(rmse), np.log(errors), [np.log(rate) for _, rate in points])
    return float(np.exp(logarithms))


def main() -> None:
    """Measure every codec for each pair of corpora."""
    tables = []
    for learned, tested in DIRECTIONS:
        basis = shipped_basis() if learned == SHIPPED else learn_basis(corpus_blocks([learned]))
        utterances = load(tested).utterances
        chosen = utterances[:: -(-len(utterances) // MAX_RECORDINGS)]
        recordings = [read_utterance(utterance) for utterance in chosen]
        targets = [normalised(log_mel_of(samples)) for samples in recordings]
        seconds = sum(map(len, recordings)) / RATE
        rows = []
        for codec in codecs(basis):
            size, squares, n = 0, 0.0, 0
            for samples, target in zip(recordings, targets, strict=True):
                n_bytes, decoded = codec.run(samples)
                size += n_bytes
                squares += float(np.square((decoded - target).astype(np.float64)).sum())
                n += target.size
            row = {
                "codec": codec.name,
                "setting": codec.setting,
                "kbps": 8e-3 * size / seconds,
                "rmse": (squares / n) ** 0.5,
            }
            rows.append(row)
            print(learned, tested, row, flush=True)
        tables.append(
            {
                "learned": learned,
                "tested": tested,
                "recordings": len(recordings),
                "seconds": seconds,
                "basis": basis.digest.hex(),
                "rows": rows,
                "at": {
                    str(error): {
                        name: at(rows, name, error)
                        for name in (*BASIS_CODECS, "svdq", "svd (AMSER)", "Opus")
                    }
                    for error in (0.105, 0.088)
                },
            }
        )
    write_result(
        "rate_distortion",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "av", "soundfile"]),
            "tables": tables,
        },
    )


if __name__ == "__main__":
    main()
