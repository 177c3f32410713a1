"""Write hostile files of at most 1 MB: hours of sound, gaps, large spectra, weights, long lists.

python benchmarks/hostile.py FOLDER
"""

from __future__ import annotations

import json
import struct
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

MAX_BYTES = 1_000_000
RATE = 16_000
_FLAC_BLOCK = 65_535


def flac(*, rate: int, channels: int, levels: tuple[int, ...]) -> bytes:
    """The longest FLAC file of 1 MB: blocks of one constant level each."""
    parts: list[bytes] = []
    size = 42
    while size < MAX_BYTES - 100:
        number = len(parts)
        level = struct.pack(">h", levels[number % len(levels)])
        # Fixed block size, in the last two bytes; rate from the stream header; 16 bits.
        head = bytes([0xFF, 0xF8, 0x70, (channels - 1) << 4 | 4 << 1]) + _coded(number)
        head += struct.pack(">H", _FLAC_BLOCK - 1)
        head += bytes([_crc(head, 0x07, 8)])
        body = head + (b"\0" + level) * channels
        parts.append(body + struct.pack(">H", _crc(body, 0x8005, 16)))
        size += len(parts[-1])
    n_samples = len(parts) * _FLAC_BLOCK
    about = rate << 44 | (channels - 1) << 41 | 15 << 36 | n_samples
    info = struct.pack(">HH", _FLAC_BLOCK, _FLAC_BLOCK) + bytes(6) + about.to_bytes(8, "big")
    return b"fLaC" + bytes([0x80, 0, 0, 34]) + info + bytes(16) + b"".join(parts)


def _coded(number: int) -> bytes:
    """A frame number, coded like a code point in UTF-8."""
    return chr(number).encode("utf-8", "surrogatepass")


def _crc(content: bytes, polynomial: int, bits: int) -> int:
    table, value, mask = _crc_table(polynomial, bits), 0, (1 << bits) - 1
    for byte in content:
        value = (value << 8 & mask) ^ table[value >> bits - 8 ^ byte]
    return value


@cache
def _crc_table(polynomial: int, bits: int) -> list[int]:
    table = []
    for value in range(256):
        value <<= bits - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value >> bits - 1 else 0)) & (1 << bits) - 1
        table.append(value)
    return table


def wav(samples: bytes, *, rate: int, channels: int, claimed: int | None = None) -> bytes:
    """A 16-bit WAV file whose header claims `claimed` bytes of samples."""
    size = len(samples) if claimed is None else claimed
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    chunk = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size)
    return (
        b"RIFF" + struct.pack("<I", 4 + len(chunk) + size & 0xFFFFFFFF) + b"WAVE" + chunk + samples
    )


