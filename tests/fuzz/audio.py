"""Fuzz the reading of audio: whatever bytes come, samples or an `AudioError` come out.

    python tests/fuzz/audio.py --runs 20000 --seed 0

Small recordings of every container and codec at hand, made at the start, are mutated: bits and
bytes changed, numbers set to extremes, stretches removed, repeated or taken from another file. Each
is read from a file and from memory. The work is done in child processes, so that a crash of a C
library is counted, and the file that caused it kept, as `fuzz-audio-SEED-NUMBER`.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from serkit.audio import SAMPLE_RATE, stream
from serkit.errors import AudioError

MAX_SECONDS = 60
MAX_MEGABYTES = 512
MOST_SAMPLES = 1 << 34

LIBSNDFILE = (
    ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAV", "IMA_ADPCM"),
    ("WAV", "MS_ADPCM"), ("WAV", "GSM610"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"),
    ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "ALAW"), ("CAF", "PCM_16"), ("CAF", "ALAC_16"),
    ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
    ("NIST", "PCM_16"), ("VOC", "PCM_16"), ("SVX", "PCM_16"), ("IRCAM", "PCM_16"),
)  # fmt: skip
FFMPEG = (
    ("mp4", "aac", SAMPLE_RATE), ("mp4", "alac", SAMPLE_RATE), ("ipod", "aac", SAMPLE_RATE),
    ("3gp", "aac", SAMPLE_RATE), ("adts", "aac", SAMPLE_RATE), ("matroska", "aac", SAMPLE_RATE),
    ("matroska", "flac", SAMPLE_RATE), ("webm", "libopus", 48_000), ("webm", "libvorbis", 48_000),
    ("asf", "wmav2", SAMPLE_RATE), ("wav", "adpcm_ms", SAMPLE_RATE), ("caf", "alac", SAMPLE_RATE),
)  # fmt: skip
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def seeds() -> list[bytes]:
    """Recordings of a quarter of a second in every format that can be written here."""
    rng = np.random.default_rng(0)
    samples = 0.1 * rng.standard_normal(SAMPLE_RATE // 4)
    found = []
    for container, subtype in LIBSNDFILE:
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, SAMPLE_RATE, format=container, subtype=subtype)
        found.append(buffer.getvalue())
    for container, codec, rate in FFMPEG:
        made = _by_ffmpeg(samples, container, codec, rate)
        if made:
            found.append(made)
    return found


def _by_ffmpeg(samples: Any, container: str, codec: str, rate: int) -> bytes:
    """A recording that FFmpeg has coded; nothing where this build cannot."""
    import av

    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format=container) as out:
            track = out.add_stream(codec, rate=rate, layout="mono")
            coded = track.codec_context
            converter = av.AudioResampler(coded.format, "mono", rate, coded.frame_size or 1024)
            frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
            frame.sample_rate = SAMPLE_RATE
            for part in [*converter.resample(frame), *converter.resample(None), None]:
                for packet in track.encode(part):
                    out.mux(packet)
    except (av.FFmpegError, ValueError):
        return b""
    return buffer.getvalue()


def mutated(originals: list[bytes], rng: random.Random) -> bytes:
    """One of the originals with one to eight changes, most of them near its beginning."""
    content = bytearray(rng.choice(originals))
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        if not content:
            break
        reach = len(content) if rng.random() < 0.4 else min(len(content), 200)
        at = rng.randrange(reach)
        size = rng.choice((1, 2, 4, 8))
        match rng.randrange(8):
            case 0:
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                content[at] = rng.randrange(256)
            case 2 | 3:
                value = rng.choice(EXTREMES) & ((1 << 8 * size) - 1)
                content[at : at + size] = value.to_bytes(size, rng.choice(("little", "big")))
            case 4:
                del content[at : at + rng.randrange(1, 64)]
            case 5:
                stretch = content[at : at + rng.randrange(1, 256)]
                content[at:at] = stretch * rng.randrange(1, 4)
            case 6:
                del content[at + rng.randrange(1, len(content)) :]
            case 7:
                other = rng.choice(originals)
                start = rng.randrange(len(other))
                content[at : at + 64] = other[start : start + rng.randrange(1, 256)]
    return bytes(content)


def one_input(content: bytes, path: Path | None) -> str:
    """Read bytes from memory, or from a file.

    Args:
        content: Perhaps a recording.
        path: Where to write and read it; None for memory.

    Returns:
        What came of it: `samples`, `samples, truncated`, or the error without its numbers.
    """
    if path is not None:
        path.write_bytes(content)
    said: list[str] = []
    n_samples = 0
    try:
        for block in stream(content if path is None else path, on_truncated=said.append):
            assert block.dtype == np.float32
            assert block.ndim == 1
            assert np.isfinite(block).all()
            n_samples += len(block)
            assert n_samples <= MOST_SAMPLES
    except AudioError as error:
        text = str(error)
        assert "\n" not in text
        return re.sub(r"[-+.e\d]*\d", "N", text)[:80]
    assert n_samples
    return "samples, truncated" if said else "samples"


def child(seed: int, first: int, last: int, progress: Path) -> None:
    """Read the inputs of some numbers, and note each before it is read."""
    originals = seeds()
    outcomes: Counter[str] = Counter()
    longest = 0.0
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with progress.open("w") as notes:
        for number in range(first, last):
            content = mutated(originals, random.Random(f"{seed}/{number}"))
            notes.seek(0)
            notes.write(f"{number:12d}")
            notes.flush()
            signal.alarm(MAX_SECONDS)
            start = time.perf_counter()
            path = progress.with_suffix(".input") if number % 2 else None
            outcomes[one_input(content, path)] += 1
            longest = max(longest, time.perf_counter() - start)
    signal.alarm(0)
    # Of this process itself; getrusage would count the one it was forked from.
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    print(json.dumps({"outcomes": outcomes, "longest_s": longest, "peak_mb": peak}))


def run(runs: int, seed: int, *, at_a_time: int = 1000) -> dict[str, Any]:
    """Fuzz in child processes.

    Args:
        runs: How many inputs.
        seed: Decides all of them.
        at_a_time: Inputs for each process.

    Returns:
        Figures: crashes, the longest time, the largest memory, and what came of the inputs.
    """
    outcomes: Counter[str] = Counter()
    crashes: list[dict[str, Any]] = []
    longest = peak = 0.0
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        progress = Path(folder) / "progress"
        first = 0
        while first < runs:
            last = min(runs, first + at_a_time)
            command = [
                sys.executable,
                __file__,
                "--child",
                *map(str, (seed, first, last)),
                progress,
            ]
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode == 0:
                found = json.loads(done.stdout.splitlines()[-1])
                outcomes.update(found["outcomes"])
                longest = max(longest, found["longest_s"])
                peak = max(peak, found["peak_mb"])
                first = last
                continue
            number = int(progress.read_text())
            content = mutated(seeds(), random.Random(f"{seed}/{number}"))
            Path(f"fuzz-audio-{seed}-{number}").write_bytes(content)
            reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            crashes.append({"number": number, "exit": done.returncode, "reason": reason})
            outcomes["crash"] += 1
            first = number + 1
    return {
        "runs": runs,
        "seed": seed,
        "crashes": crashes,
        "seconds": time.perf_counter() - start,
        "longest_s": longest,
        "peak_mb": peak,
        "outcomes": dict(outcomes.most_common()),
    }


def main() -> None:
    """Fuzz, and fail if anything but samples or an `AudioError` came out."""
    if sys.argv[1:2] == ["--child"]:
        seed, first, last = map(int, sys.argv[2:5])
        child(seed, first, last, Path(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found = run(arguments.runs, arguments.seed)
    print(json.dumps(found, indent=1))
    bad = found["crashes"] or found["longest_s"] > MAX_SECONDS or found["peak_mb"] > MAX_MEGABYTES
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
