"""Memory, real-time factors and delay of the live codec on an hour of speech.

Claims: a file is encoded, and decoded, with a real-time factor of at most 0.003; encoder and
decoder of a stream together stay within 100 MB, and do not grow between five minutes and an hour;
a packet leaves at most 400 ms after the first sample it holds.

The recordings of RAVDESS are concatenated and pushed into the encoder in chunks of 20 ms, and each
packet into the decoder, in a process of its own, on one thread.

Needs RAVDESS: SERKIT_CORPORA=/folder python benchmarks/codec_stream.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from harness import machine, versions, write_result

CORPUS = "ravdess"
MINUTES, EARLY = 60, 5
FILE_ROUNDS = 7
CHUNK = 320
"""Samples, 20 ms."""


def streamed() -> dict[str, Any]:
    """Code the hour, in a process that does nothing else."""
    import resource
    import time

    import numpy as np

    from serkit.audio import SAMPLE_RATE, read
    from serkit.codec import BLOCK_FRAMES, DEFAULT_QUALITY, Decoder, Encoder
    from serkit.corpora import load

    def chunks() -> Iterator[Any]:
        pending = np.zeros(0, np.float32)
        for utterance in load(CORPUS).utterances:
            pending = np.concatenate((pending, read(str(utterance.audio))))
            while len(pending) >= CHUNK:
                yield pending[:CHUNK]
                pending = pending[CHUNK:]

    def peak_mb() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

    block = BLOCK_FRAMES * SAMPLE_RATE // 100
    encoder, decoder = Encoder(), Decoder()
    # Processor time excludes other processes on the machine.
    clock = time.process_time
    taken = {"encode": 0.0, "decode": 0.0}
    pushed, n_packets, n_bytes, n_frames, delay = 0, 0, 0, 0, 0
    early = 0.0
    minute: list[Any] = []

    def decoded(packets: list[bytes]) -> None:
        nonlocal n_packets, n_bytes, n_frames, delay
        for packet in packets:
            delay = max(delay, pushed - n_packets * block)
            n_packets += 1
            n_bytes += len(packet)
            start = clock()
            n_frames += decoder.push(packet).shape[1]
            taken["decode"] += clock() - start

    for chunk in chunks():
        if pushed == MINUTES * 60 * SAMPLE_RATE:
            break
        if pushed < 60 * SAMPLE_RATE:
            minute.append(chunk)
        start = clock()
        packets = encoder.push(chunk)
        taken["encode"] += clock() - start
        pushed += len(chunk)
        decoded(packets)
        if pushed == EARLY * 60 * SAMPLE_RATE:
            early = peak_mb()
    decoded(encoder.flush())
    n_frames += decoder.flush().shape[1]
    seconds = pushed / SAMPLE_RATE
    if seconds != 60.0 * MINUTES or n_frames != 100 * seconds:
        raise SystemExit(f"{seconds} s encoded, {n_frames} frames decoded; expected 100 per second")
    return {
        "quality": DEFAULT_QUALITY,
        "seconds": seconds,
        "packets": n_packets,
        "kbps": 8e-3 * n_bytes / seconds,
        "rtf": {name: total / seconds for name, total in taken.items()},
        "delay_s": delay / SAMPLE_RATE,
        "peak_mb_early": early,
        "peak_mb": peak_mb(),
        "rtf_file": rtf_of_a_file(np.concatenate(minute)),
        "file_rounds": FILE_ROUNDS,
    }


def rtf_of_a_file(samples: Any) -> dict[str, float]:
    """Real-time factors of a file, which is coded many blocks at a time."""
    import statistics
    import time

    from serkit.audio import SAMPLE_RATE
    from serkit.codec import DEFAULT_QUALITY, decode, encode_basis

    taken: dict[str, list[float]] = {"encode": [], "decode": []}
    for _ in range(FILE_ROUNDS):
        start = time.process_time()
        stream = encode_basis(samples, DEFAULT_QUALITY)
        middle = time.process_time()
        decode(stream)
        taken["encode"].append(middle - start)
        taken["decode"].append(time.process_time() - middle)
    seconds = len(samples) / SAMPLE_RATE
    return {name: statistics.median(times) / seconds for name, times in taken.items()}


def main() -> None:
    """Run the measurement in a child process."""
    environment = os.environ | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(
        [sys.executable, __file__, "--child"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures = json.loads(done.stdout)
    print(json.dumps(figures, indent=2))
    write_result(
        "codec_stream",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy"]),
            "corpus": CORPUS,
            "chunk_ms": CHUNK // 16,
            "early_minutes": EARLY,
            **figures,
        },
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--child"]:
        print(json.dumps(streamed()))
    else:
        main()