def packets(kind: str) -> bytes:
    """Packets with `gaps`, of `silence`, of the highest `rank`, or as `small` as possible."""
    from serkit.codec import MAX_BLOCKS, Mode, Packet, encode_basis, read_packet, split
    from serkit.codec.packets import SEQUENCES

    out, number = bytearray(), 0
    if kind in ("gaps", "silence", "small"):
        blocks = MAX_BLOCKS if kind == "silence" else 1
        silence = np.zeros((32 * blocks + 1) * 160, np.float32)
        (first, *_) = split(encode_basis(silence, 0, blocks_per_packet=blocks))
        first_packet = read_packet(first)
        n_frames = 32 * blocks
        apart = 6000 if kind == "gaps" else n_frames
        while len(out) < MAX_BYTES - 200 and not (kind == "gaps" and number == 357):
            timed = kind != "small" or number % 32 == 0
            packet = Packet(
                Mode.BASIS,
                (number * apart // 32 if kind != "gaps" else number) % SEQUENCES,
                first_packet.payload,
                number * apart if timed else None,
                first_packet.basis if timed else b"",
                n_frames if blocks > 1 else None,
            )
            out += packet.to_bytes()
            number += 1
        return bytes(out)
    payload = b"\x01" + bytes(2 * (81 + 3000))
    while len(out) < MAX_BYTES - 7000:
        out += Packet(Mode.SVD, number, payload, number * 3000, b"", 3000).to_bytes()
        number += 1
    return bytes(out)


def models(folder: Path) -> None:
    """Write model files at and beyond the limits of features and network."""
    from safetensors import safe_open
    from safetensors.numpy import save

    from serkit.features import Descriptor, FeatureRecipe
    from serkit.runtime import LSTM, Dense, MeanPooling, Model, ModelCard, PackedWeight, save_model

    def numbers(*shape: int) -> Any:
        return np.full(shape, 0.01, np.float32)

    def packed(rows: int, columns: int) -> PackedWeight:
        codes = np.full(-(-rows * columns // 8), 0xA5, np.uint8)
        return PackedWeight(codes, 1, (rows, columns), np.full(1, 1e-3, np.float32))

    def write(name: str, recipe: FeatureRecipe, *layers: Any) -> None:
        n = recipe.n_features
        card = ModelCard(name, ("happy", "sad"), recipe)
        save_model(
            Model(card, np.zeros(n, np.float32), np.ones(n, np.float32), layers),
            folder / f"{name}.safetensors",
        )

    def edited(name: str, source: str, changes: dict[str, Any]) -> None:
        with safe_open(folder / f"{source}.safetensors", framework="numpy") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            values = json.loads(file.metadata()["serkit"])
        values["features"] |= changes
        (folder / f"{name}.safetensors").write_bytes(
            save(tensors, metadata={"serkit": json.dumps(values)})
        )

    pitch = FeatureRecipe("pitch", (Descriptor("pitch"),), n_fft=16_384, window_length=2048, hop=46)
    write("costly-features", pitch, Dense(numbers(2, 2), numbers(2)))
    edited("beyond-features", "costly-features", {"n_fft": 65_536, "hop": 16})
    frames = FeatureRecipe("mel", (Descriptor("log-mel", 0, 0, ()),), n_mels=64, hop=160)
    width = 1000
    write(
        "costly-network",
        frames,
        LSTM(packed(4 * width, 64 + width), numbers(4 * width)),
        MeanPooling(),
        Dense(numbers(2, width), numbers(2)),
    )
    vector = FeatureRecipe("means", (Descriptor("log-mel"),), n_mels=64)
    write("costly-weights", vector, Dense(packed(50_000, 64), numbers(50_000)),
          Dense(packed(2, 50_000), numbers(2)))  # fmt: skip
    edited("beyond-network", "costly-network", {"hop": 16})


def texts(folder: Path) -> None:
    """Write manifests and recipes."""
    rows = ["audio,label,speaker,start,end"]
    size = len(rows[0]) + 1
    while size < MAX_BYTES - 50:
        i = len(rows)
        rows.append(f"levels.flac,{('sad', 'happy')[i % 2]},{i % 9},{i},{i + 2}")
        size += len(rows[-1]) + 1
    (folder / "rows.csv").write_text("\n".join(rows) + "\n")
    (folder / "overlap.csv").write_text(
        "audio,label,speaker,start\n"
        + "".join(f"levels.flac,sad,{i % 9},{i / 100}\n" for i in range(38_000))
    )
    for name in ("silence", "levels", "wide", "slow", "channels", "claims"):
        suffix = "wav" if name in ("channels", "claims") else "flac"
        (folder / f"one-{name}.csv").write_text(f"audio,label,speaker\n{name}.{suffix},sad,a\n")
    (folder / "field.csv").write_text("audio,label,speaker\n" + "x" * 900_000 + ",sad,a\n")
    (folder / "nested.jsonl").write_text('{"audio":' + "[" * 900_000 + "\n")
    small = "audio,label,speaker\n" + "".join(
        f"noise{i}.wav,{label},{i}\n" for i, label in enumerate(("sad", "happy") * 3)
    )
    (folder / "small.csv").write_text(small)
    recipe = """name: wide
corpora: [emodb]
labels: [sad, happy]
features: {name: m, descriptors: [{name: log-mel}]}
network: {family: mlp, hidden: [%s]}
"""
    (folder / "wide.yaml").write_text(recipe % ", ".join(["8192"] * 32))
    (folder / "most.yaml").write_text(recipe % "512, 8192, 80")
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
    )
    (folder / "bomb.yaml").write_text(bomb)


def make(folder: Path) -> None:
    """Write all files.

    Raises:
        SystemExit: A file is larger than 1 MB.
    """
    rng = np.random.default_rng(0)
    contents = {
        "silence.flac": flac(rate=RATE, channels=1, levels=(0,)),
        "levels.flac": flac(rate=RATE, channels=1, levels=(3000, -3000)),
        "wide.flac": flac(rate=384_000, channels=8, levels=(3000, -3000)),
        "slow.flac": flac(rate=4_000, channels=1, levels=(3000, -3000)),
        "channels.wav": wav(
            rng.integers(-3000, 3000, 488 * 1024, np.int16).tobytes(), rate=384_000, channels=1024
        ),
        "claims.wav": wav(bytes(1000), rate=RATE, channels=1, claimed=0xFFFFFF00),
        "noise.wav": wav(
            rng.integers(-3000, 3000, 30 * RATE, np.int16).tobytes(), rate=RATE, channels=1
        ),
    }
    for i in range(6):
        samples = rng.integers(-3000, 3000, 2 * RATE, np.int16).tobytes()
        contents[f"noise{i}.wav"] = wav(samples, rate=RATE, channels=1)
    for kind in ("gaps", "silence", "rank", "small"):
        contents[f"{kind}.smel"] = packets(kind)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    models(folder)
    texts(folder)
    for path in folder.iterdir():
        if path.stat().st_size > MAX_BYTES:
            raise SystemExit(
                f"{path.name} has {path.stat().st_size} bytes; expected at most {MAX_BYTES}"
            )


def speech(path: Path, hours: float) -> None:
    """Write the recordings of RAVDESS as one FLAC file.

    Raises:
        SystemExit: RAVDESS is shorter than asked for.
    """
    import soundfile

    from serkit.audio import read
    from serkit.corpora import load

    left = round(hours * 3600 * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16", format="FLAC") as file:
        for utterance in load("ravdess").utterances:
            samples = read(str(utterance.audio))[:left]
            file.write(samples)
            left -= len(samples)
            if not left:
                return
    raise SystemExit(f"RAVDESS is {left / RATE:.0f} s too short")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
    if "--speech" in sys.argv[2:]:
        speech(Path(sys.argv[1], "hour.flac"), 1.0)
