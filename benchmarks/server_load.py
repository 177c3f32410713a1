"""The server under load: streams in real time, recordings as fast as it takes them, and too many.

Claims: on two cores, with the load generator in a process of its own on the same machine, at least
200 streams of packets are answered in real time, 99 of 100 segments within 300 ms after the
segment's last packet was due; beyond its limits the server answers 429 with Retry-After and
nothing else, and is as fast as before once the load has gone. How much micro-batching gives is
measured, not claimed.

Method: each stream sends a packet of 320 ms every 320 ms, of the README's note, twice; it is
classified every 2 s. Every event is compared with that of a local stream, which also tells the
packet that completes it. Recordings are the first 3 s of the note; 16 clients ask again at once.

python benchmarks/server_load.py
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import soundfile

import serkit
from serkit.audio import SAMPLE_RATE
from serkit.codec import Encoder
from serkit.runtime import TimelineSettings

from harness import machine, versions, write_result
from load_generator import PACKET_S
from served import Served, served

NOTE = Path(__file__).parents[1] / "examples" / "note.ogg"
HOP_S = 2.0
N_STREAMS = (50, 100, 200, 300, 400)
CLIENTS = 16
POST_S = 15.0
LIMIT = 16
ROUNDS = 3


def packets_of(samples: np.ndarray) -> list[bytes]:
    """Its packets, and the last one."""
    encoder = Encoder()
    size = int(PACKET_S * SAMPLE_RATE)
    packets = [
        packet
        for start in range(0, len(samples), size)
        for packet in encoder.push(samples[start : start + size])
    ]
    return [*packets, *encoder.flush()]


def packet_plan(samples: np.ndarray) -> dict[str, Any]:
    """A stream of packets, its events, and the packet that completes each of them."""
    return plan(
        {"input": "packets", "timeline": {"hop": HOP_S}}, packets_of(samples), "push_packet"
    )


def plan(start: dict[str, Any], chunks: list[bytes], push: str) -> dict[str, Any]:
    """A stream for the load generator."""
    stream = serkit.load("tiny-mel").stream(TimelineSettings(hop_s=HOP_S), detector=None)
    taken = [getattr(stream, push)(chunk) for chunk in chunks]
    events = [(number, event.kind) for number, of_one in enumerate(taken) for event in of_one]
    events += [(len(chunks), event.kind) for event in stream.finish()]
    return {
        "start": start,
        "chunks": [chunk.hex() for chunk in chunks],
        "completed_by": [number for number, _ in events],
        "events": [kind for _, kind in events],
    }


def generated(*arguments: object) -> dict[str, Any]:
    """What the load generator saw, in a process of its own."""
    script = Path(__file__).parent / "load_generator.py"
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)], capture_output=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def milliseconds(latencies: list[float], percent: float) -> float | None:
    """A percentile in milliseconds."""
    return round(1e3 * float(np.percentile(latencies, percent)), 1) if latencies else None


def streams(folder: Path, samples: np.ndarray) -> list[dict[str, Any]]:
    """Streams at once, latencies and costs."""
    path = folder / "plan.json"
    path.write_text(json.dumps(packet_plan(samples)))
    rows = []
    for n in N_STREAMS:
        with served(max_streams=512) as server:
            before = server.cpu_s
            begun = time.monotonic()
            seen = generated("streams", server.port, n, path)
            row = {
                "n": n,
                "complete": seen["complete"],
                "wrong": seen["wrong"],
                "errors": len(seen["errors"]) + len(seen["refused"]),
                "cpu_s_per_stream_s": (server.cpu_s - before) / (n * len(samples) / SAMPLE_RATE),
                "generator_cpu_share": seen["cpu_s"] / (time.monotonic() - begun),
                "memory_mb": round(server.memory_mb, 1),
            }
        for kind, name in (("segment", ""), ("partial", "window_")):
            latencies = seen["latencies"].get(kind, [])
            row |= {
                f"{name}answers": len(latencies),
                f"{name}p50_ms": milliseconds(latencies, 50),
                f"{name}p99_ms": milliseconds(latencies, 99),
            }
        print(row, flush=True)
        rows.append(row)
    return rows


def recordings(folder: Path, samples: np.ndarray) -> dict[str, Path]:
    """The recording that is sent, as WAV and as packets."""
    sound = io.BytesIO()
    soundfile.write(sound, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    paths = {"wav": folder / "a.wav", "basis": folder / "a.smel"}
    paths["wav"].write_bytes(sound.getvalue())
    paths["basis"].write_bytes(b"".join(packets_of(samples)))
    return paths


def asked(server: Served, n: int, seconds: float, recording: Path) -> dict[str, Any]:
    """Recordings from n clients."""
    before = server.cpu_s
    seen = generated("posts", server.port, n, seconds, recording)
    answered = seen["codes"].get("200", 0)
    return {
        "per_s": answered / seen["seconds"],
        "codes": seen["codes"],
        "unclean": seen["unclean"],
        "different_answers": seen["different_answers"],
        "cpu_s_per_request": (server.cpu_s - before) / max(1, answered),
        "p50_ms": milliseconds(seen["latencies"], 50),
        "p99_ms": milliseconds(seen["latencies"], 99),
    }


def posts(paths: dict[str, Path]) -> list[dict[str, Any]]:
    """Throughput with batches and without, in turn."""
    rows = []
    for name, path in paths.items():
        by_batch: dict[int, list[dict[str, Any]]] = {32: [], 1: []}
        for _ in range(ROUNDS):
            for batch, found in by_batch.items():
                with served(batch_max=batch) as server:
                    asked(server, CLIENTS, 2.0, path)
                    found.append(asked(server, CLIENTS, POST_S, path))
        batched, single = (
            sorted(found, key=lambda one: one["per_s"])[ROUNDS // 2] for found in by_batch.values()
        )
        rows.append({"recording": name, "bytes": path.stat().st_size, "batched": batched})
        rows[-1] |= {"single": single, "ratio": batched["per_s"] / single["per_s"]}
        print(rows[-1], flush=True)
    return rows


def overload(path: Path) -> dict[str, Any]:
    """Three times as many clients as the limit allows, and what follows."""
    with served(max_pending=LIMIT) as server:
        asked(server, LIMIT, 2.0, path)
        rows = {
            "before": asked(server, LIMIT, POST_S, path),
            "during": asked(server, 3 * LIMIT, POST_S, path),
            "after": asked(server, LIMIT, POST_S, path),
        }
    print(rows, flush=True)
    return {"limit": LIMIT, **rows}


def main() -> None:
    """Measure everything, and write the result."""
    samples = serkit.read(NOTE)
    short = samples[: 3 * SAMPLE_RATE]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = recordings(folder, short)
        result = {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "uvicorn", "fastapi", "websockets"]),
            "packet_s": PACKET_S,
            "hop_s": HOP_S,
            "stream_s": 2 * len(samples) / SAMPLE_RATE,
            "recording_s": 3.0,
            "clients": CLIENTS,
            "streams": streams(folder, np.concatenate([samples, samples])),
            "posts": posts(paths),
            "overload": overload(paths["wav"]),
        }
    write_result("server_load", result)


if __name__ == "__main__":
    main()
