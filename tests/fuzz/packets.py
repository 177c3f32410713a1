"""Fuzz the codec: any bytes give frames or a `PacketError`.

By random mutation, which needs NumPy only:

    python tests/fuzz/packets.py --runs 1000000 --seed 0

Guided by coverage (`pip install 'serkit[fuzz]'`), with libFuzzer's options after `--guided`:

    python tests/fuzz/packets.py --guided -runs=100000 -timeout=5 -rss_limit_mb=1024

Both start from valid packets of all modes. Most mutations keep the structure of the stream and
recompute checksums, so that they reach the readers of headers and payloads. A failing input is
written to a file, and `--replay FILE` runs it again.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

if "--guided" in sys.argv:
    import atheris

    with atheris.instrument_imports(include=["serkit.codec"]):
        import_module("serkit.codec")

import numpy as np

from serkit.codec import (
    Decoder,
    Mode,
    Packet,
    decode,
    encode_basis,
    encode_low_rank,
    payloads,
    read_packet,
    shipped_basis,
    split,
)
from serkit.errors import PacketError

MAX_BYTES = 4096
MAX_SECONDS = 5
MAX_MEMORY = 4 << 30
"""Of addresses, most of which the libraries take."""

NUMBERS = (0, 1, 2, 31, 32, 33, 63, 64, 127, 128, 129, 3000, 3001, 6000, 6001, 8191)
NUMBERS += (1 << 14, 1 << 16, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)

payloads_read: Counter[str] = Counter()


def seeds() -> list[bytes]:
    """Streams of a synthetic voice with pauses."""
    rng = np.random.default_rng(0)
    time_s = np.arange(24_000) / 16_000
    tone = sum(np.sin(2 * np.pi * 130 * k * time_s) / k for k in range(1, 25))
    loud = np.clip(np.sin(2 * np.pi * 1.3 * time_s), 0, 1) ** 2
    voice = (0.1 * loud * tone + 0.002 * rng.standard_normal(24_000)).astype(np.float32)
    found = [
        encode_basis(voice, quality, blocks_per_packet=blocks)
        for quality in (0, 5, 10)
        for blocks in (1, 3)
    ]
    found.append(encode_basis(np.zeros(12_000, np.float32), 5))
    for n in (480, 4_000, 12_000):
        found += [encode_low_rank(voice[:n], rmse=error) for error in (0.3, 0.1)]
        found.append(encode_low_rank(voice[:n], ratio=0.05))
    return [one for one in found if len(one) <= MAX_BYTES]


def one_input(content: bytes) -> str:
    """Read bytes as a file, or packet by packet, depending on their length.

    Args:
        content: Any bytes.

    Returns:
        The outcome: `frames`, or the error message without its numbers.
    """
    packets, outcome = [], "frames"
    try:
        for packet in split(content):
            packets.append(packet)
    except PacketError as error:
        outcome = _kind(error)
    if not packets:
        try:
            read_packet(content)
        except PacketError as error:
            return _kind(error)
        raise AssertionError("a packet that is no file")
    if len(content) % 2:
        try:
            _check(decode(content).log_mel, most=1 << 22)
        except PacketError as error:
            outcome = _kind(error)
        return outcome
    decoder = Decoder(reorder=len(content) % 5)
    for packet in packets:
        try:
            _check(decoder.push(packet), most=50_000)
        except PacketError as error:
            outcome = _kind(error)
    _check(decoder.flush(), most=50_000)
    return outcome


def _kind(error: PacketError) -> str:
    text = re.sub(r"0x..|\d+\.\d+|\b[0-9a-f]{8}\b|\d+", "#", str(error))
    return text.replace(" at byte #", "").replace(" here:", ":")


def _check(frames: np.ndarray[Any, Any], *, most: int) -> None:
    assert frames.dtype == np.float32
    assert frames.shape[0] == 80
    assert frames.shape[1] <= most
    assert np.isfinite(frames).all()


def mutated(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A stream with one to four mutations.

    Args:
        content: Perhaps a stream.
        rng: Source of all random choices.
        others: Streams to take packets from.
    """
    if rng.random() < 0.2:
        return _flipped(content, rng)[:MAX_BYTES]
    packets = _readable(content)
    if not packets:
        packets = _readable(rng.choice(others))
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(packets))
        kind = rng.randrange(8)
        if kind == 0 and len(packets) > 1:
            del packets[place]
        elif kind == 1:
            packets.insert(rng.randint(0, len(packets)), packets[place])
        elif kind == 2:
            packets.insert(place, rng.choice(_readable(rng.choice(others))))
        elif kind == 3:
            packets[place] = _other_header(packets[place], rng)
        else:
            packets[place] = replace(
                packets[place], payload=_flipped(packets[place].payload, rng)[: MAX_BYTES // 2]
            )
    out = b"".join(packet.to_bytes() for packet in packets[: rng.choice((1, 1, 2, 3, 40))])
    if rng.random() < 0.05:
        out = out[: rng.randint(0, len(out))]
    return out[:MAX_BYTES]


def _readable(content: bytes) -> list[Packet]:
    found = []
    try:
        for packet in split(content):
            found.append(read_packet(packet))
    except PacketError:
        pass
    return found


def _other_header(packet: Packet, rng: random.Random) -> Packet:
    number = rng.choice(NUMBERS)
    kind = rng.randrange(5)
    if kind == 0:
        return replace(packet, sequence=number % (1024 if packet.compact else 8192))
    packet = replace(packet, compact=False)
    if kind == 1:
        timed = rng.random() < 0.8
        basis = shipped_basis().digest if rng.random() < 0.9 else b"\0\0\0\0"
        return replace(packet, start_frame=number if timed else None, basis=basis if timed else b"")
    if kind == 2:
        return replace(packet, n_frames=number if rng.random() < 0.8 else None)
    if kind == 3:
        return replace(packet, peak=rng.choice((None, -128.0, -1.0, 0.0, 127.0)))
    mode = Mode(rng.randrange(3))
    basis = shipped_basis().digest if mode is Mode.BASIS and packet.start_frame is not None else b""
    return replace(packet, mode=mode, basis=basis)


def _flipped(content: bytes, rng: random.Random) -> bytes:
    """Bytes with one to four of them changed, inserted or removed."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randint(0, len(found))
        kind = rng.randrange(6)
        if kind == 0 and place < len(found):
            found[place] ^= 1 << rng.randrange(8)
        elif kind == 1 and place < len(found):
            found[place] = rng.choice((0, 1, 127, 128, 255))
        elif kind == 2:
            found[place:place] = rng.randbytes(rng.choice((1, 2, 8, 64, 130)))
        elif kind == 3:
            del found[place : place + rng.choice((1, 4, 64))]
        elif kind == 4:
            del found[place:]
        else:
            found = bytearray(rng.randbytes(rng.randint(0, 40)))
    return bytes(found)


def counted(name: str) -> None:
    """Count the payloads read."""
    read: Callable[..., Any] = getattr(payloads, name)

    def counting(*arguments: Any) -> Any:
        payloads_read[name] += 1
        return read(*arguments)

    setattr(payloads, name, counting)


def too_long(*_: object) -> None:
    """Handle the alarm of an execution that hangs."""
    raise TimeoutError(f"more than {MAX_SECONDS} s")


def plain(runs: int, seed: int) -> dict[str, Any]:
    """Mutate repeatedly; a stream with a new outcome is added to the seeds.

    Args:
        runs: Executions.
        seed: Of the mutations.

    Returns:
        Figures.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    signal.signal(signal.SIGALRM, too_long)
    rng = random.Random(seed)
    originals = seeds()
    pool = list(originals)
    for one in pool:
        assert one_input(one) == "frames"
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    payloads_read.clear()
    outcomes: Counter[str] = Counter()
    in_payload, longest = 0, 0.0
    begun = time.perf_counter()

    def figures() -> dict[str, Any]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "executions": outcomes.total(),
            "seed": seed,
            "seconds": round(time.perf_counter() - begun, 1),
            "reached_payloads": in_payload,
            "payloads_read": dict(payloads_read),
            "longest_s": round(longest, 4),
            "peak_mb": round(peak * 1024 / 1e6, 1),
            "peak_mb_before": round(base * 1024 / 1e6, 1),
            "outcomes": dict(outcomes.most_common()),
        }

    for i in range(runs):
        if i % 20_000 == 19_999:
            print(json.dumps(figures()), file=sys.stderr, flush=True)
        content = mutated(rng.choice(pool), rng, originals)
        before = payloads_read.total()
        signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
        start = time.perf_counter()
        try:
            outcome = one_input(content)
        except BaseException:
            signal.setitimer(signal.ITIMER_REAL, 0)
            Path("fuzz-failure.bin").write_bytes(content)
            print("wrote fuzz-failure.bin", file=sys.stderr)
            raise
        longest = max(longest, time.perf_counter() - start)
        signal.setitimer(signal.ITIMER_REAL, 0)
        in_payload += payloads_read.total() > before
        if outcome not in outcomes or rng.random() < 1e-4:
            pool.append(content)
        outcomes[outcome] += 1
    return figures()


def guided(options: list[str]) -> None:
    """Fuzz with atheris, guided by branch coverage."""
    originals = seeds()

    def mutator(content: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.3:
            return bytes(atheris.Mutate(content, max_size))
        return mutated(content, rng, originals)[:max_size]

    def target(content: bytes) -> None:
        one_input(content)

    atheris.Setup([sys.argv[0], f"-max_len={MAX_BYTES}", *options], target, custom_mutator=mutator)
    atheris.Fuzz()


def main() -> None:
    """Fuzz, or replay a failure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--guided", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    for name in ("decode_blocks", "decode_svd", "decode_svdq"):
        counted(name)
    if given.replay:
        print(one_input(given.replay.read_bytes()))
    elif given.guided is not None:
        guided(given.guided)
    else:
        print(json.dumps(plain(given.runs, given.seed), indent=2))


if __name__ == "__main__":
    main()
