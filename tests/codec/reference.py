"""A second decoder, written from docs/packet-format.md alone.

Slow and plain: integers and lists where the result must be exact, NumPy for the last products. The
tests compare `serkit.codec` with it, and it may serve as a model for ports.
"""

import hashlib
import math
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import serkit

MODES = ("svd", "svdq", "basis")
TOTAL = 2**14
LEVELS = (0, 6, 9, 11, 13, 14, 16, 17, 18, 18, 19, 20, 21, 21, 22, 22)
TENSORS = load_file(Path(serkit.__file__).parent / "codec" / "basis.safetensors")
LISTS = {name: tensor.tolist() for name, tensor in TENSORS.items()}
HASH = hashlib.sha256(
    b"".join(
        name.encode() + tensor.astype(tensor.dtype.newbyteorder("<")).tobytes()
        for name, tensor in sorted(TENSORS.items())
    )
).hexdigest()


@dataclass
class Packet:
    """The fields of a packet; None where it does not carry one."""

    mode: str
    sequence: int
    start: int | None
    basis: str | None
    n_frames: int | None
    peak: int | None
    payload: bytes
    compact: bool


@dataclass
class Block:
    """A block of `basis`: flat with a level, or of a kind with rows of coefficients."""

    level: int | None
    kind: int | None
    rows: list[list[int]] = field(default_factory=list)


@dataclass
class Decoded:
    """A packet, the integers of its payload, and its frames `[80, n_frames]`."""

    packet: Packet
    frames: np.ndarray
    quality: int | None = None
    blocks: list[Block] | None = None
    exponent: int | None = None
    means: list[int] | None = None
    columns: list[list[int]] | None = None


def check(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def decode(data: bytes) -> Decoded:
    packet = read_packet(data)
    return {"svd": svd, "svdq": svdq, "basis": basis}[packet.mode](packet)


def start(packet: Packet, timed: Packet) -> int:
    """The start of a `basis` packet, from an earlier timed one."""
    count = 2**10 if packet.compact else 2**13
    return timed.start + 32 * ((packet.sequence - timed.sequence) % count)


def crc16(data: bytes) -> int:
    """The checksum of version 2, bit by bit."""
    register = 0
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1) ^ (0x11021 if register & 0x8000 else 0)
    return register


def read_packet(data: bytes) -> Packet:
    check(len(data) >= 5, "too short")
    compact = data[0] >> 2 & 3 == 2
    checked = 2 if compact else 4
    body, position = data[:-checked], 0
    checksum = crc16(body) if compact else zlib.crc32(body)
    check(checksum == int.from_bytes(data[-checked:], "little"), "checksum")

    def take(n: int) -> bytes:
        nonlocal position
        check(position + n <= len(body), "ends early")
        position += n
        return body[position - n : position]

    def varint() -> int:
        value = 0
        for i in range(5):
            byte = take(1)[0]
            value |= (byte & 127) << 7 * i
            check(byte != 0 or i == 0, "varint")
            if byte < 128:
                return value
        raise ValueError("varint")

    first = take(1)[0]
    check(first >> 4 == 0b1010, "magic")
    check(first >> 2 & 3 in (1, 2), "version")
    check(compact or first & 3 < 3, "mode")
    mode = "basis" if compact else MODES[first & 3]
    word = (first & 3) << 8 | take(1)[0] if compact else int.from_bytes(take(2), "little")
    timed, sized, last = (word >> bit & 1 for bit in (13, 14, 15))
    check(mode == "basis" or bool(timed and sized), "not timed and sized")
    start = varint() if timed else None
    basis = take(4).hex() if timed and mode == "basis" else None
    check(basis in (None, HASH[:8]), "basis")
    n_frames = varint() if sized else None
    check(n_frames is None or 1 <= n_frames <= 3000, "frames")
    peak = struct.unpack("<h", take(2))[0] if last else None
    length = varint()
    check(length <= 2**20, "length")
    payload = take(length)
    check(position == len(body), "bytes left over")
    return Packet(mode, word % 2**13, start, basis, n_frames, peak, payload, compact)


