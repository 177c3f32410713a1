"""Fuzz the audio reader: any bytes give samples or an `AudioError`.

    python tests/fuzz/audio.py --runs 20000 --seed 0

Small recordings of every available container and codec are mutated: bits and bytes changed,
numbers set to extremes, parts removed, repeated or copied from another file. Each is read from a
file or from memory; `--replay NUMBER` reads one again.
"""

from __future__ import annotations

import io
import random
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from serkit.audio import SAMPLE_RATE, stream
from serkit.errors import AudioError

sys.path[:0] = [str(Path(__file__).parents[1])]
from fuzz.children import main

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
    """Recordings of a quarter of a second in every available format."""
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
    """A recording coded by FFmpeg; empty if this build cannot."""
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


def prepare(_seed: int) -> list[bytes]:
    """The original recordings."""
    return seeds()


def one_input(originals: list[bytes], rng: random.Random, folder: Path) -> str:
    """Mutate a recording and read it, from memory or from a file.

    Args:
        originals: From `prepare`.
        rng: Source of all random choices.
        folder: Empty; may be written to.

    Returns:
        The outcome: `samples`, `samples, truncated`, or the error without its numbers.
    """
    content = mutated(originals, rng)
    path = folder / "recording"
    from_memory = rng.random() < 0.5
    path.write_bytes(content)
    said: list[str] = []
    n_samples = 0
    try:
        for block in stream(content if from_memory else path, on_truncated=said.append):
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


if __name__ == "__main__":
    main(__file__, prepare, one_input, runs=20_000)
