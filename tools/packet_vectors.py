"""Write docs/packet-vectors.json: packets of synthetic sound and what the reference decodes.

python tools/packet_vectors.py

The encoder quantises with floating-point arithmetic, so another machine may write other, equally
good packets. Decoding them is exact on every machine.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "codec")]

import numpy as np
from reference import HASH, Decoded, decode, scale, start

from serkit.codec import (
    Encoder,
    Mode,
    Packet,
    encode_basis,
    encode_low_rank,
    read_packet,
    shipped_basis,
    split,
)
from serkit.codec.entropy import Table, Writer

PAGE = ROOT / "docs" / "packet-vectors.json"
ABOUT = (
    "Packets for docs/packet-format.md, written by tools/packet_vectors.py. Null: the packet does "
    "not carry the field. begins: the start frame, derived from the packet named in after. peak: "
    "in 256ths. A block is flat (with its level) or has a kind and a number of rows; coefficients "
    "lists the nonzero ones as [block, row, component, value]. svdq: exponent is e, means are in "
    "16ths, a column has 80 + frames values. first, last: the 80 values of the first and the last "
    "frame; mean: over all values. wrong: why a decoder must refuse the packet."
)


def voice(seconds: float, gain: float = 0.1, seed: int = 0) -> np.ndarray:
    """Harmonics with a slow rhythm over faint noise, mono at 16 kHz."""
    time = np.arange(round(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time)) / 16_000
    tone = sum(np.sin(k * phase) / k for k in range(1, 25))
    loud = np.clip(np.sin(2 * np.pi * 1.3 * time), 0, 1) ** 2
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (gain * (loud * tone + 0.02 * noise)).astype(np.float32)


def sound_packets() -> dict[str, tuple[bytes, str | None]]:
    """Packets by name, each with the name of its predecessor if it does not carry its start."""
    live = list(split(encode_basis(voice(1.1), 5, blocks_per_packet=1)))
    gap = np.concatenate([voice(0.64), np.zeros(11_200, np.float32), voice(0.4, seed=1)])
    (several,) = split(encode_basis(gap, 3, blocks_per_packet=8))
    (pieces,) = Encoder(14).push(voice(0.4, gain=0.3))
    steady = np.random.default_rng(0).standard_normal(5800).astype(np.float32)
    (large,) = Encoder(9).push(steady * np.float32(1e6))
    svd = encode_low_rank(voice(0.08), ratio=0.25)
    svdq = encode_low_rank(voice(0.32), rmse=0.1)
    still = read_packet(next(split(encode_basis(np.zeros(6000, np.float32), 0))))
    turn = dataclasses.replace(read_packet(live[0]), sequence=8191, start_frame=32 * 8191)
    full = dataclasses.replace(read_packet(live[1]), compact=False)
    turned = dataclasses.replace(full, sequence=0)
    compact_turn = dataclasses.replace(turn, sequence=1023, start_frame=32 * 1023)
    compact_turned = dataclasses.replace(read_packet(live[1]), sequence=0)
    return {
        "live, first": (live[0], None),
        "live, next": (live[1], "live, first"),
        "live, next, version 1": (full.to_bytes(), "live, first"),
        "live, last, short": (live[3], "live, first"),
        "sequence 8191": (turn.to_bytes(), None),
        "sequence 0 again": (turned.to_bytes(), "sequence 8191"),
        "sequence 1023": (compact_turn.to_bytes(), None),
        "sequence 0 again, version 2": (compact_turned.to_bytes(), "sequence 1023"),
        "several blocks, one flat, the last filled up": (several, None),
        "silence": (still.to_bytes(), None),
        "no rows": (no_rows(), None),
        "large numbers": (large, None),
        "two pieces before the number": (pieces, None),
        "svd": (svd, None),
        "svdq": (svdq, None),
    }


def no_rows() -> bytes:
    """A block without rows, which decodes to the mean of its kind."""
    basis, writer = shipped_basis(), Writer()
    writer.put_bits(5, 4)
    writer.put(basis.length_tables[5], 0)
    writer.put_bits(11, 4)
    return Packet(Mode.BASIS, 0, writer.to_bytes(), 0, basis.digest).to_bytes()


def broken_packets() -> dict[str, bytes]:
    """Invalid packets by their defect; all checksums but the first are valid."""
    (first,) = split(encode_basis(voice(0.32), 0))
    good = read_packet(first)

    damaged = Packet(Mode.BASIS, 1, good.payload, compact=True)

    def changed(**fields: object) -> bytes:
        return dataclasses.replace(good, **fields).to_bytes()

    def starting(byte: int) -> bytes:
        return resealed(bytes([byte]) + first[1:])

    large = Writer()
    large.put_bits(1, 7)
    large.put_bits(128, 8)
    large.put(Table(scale(18)), 20)
    for _ in range(10):
        large.put_bits(1, 1)
    svd = read_packet(encode_low_rank(voice(0.02), ratio=0.01))
    infinite = svd.payload[:1] + b"\0\x7c" + svd.payload[3:]
    return {
        "checksum": first[:-1] + bytes([first[-1] ^ 1]),
        "not the magic": starting(0xB6),
        "version 3": starting(0xAE),
        "checksum of version 2": damaged.to_bytes()[:-1] + b"\0",
        "mode 3": starting(0xA7),
        "cut off": first[:-1],
        "a byte after the packet": first + b"\0",
        "a varint of six bytes": resealed(first[:3] + b"\x80\x80\x80\x80\x80\0" + first[4:]),
        "a length above 2^20": resealed(bytes.fromhex("a60100818040") + b"\0\0\0\0"),
        "0 frames": changed(n_frames=0),
        "3001 frames": changed(n_frames=3001),
        "another basis": changed(basis=bytes(4)),
        "payload not used up": changed(payload=good.payload + b"\1"),
        "svdq of rank 0": changed(mode=Mode.SVDQ, payload=b"", n_frames=1),
        "a large number of n = 13": changed(mode=Mode.SVDQ, payload=large.to_bytes(), n_frames=1),
        "svd not timed": dataclasses.replace(svd, start_frame=None).to_bytes(),
        "svd of a length that is not its rank's": changed(
            mode=Mode.SVD, payload=svd.payload[:-1], n_frames=2
        ),
        "svd with an infinite value": dataclasses.replace(svd, payload=infinite).to_bytes(),
    }


def resealed(content: bytes) -> bytes:
    """The packet with its checksum corrected."""
    return content[:-4] + zlib.crc32(content[:-4]).to_bytes(4, "little")


def described(name: str, data: bytes, after: str | None, begins: int) -> dict[str, object]:
    """A test vector, as the reference decodes it."""
    decoded = decode(data)
    packet = decoded.packet
    fields = {
        "name": name,
        "hex": data.hex(),
        "mode": packet.mode,
        "sequence": packet.sequence,
        "start": packet.start,
        "after": after,
        "begins": begins,
        "basis": packet.basis,
        "frames": packet.n_frames,
        "peak": packet.peak,
    }
    return fields | integers(decoded) | values(decoded.frames)


def integers(decoded: Decoded) -> dict[str, object]:
    """The integers of a payload, by the names of docs/packet-format.md."""
    if decoded.packet.mode == "svdq":
        return {"exponent": decoded.exponent, "means": decoded.means, "columns": decoded.columns}
    if decoded.packet.mode == "svd":
        return {"rank": decoded.packet.payload[0]}
    blocks = [
        {"flat": block.level}
        if block.kind is None
        else {"kind": block.kind, "rows": len(block.rows)}
        for block in decoded.blocks
    ]
    coefficients = [
        [i, t, k, value]
        for i, block in enumerate(decoded.blocks)
        for t, row in enumerate(block.rows)
        for k, value in enumerate(row)
        if value
    ]
    return {"quality": decoded.quality, "blocks": blocks, "coefficients": coefficients}


def values(frames: np.ndarray) -> dict[str, object]:
    """First frame, last frame and mean, to 4 decimals."""
    return {
        "first": np.round(frames[:, 0], 4).tolist(),
        "last": np.round(frames[:, -1], 4).tolist(),
        "mean": round(float(frames.mean()), 4),
    }


def main() -> None:
    """Write the file."""
    packets = sound_packets()
    vectors = []
    for name, (data, after) in packets.items():
        packet = decode(data).packet
        begins = packet.start if after is None else start(packet, decode(packets[after][0]).packet)
        vectors.append(described(name, data, after, begins))
    broken = [{"wrong": why, "hex": data.hex()} for why, data in broken_packets().items()]
    lists = {"vectors": vectors, "broken": broken}
    head = "".join(
        f' "{key}": {json.dumps(text)},\n' for key, text in {"about": ABOUT, "basis": HASH}.items()
    )
    body = ",\n".join(
        f' "{key}": [\n' + ",\n".join(entry(one) for one in ones) + "\n ]"
        for key, ones in lists.items()
    )
    PAGE.write_text(f"{{\n{head}{body}\n}}\n")


def entry(fields: dict[str, object]) -> str:
    """A test vector as JSON, one field per line."""
    lines = [f'   "{key}": {json.dumps(one, separators=(",", ":"))}' for key, one in fields.items()]
    return "  {\n" + ",\n".join(lines) + "\n  }"


if __name__ == "__main__":
    main()
