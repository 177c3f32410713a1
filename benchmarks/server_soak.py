"""The memory of the server over a long time under a mixed load.

Claim: it does not grow. For MINUTES (20), 40 streams of packets come and go, four clients post
recordings, another one damaged ones; the memory of all processes of the server is read every
five seconds. The first fifth is left out: caches and pools fill.

python benchmarks/server_soak.py [--minutes MINUTES]
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import serkit
from serkit.audio import SAMPLE_RATE

from harness import machine, versions, write_result
from served import Served, served
from server_load import NOTE, generated, packet_plan, recordings

N_STREAMS = 40
N_POSTS = 4
PAUSE_S = 0.1
EVERY_S = 5.0
ROUND_S = 60.0


def sampled(server: Served, until: float, memory: list[tuple[float, float]]) -> None:
    """Read the memory until a time."""
    begun = time.monotonic()
    while time.monotonic() < until:
        memory.append((time.monotonic() - begun, server.memory_mb))
        time.sleep(EVERY_S)


def rounds(until: float, *arguments: object) -> dict[str, int]:
    """Load in rounds, each by a new process, until a time; what was answered."""
    total: dict[str, int] = {}
    while time.monotonic() < until:
        seen = generated(*arguments)
        counts = seen.get("codes") or {
            "streams": N_STREAMS,
            "complete": seen["complete"],
            "wrong": seen["wrong"],
            "errors": len(seen["errors"]) + len(seen["refused"]),
        }
        for name, number in counts.items():
            total[name] = total.get(name, 0) + number
    return total


def slope(memory: list[tuple[float, float]]) -> float:
    """Growth in MB per hour, by least squares."""
    seconds, megabytes = np.array(memory).T
    return float(np.polyfit(seconds, megabytes, 1)[0] * 3600)


def main() -> None:
    """Measure, and write the result."""
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=20.0)
    minutes = options.parse_args().minutes
    samples = serkit.read(NOTE)
    memory: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name, served() as server, ThreadPoolExecutor(4) as pool:
        folder = Path(name)
        path = recordings(folder, samples[: 3 * SAMPLE_RATE])["wav"]
        damaged = folder / "damaged.wav"
        damaged.write_bytes(path.read_bytes()[:20] + b"\xff" * 1000)
        plan = folder / "plan.json"
        plan.write_text(json.dumps(packet_plan(samples)))
        until = time.monotonic() + 60.0 * minutes
        before = server.cpu_s
        watching = threading.Thread(target=sampled, args=(server, until, memory))
        watching.start()
        loads = {
            "streams": pool.submit(rounds, until, "streams", server.port, N_STREAMS, plan),
            "posts": pool.submit(
                rounds, until, "posts", server.port, N_POSTS, ROUND_S, path, PAUSE_S
            ),
            "damaged": pool.submit(
                rounds, until, "posts", server.port, 1, ROUND_S, damaged, PAUSE_S
            ),
        }
        seen: dict[str, Any] = {kind: load.result() for kind, load in loads.items()}
        watching.join()
        cpu_s = server.cpu_s - before
    settled = memory[len(memory) // 5 :]
    write_result(
        "server_soak",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "uvicorn"]),
            "minutes": minutes,
            "cpu_share": cpu_s / (60.0 * minutes),
            "seen": seen,
            "first_mb": settled[0][1],
            "last_mb": settled[-1][1],
            "least_mb": min(one for _, one in settled),
            "most_mb": max(one for _, one in settled),
            "mb_per_hour": slope(settled),
        },
    )


if __name__ == "__main__":
    main()
