"""What strangers and accidents do to the server, while others use it.

Claims: damaged, slow, oversized, unauthorised and silent clients are refused with what the protocol
has for them, no answer is a 5xx, and the recordings of others, which are posted all the while, are
answered as before. After kill -9 of the server under load, clients go on with the new one: no event
of a stream is lost or doubled. A crash of the recogniser of speech or of a decoding process
costs at most what it had in hand.

python benchmarks/server_faults.py [FAULT ...]
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import contextlib
import http.client
import io
import json
import random
import resource
import signal
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

import serkit
from serkit.audio import SAMPLE_RATE
from serkit.runtime import TimelineSettings
from serkit.runtime.timeline_text import event_object
from serkit.serving.client import Retries

from harness import machine, versions, write_result
from load_generator import PACKET_S
from served import Served, free_port, served, start, wait_until_ready
from server_load import HOP_S, NOTE, packets_of

RECORDING = Path(__file__).parents[1] / "examples" / "plain.flac"
MUTATIONS = 1000
MUTATED_STREAMS = 200
SLOW = 300
IDLE = 10_000
KILLS = 6
RESUMING = 8
HEADER_S = 5.0


class Others:
    """Clients that post a good recording all the while, and check every answer."""

    def __init__(self, port: int, n: int = 2) -> None:
        self._port = port
        self._content = RECORDING.read_bytes()
        self._over = threading.Event()
        self.codes: Counter[str] = Counter()
        self.slowest_s = 0.0
        self.answers: set[bytes] = set()
        self._threads = [threading.Thread(target=self._post) for _ in range(n)]

    def __enter__(self) -> Others:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def seen(self) -> dict[str, Any]:
        """What they saw."""
        return {
            "codes": dict(self.codes),
            "different_answers": len(self.answers),
            "slowest_s": self.slowest_s,
        }

    def _post(self) -> None:
        while not self._over.wait(0.05):
            begun = time.monotonic()
            try:
                code, body = posted(self._port, self._content)
            except OSError as error:
                self.codes[type(error).__name__] += 1
                continue
            self.codes[str(code)] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
            if code == 200:
                answer = json.loads(body)
                self.answers.add(json.dumps([answer["label"], answer["scores"]]).encode())


def posted(port: int, content: bytes, **headers: str) -> tuple[int, bytes]:
    """The status and body of the answer to a recording."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v1/recognize", content, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def mutated(content: bytes, rng: random.Random) -> bytes:
    """A recording with a few damaged places."""
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 2, 8, 40))):
        at = rng.randrange(len(damaged) + 1)
        damaged[at : at + rng.randrange(4)] = rng.randbytes(rng.randrange(4))
    return bytes(damaged)


def mutated_bodies(server: Served) -> dict[str, Any]:
    """Damaged recordings and packets."""
    rng = random.Random(0)  # noqa: S311
    samples = serkit.read(RECORDING)
    sources = [RECORDING.read_bytes(), NOTE.read_bytes(), b"".join(packets_of(samples))]
    codes: Counter[str] = Counter()
    for number in range(MUTATIONS):
        code, body = posted(server.port, mutated(sources[number % len(sources)], rng))
        codes[str(code) if code == 200 else f"{code} {json.loads(body)['error']['code']}"] += 1
    return {"requests": MUTATIONS, "codes": codes}


def mutated_streams(server: Served) -> dict[str, Any]:
    """Damaged packets on streams; how each stream ended."""
    rng = random.Random(1)  # noqa: S311
    packets = packets_of(serkit.read(RECORDING))
    ends: Counter[str] = Counter()
    n_chunks = 0
    for _ in range(MUTATED_STREAMS):
        try:
            with connect(f"ws://127.0.0.1:{server.port}/v1/stream", proxy=None) as stream:
                stream.send(json.dumps({"type": "start", "input": "packets"}))
                for packet in packets:
                    stream.send(mutated(packet, rng) if rng.random() < 0.5 else packet)
                    n_chunks += 1
                stream.send('{"type": "end"}')
                last: dict[str, Any] = {}
                for message in stream:
                    event = json.loads(message)
                    last = last if event["event"] == "ack" else event
                ends[last["event"]] += 1
        except WebSocketException as error:
            ends[type(error).__name__] += 1
    return {"streams": MUTATED_STREAMS, "chunks": n_chunks, "ends": ends}


