"""Load on a server of serkit, from a process of its own; prints what it saw as JSON.

python benchmarks/load_generator.py streams PORT N PLAN.json
python benchmarks/load_generator.py posts PORT N SECONDS RECORDING [PAUSE_S]
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

PACKET_S = 0.32
_SPREAD_S = 20 * PACKET_S
_LONGEST_S = 120.0


async def one_stream(port: int, plan: dict[str, Any], delay_s: float, seen: dict[str, Any]) -> None:
    """Send the chunks of a plan in real time.

    The latency of an event is counted from the moment at which the chunk that completes it was due,
    so that a server that holds the sender back gains nothing.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    await asyncio.sleep(delay_s)
    chunks = [bytes.fromhex(chunk) for chunk in plan["chunks"]]
    begun = time.perf_counter()
    n_events = 0
    try:
        async with connect(
            f"ws://127.0.0.1:{port}/v1/stream", compression=None, max_queue=None, proxy=None
        ) as connection:
            await connection.send(json.dumps({"type": "start", **plan["start"]}))
            ready = json.loads(await connection.recv())
            if ready["event"] != "ready":
                seen["refused"].append(ready["code"])
                return
            begun = time.perf_counter()

            async def send() -> None:
                for number, chunk in enumerate(chunks):
                    await asyncio.sleep(begun + number * PACKET_S - time.perf_counter())
                    await connection.send(chunk)
                await connection.send('{"type": "end"}')

            sending = asyncio.create_task(send())
            async for message in connection:
                now = time.perf_counter()
                event = json.loads(message)
                if "seq" not in event:
                    continue
                chunk = plan["completed_by"][n_events]
                expected = plan["events"][n_events]
                n_events += 1
                if event["event"] != expected:
                    seen["wrong"] += 1
                if chunk < len(chunks):
                    seen["latencies"].setdefault(expected, []).append(
                        now - begun - chunk * PACKET_S
                    )
            await sending
    except (OSError, WebSocketException, TimeoutError) as error:
        seen["errors"].append(type(error).__name__)
    seen["complete"] += n_events == len(plan["events"])


async def streams(port: int, n: int, plan: dict[str, Any]) -> dict[str, Any]:
    """Several streams at once, begun at random times within `_SPREAD_S`."""
    seen: dict[str, Any] = {"latencies": {}, "errors": [], "refused": [], "wrong": 0, "complete": 0}
    rng = random.Random(n)  # noqa: S311
    async with asyncio.timeout(_LONGEST_S + len(plan["chunks"]) * PACKET_S):
        await asyncio.gather(
            *(one_stream(port, plan, rng.uniform(0, _SPREAD_S), seen) for _ in range(n))
        )
    return seen


async def posts(
    port: int, n: int, seconds: float, recording: bytes, pause_s: float
) -> dict[str, Any]:
    """Several clients, each of which asks again after a pause."""
    head = "POST /v1/recognize HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    request = f"{head}Content-Length: {len(recording)}\r\n\r\n".encode() + recording
    latencies: list[float] = []
    codes: Counter[str] = Counter()
    unclean = 0
    answers = set()
    begun = time.perf_counter()

    async def client() -> None:
        nonlocal unclean
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < begun + seconds:
            asked = time.perf_counter()
            try:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                body = await reader.readexactly(length)
            except (OSError, asyncio.IncompleteReadError, IndexError):
                codes["broken"] += 1
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                continue
            code = head[9:12]
            codes[code] += 1
            if code == "200":
                latencies.append(time.perf_counter() - asked)
                answers.add(body)
            elif "retry-after:" not in head or b'"code"' not in body:
                unclean += 1
            if "connection: close" in head:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if pause_s or code != "200":
                await asyncio.sleep(pause_s or 0.01)
        writer.close()

    await asyncio.gather(*(client() for _ in range(n)))
    return {
        "seconds": time.perf_counter() - begun,
        "codes": codes,
        "unclean": unclean,
        "different_answers": len(answers),
        "latencies": latencies,
    }


def main() -> None:
    """See the docstring of the module."""
    kind, port, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if kind == "streams":
        found = asyncio.run(streams(port, n, json.loads(Path(sys.argv[4]).read_text())))
    else:
        seconds, recording = float(sys.argv[4]), Path(sys.argv[5]).read_bytes()
        pause_s = float(sys.argv[6]) if len(sys.argv) > 6 else 0.0
        found = asyncio.run(posts(port, n, seconds, recording, pause_s))
    json.dump(found | {"cpu_s": time.process_time()}, sys.stdout)


if __name__ == "__main__":
    main()