class Number:
    """A payload as one integer, from which symbols are read."""

    def __init__(self, payload: bytes) -> None:
        check(not payload.endswith(b"\0"), "zero byte at the end")
        n = max(0, -(-(len(payload) - 128) // 64))
        self.pieces = [int.from_bytes(payload[64 * i : 64 * i + 64], "little") for i in range(n)]
        self.x = int.from_bytes(payload[64 * n :], "little")

    def take(self, c: int, f: int) -> None:
        self.x = f * (self.x // TOTAL) + self.x % TOTAL - c
        if self.pieces and self.x < 2**512:
            self.x = self.x * 2**512 + self.pieces.pop()

    def symbol(self, table: list[int]) -> int:
        r, c, symbol = self.x % TOTAL, 0, 0
        while r >= c + table[symbol]:
            c += table[symbol]
            symbol += 1
        self.take(c, table[symbol])
        return symbol

    def bits(self, n: int) -> int:
        f = TOTAL >> n
        value = self.x % TOTAL // f
        self.take(value * f, f)
        return value

    def value(self, table: list[int]) -> int:
        """A magnitude and its sign."""
        magnitude = self.symbol(table)
        if magnitude == len(table) - 1:
            n = 3
            while self.bits(1):
                n += 1
                check(n <= 12, "large number")
            magnitude += 2**n + self.bits(n) - 8
        return -magnitude if magnitude and self.bits(1) else magnitude

    def end(self) -> None:
        check(self.x == 0 and not self.pieces, "payload not used up")


def svd(packet: Packet) -> Decoded:
    n = packet.n_frames
    check(len(packet.payload) > 0, "empty")
    r = packet.payload[0]
    check(1 <= r <= min(80, n), "rank")
    check(len(packet.payload) == 1 + 2 * r * (81 + n), "length")
    values = np.frombuffer(packet.payload, "<f2", offset=1).astype(np.float64)
    check(bool(np.isfinite(values).all()), "not finite")
    u, s, v = values[: 80 * r], values[80 * r : 81 * r], values[81 * r :]
    return Decoded(packet, u.reshape(80, r) @ np.diag(s) @ v.reshape(r, n))


def scale(i: int) -> list[int]:
    mean = 2 ** (i / 3 - 4)
    q = mean / (1 + mean)
    shares = [(1 - q) * q**j for j in range(20)] + [q**20]
    table = [max(1, math.floor(share * (TOTAL - 21))) for share in shares]
    table[table.index(max(table))] += TOTAL - sum(table)
    return table


def svdq(packet: Packet) -> Decoded:
    n, number = packet.n_frames, Number(packet.payload)
    r = number.bits(7)
    check(1 <= r <= min(80, n), "rank")
    exponent = number.bits(8)
    step = 2 ** ((exponent - 128) / 16)
    means, columns = [], []
    for _ in range(80):
        means.append(number.value(scale(18)) + (means[-1] if means else 0))
    for _ in range(r):
        table = scale(number.bits(5))
        columns.append([number.value(table) for _ in range(80 + n)])
    number.end()
    values = np.array(columns, np.float64)
    frames = step**2 * values[:, :80].T @ values[:, 80:] + np.array(means)[:, None] / 16
    return Decoded(packet, frames, exponent=exponent, means=means, columns=columns)


def classes(quality: int, kind: int, t: int, before: list[list[int]], f: list[int]) -> list[int]:
    """The class of each coefficient of row t, from the levels of the previous rows."""
    p1, p2, p3 = ([*before[::-1], [0] * 80, [0] * 80, [0] * 80])[:3]
    step_level = round(8 * math.log(4 * 2 ** (-quality / 5)))
    sums = [sum(p) // 4 for p in (p1, p2, p1[:6], p1[6:20], p1[20:])]
    selected = []
    for k in range(LISTS["limits"][quality][t]):
        prior = LISTS["context.prior"][kind][t][k]
        near = [
            p[i] if 0 <= i < 80 else 0
            for p, reach in ((p1, 3), (p2, 2), (p3, 1))
            for i in range(k - reach, k + reach + 1)
        ]
        inputs = [*near, *sums, f[k], prior, step_level, t]
        hidden = [
            min(max((sum(map(int.__mul__, row, inputs)) + bias) // 64, 0), 1023)
            for row, bias in zip(LISTS["context.inner"], LISTS["context.inner_bias"], strict=True)
        ]
        out = sum(map(int.__mul__, LISTS["context.outer"], hidden)) + LISTS["context.outer_bias"][0]
        selected.append(min(max(out // 64 + prior - step_level, 0), 63))
    return selected


def basis(packet: Packet) -> Decoded:
    n = packet.n_frames or 32
    number = Number(packet.payload)
    quality = number.bits(4)
    blocks, n_rows = [], []
    for _ in range(-(-n // 32)):
        rows = number.symbol(LISTS["lengths"][quality])
        flat = rows == 33
        n_rows.append(0 if flat else rows)
        blocks.append(Block(number.bits(8), None) if flat else Block(None, number.bits(4)))
    levels = [[] for _ in blocks]
    far = [[0] * 80 for _ in blocks]
    for t in range(32):
        for i, block in enumerate(blocks):
            if t >= n_rows[i]:
                continue
            row = [0] * 80
            for k, c in enumerate(classes(quality, block.kind, t, levels[i], far[i])):
                row[k] = number.value(LISTS["magnitudes"][c])
            block.rows.append(row)
            levels[i].append([LEVELS[min(abs(value), 15)] for value in row])
            far[i] = [13 * f // 16 + p for f, p in zip(far[i], levels[i][-1], strict=True)]
    number.end()
    frames = np.concatenate([block_frames(quality, block) for block in blocks], axis=1)
    return Decoded(packet, frames[:, :n], quality, blocks)


def block_frames(quality: int, block: Block) -> np.ndarray:
    if block.kind is None:
        return np.full((80, 32), -10 + block.level / 16)
    coefficients = np.zeros((32, 80))
    for t, row in enumerate(block.rows):
        for k, value in enumerate(row):
            if value:
                coefficients[t, k] = 4 * 2 ** (-quality / 5) * value
    t, i = np.mgrid[:32, :32]
    dct = np.sqrt(np.where(t == 0, 1, 2) / 32) * np.cos(np.pi * t * (2 * i + 1) / 64)
    vectors = TENSORS["vectors"][block.kind].astype(np.float64)
    mean = TENSORS["mean"][block.kind].astype(np.float64)
    return vectors.T @ (dct.T @ coefficients).T + mean[:, None]