def slow_clients(server: Served) -> dict[str, Any]:
    """Clients that send a header, or a body, a byte per second."""
    begun = time.monotonic()
    lives: list[float] = []

    def drip(request: bytes) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.settimeout(1.0)
            for byte in request:
                try:
                    sock.sendall(bytes([byte]))
                    if not sock.recv(1 << 12):
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            lives.append(time.monotonic() - begun)

    header = b"POST /v1/recognize HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n"
    with ThreadPoolExecutor(SLOW) as pool:
        list(pool.map(drip, [header] * SLOW))
    return {"connections": SLOW, "limit_s": HEADER_S, "longest_s": max(lives)}


def half_closed(server: Served) -> dict[str, Any]:
    """Clients that close their half after the request."""
    content = RECORDING.read_bytes()
    head = f"POST /v1/recognize HTTP/1.1\r\nHost: a\r\nContent-Length: {len(content)}\r\n\r\n"
    answered = 0
    for _ in range(SLOW):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
            sock.sendall(head.encode() + content)
            sock.shutdown(socket.SHUT_WR)
            answered += b" 200 " in sock.makefile("rb").readline()
    return {"connections": SLOW, "answered": answered}


def idle_connections(server: Served) -> dict[str, Any]:
    """Ten thousand connections that say nothing."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    told = closed = 0
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(IDLE):
            sock = stack.enter_context(socket.socket())
            sock.settimeout(60)
            sock.connect(("127.0.0.1", server.port))
            sockets.append(sock)
        for sock in sockets:
            sock.settimeout(HEADER_S + 60)
            with contextlib.suppress(OSError):
                answer = sock.recv(1 << 12)
                told += b" 503 " in answer and b"retry-after" in answer.lower()
                closed += not answer
    return {"connections": IDLE, "told_503": told, "closed_after_header_timeout": closed}


def wrong_tokens(server: Served) -> dict[str, Any]:
    """Requests with no token, and with wrong ones."""
    codes: Counter[str] = Counter()
    for number in range(1000):
        headers = {"Authorization": f"Bearer {number:032x}"} if number % 2 else {}
        codes[str(posted(server.port, b"x" * 100, **headers)[0])] += 1
    return {"requests": 1000, "codes": codes}


def too_large(server: Served) -> dict[str, Any]:
    """Announced bodies of a gigabyte, and a recording of 75 hours in a megabyte."""
    seconds, codes = [], Counter[str]()
    for _ in range(200):
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
            sock.sendall(
                b"POST /v1/recognize HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n"
            )
            codes[sock.makefile("rb").readline()[9:12].decode()] += 1
        seconds.append(time.monotonic() - begun)
    long = []
    content = hours_in_a_megabyte()
    for _ in range(50):
        begun = time.monotonic()
        codes[f"75 hours: {posted(server.port, content)[0]}"] += 1
        long.append(time.monotonic() - begun)
    return {
        "codes": codes,
        "large_median_ms": 1e3 * statistics.median(seconds),
        "hours_bytes": len(content),
        "hours_median_ms": 1e3 * statistics.median(long),
    }


def hours_in_a_megabyte() -> bytes:
    """A FLAC file of a megabyte whose header announces 75 hours."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(-9999, 9999, 8000 * 66).astype(np.int16)
    soundfile.write(file, noise, 8000, format="FLAC")
    content = bytearray(file.getvalue())
    # STREAMINFO: 20 bits of the rate, 3 of channels, 5 of bits, 36 of the number of samples.
    (value,) = struct.unpack_from(">Q", content, 18)
    struct.pack_into(">Q", content, 18, value >> 36 << 36 | 75 * 3600 * 8000)
    return bytes(content)


def dying_decoders(server: Served) -> dict[str, Any]:
    """Kill -9 of a decoding process every half second, under the load of the others."""
    kills = 0
    for _ in range(20):
        time.sleep(0.5)
        children = server.processes[1:]
        with contextlib.suppress(IndexError, ProcessLookupError):
            os.kill(random.choice(children), signal.SIGKILL)  # noqa: S311
            kills += 1
    time.sleep(2.0)
    return {"kills": kills}


def dying_recogniser(server: Served) -> dict[str, Any]:
    """Kill -9 of the recogniser of speech; how long until it is back."""
    back = []
    for _ in range(3):
        (process,) = [one for one in server.processes[1:] if _is_recogniser(one)]
        os.kill(process, signal.SIGKILL)
        begun = time.monotonic()
        while ready_object(server)["asr"] == "ready":
            posted(server.port, RECORDING.read_bytes())  # the death is noticed with a request
        while ready_object(server)["asr"] != "ready":
            time.sleep(0.05)
        back.append(time.monotonic() - begun)
    return {"kills": len(back), "slowest_return_s": max(back)}


def _is_recogniser(process: int) -> bool:
    return "spawn_main" in Path(f"/proc/{process}/cmdline").read_text()


def ready_object(server: Served) -> dict[str, Any]:
    """What /readyz says."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/readyz")
    values: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return values


def killed_servers() -> dict[str, Any]:
    """Kill -9 of the server under load, and a new one on its port, several times."""
    port = free_port()
    samples = serkit.read(NOTE)
    settings = TimelineSettings(hop_s=HOP_S)
    local = serkit.load("tiny-mel").stream(settings)
    events = [event for packet in packets_of(samples) for event in local.push_packet(packet)]
    expected = list(map(event_object, events + local.finish()))
    server = Served(port, start(port))
    wait_until_ready(server)
    over = threading.Event()
    outcomes: Counter[str] = Counter()
    attempts = 0
    retries = Retries(most=20, first_s=0.05, longest_s=2.0)

    def streamed() -> None:
        nonlocal attempts
        size = int(PACKET_S * SAMPLE_RATE)
        with serkit.Client(f"http://127.0.0.1:{port}", retries=retries, timeout_s=60.0) as client:
            while not over.is_set():
                found = []
                with client.stream(settings) as stream:
                    for at in range(0, len(samples), size):
                        found += stream.push(samples[at : at + size])
                        time.sleep(PACKET_S / 4)
                    found += stream.finish()
                attempts += stream.costs[0].attempts
                if stream.source != "server":
                    outcomes["answered on the device"] += 1
                elif list(map(event_object, found)) == expected:
                    outcomes["all events once"] += 1
                else:
                    outcomes["events lost or doubled"] += 1

    def posted_by_client() -> None:
        content = RECORDING.read_bytes()
        answers = set()
        with serkit.Client(f"http://127.0.0.1:{port}", retries=retries, timeout_s=60.0) as client:
            while not over.is_set():
                answer = client.recognize(content)
                outcomes[f"recordings answered by the {answer.source}"] += 1
                answers.add(answer.result.label)
        outcomes["different labels of one recording"] = len(answers) - 1

    workers = [threading.Thread(target=streamed) for _ in range(RESUMING)]
    workers.append(threading.Thread(target=posted_by_client))
    for worker in workers:
        worker.start()
    for _ in range(KILLS):
        time.sleep(random.uniform(4.0, 7.0))  # noqa: S311
        server.process.kill()
        server.process.wait()
        server = Served(port, start(port))
        wait_until_ready(server)
    over.set()
    for worker in workers:
        worker.join()
    server.stop()
    return {"kills": KILLS, "clients": RESUMING, "attempts": attempts, "outcomes": outcomes}


FAULTS: dict[str, tuple[Callable[[Served], dict[str, Any]], dict[str, Any]]] = {
    "mutated bodies": (mutated_bodies, {}),
    "mutated streams": (mutated_streams, {}),
    "slow clients": (slow_clients, {"header_timeout_s": HEADER_S}),
    "half-closed sockets": (half_closed, {}),
    "idle connections": (idle_connections, {"header_timeout_s": HEADER_S}),
    "too large": (too_large, {}),
    "dying decoders": (dying_decoders, {}),
    "dying recogniser": (dying_recogniser, {"asr": "pocketsphinx"}),
}


def faults(names: list[str]) -> Iterator[dict[str, Any]]:
    """What each fault did, and what others saw of it."""
    for name, (fault, settings) in FAULTS.items():
        if names and name not in names:
            continue
        with served(**settings) as server:
            with Others(server.port) as others:
                found = fault(server)
            time.sleep(1.0)
            again = posted(server.port, RECORDING.read_bytes())[0]
            row = {"fault": name, "seen": found, "others": others.seen, "afterwards": again}
        print(row, flush=True)
        yield row


def with_tokens() -> dict[str, Any]:
    """Wrong tokens; nobody else has a right one here."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens"
        tokens.write_text("0123456789abcdef0123456789abcdef\n")
        with served(tokens=tokens) as server:
            return {"fault": "wrong tokens", "seen": wrong_tokens(server)}


def main() -> None:
    """Measure, and write the result if all faults were asked for."""
    names = sys.argv[1:]
    rows = list(faults(names))
    if not names or "wrong tokens" in names:
        rows.append(with_tokens())
        print(rows[-1], flush=True)
    if not names or "killed servers" in names:
        rows.append({"fault": "killed servers", "seen": killed_servers()})
        print(rows[-1], flush=True)
    if not names:
        write_result(
            "server_faults",
            {
                "machine": machine(),
                "versions": versions(["serkit", "uvicorn", "websockets"]),
                "rows": rows,
            },
        )


if __name__ == "__main__":
    main()
