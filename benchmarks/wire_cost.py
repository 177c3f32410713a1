"""Bytes, time and energy of an answer by what is sent: WAV, Opus, packets, and a stream of packets.

Claim: in the mode `basis`, the default of `serkit.Client`, an answer costs less than a fiftieth of
the bytes of a WAV file, and on a slow link comes in a fraction of its time.

Recordings of CREMA-D are sent by `serkit.Client` to a `serkit serve` of one model, `tiny-mel`,
which takes sound and packets alike, so that answers differ by the coding alone; neither the model
nor the basis of the codec has seen this corpus. (The copies of it that this was measured with are
Opus of 24 kbit/s: also the WAV file was coded once.) Each recording is sent over a connection of
its own, when the one before is answered: the time to the answer is coding, link and server. In a
stream packets are sent while the recording plays at its own speed, 8 recordings at a time, and the
time counts from its last sample. Links and radios are those of `transmission.py`; the first send of
a coding only warms up the server. Bytes are those of IP packets, both ways, over all sends; energy
is modelled as `serkit.Client` reports it.

Whether the answers are those of the WAV file is counted on more recordings, without a link; those
sent must get the same answers as there.

Needs CREMA-D, and what `shaped_link.py` needs; minutes:
SERKIT_CORPORA=/folder python benchmarks/wire_cost.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

import serkit
from serkit.audio import SAMPLE_RATE
from serkit.corpora import load_labelled
from serkit.runtime import Recognizer
from serkit.runtime.events import EndEvent
from serkit.serving.client import AsyncClient, Client
from serkit.serving.client.answers import Meter
from serkit.serving.client.asynchronous import head_bytes
from serkit.serving.client.coding import MODES, body_of, stream_coder
from serkit.serving.client.energy import CPU_WATTS, RADIOS
from serkit.training import read_utterance
from serkit.training.workers import in_processes

from harness import machine, versions, write_result
from shaped_link import PORT, SERVER, over
from transmission import LINKS, Setting, even

Array = NDArray[np.float32]

CORPUS = "crema_d"
MODEL = "tiny-mel"
COMPARED = 200
"""Recordings whose answers are compared."""
SENT = 24
"""Recordings that are sent over each link."""
FORM, STREAM = "opus in a form", "basis, stream"
CODINGS = ("wav", "opus", FORM, "svd", "basis", STREAM)
RADIO_OF = {"Wi-Fi": "wifi", "LTE": "lte", "LTE-M": "lte-m"}

AT_ONCE = 8
CHUNK_S = 0.1
TOKEN = "a-token-of-the-benchmark"  # noqa: S105 - of a server that nobody else can reach


@dataclass(frozen=True)
class Sent:
    """An answer over a link, and what it cost.

    Attributes:
        seconds: From the question, or the last sample of a stream, to the answer.
        cpu_s: Of coding.
        message_bytes: Sent, with headers of HTTP or WebSocket.
        joules: Modelled.
        scores: Probability of each emotion.
    """

    seconds: float
    cpu_s: float
    message_bytes: int
    joules: float
    scores: dict[str, float]


def asked(client: Client, samples: Array, coding: str) -> Sent:
    """One question of `serkit.Client`."""
    begun = time.perf_counter()
    answer = client.recognize((samples, SAMPLE_RATE), mode=coding)
    seconds = time.perf_counter() - begun
    (cost,) = answer.costs
    return Sent(seconds, cost.cpu_s, cost.bytes_sent, cost.joules, answer.result.scores)


def asked_by_form(url: str, radio: str, samples: Array) -> Sent:
    """One question as a browser or curl asks it: a form with a file of Opus."""
    meter = Meter("server", RADIOS[radio])
    begun, cpu = time.perf_counter(), time.process_time()
    body = body_of((samples, SAMPLE_RATE), "opus")
    meter.cpu_s = time.process_time() - cpu
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        files = {"file": ("voice.ogg", body)}
        request = http.build_request("POST", "/v1/recognize", files=files, timeout=30.0)
        response = http.send(request)
    response.raise_for_status()
    meter.bytes_sent = head_bytes(request) + int(request.headers["Content-Length"])
    cost, scores = meter.cost(), response.json()["scores"]
    return Sent(time.perf_counter() - begun, cost.cpu_s, cost.bytes_sent, cost.joules, scores)


async def streamed(client: AsyncClient, samples: Array) -> Sent:
    """A recording that is sent while it plays."""
    chunk = round(CHUNK_S * SAMPLE_RATE)
    begun = time.perf_counter()
    async with client.stream() as stream:
        for start in range(0, len(samples), chunk):
            part = samples[start : start + chunk]
            heard_at = begun + (start + len(part)) / SAMPLE_RATE
            await asyncio.sleep(max(0.0, heard_at - time.perf_counter()))
            await stream.push(part)
        *_, last = await stream.finish()
        seconds = time.perf_counter() - heard_at
        (cost,) = stream.costs
    if not isinstance(last, EndEvent):
        raise TypeError(f"the last event is {last}; expected the end")
    return Sent(seconds, cost.cpu_s, cost.bytes_sent, cost.joules, last.overall.scores)


async def all_streamed(url: str, radio: str, clips: Sequence[Array]) -> list[Sent]:
    """All recordings, some at a time; the first one alone."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(client: AsyncClient, samples: Array) -> Sent:
        async with free:
            return await streamed(client, samples)

    async with AsyncClient(
        url, token=TOKEN, fallback=False, radio=radio, allow_plain=True
    ) as client:
        first = await one(client, clips[0])
        return [first, *await asyncio.gather(*(one(client, clip) for clip in clips[1:]))]


def sent(
    clips: Sequence[Array], coding: str, radio: str, log: int, _: Callable[[], socket.socket]
) -> list[Sent]:
    """Send all recordings from the device's end of a link."""
    with os.fdopen(log) as lines:
        for line in lines:
            if json.loads(line)["event"] == "listening":
                break
    url = f"http://{SERVER}:{PORT}"
    if coding == STREAM:
        return asyncio.run(all_streamed(url, radio, clips))
    if coding == FORM:
        return [asked_by_form(url, radio, clip) for clip in clips]
    answers = []
    for clip in clips:
        with Client(url, token=TOKEN, fallback=False, radio=radio, allow_plain=True) as client:
            answers.append(asked(client, clip, coding))
    return answers


def served(tokens: Path, log: int, listener: socket.socket) -> None:
    """Become `serkit serve` at the server's end of a link."""
    listener.close()
    os.dup2(log, 2)
    settings = [f"host={SERVER}", f"port={PORT}", f"models={MODEL}", f"tokens={tokens}"]
    options = [part for setting in settings for part in ("--set", setting)]
    os.execv(sys.executable, [sys.executable, "-m", "serkit", "serve", *options])  # noqa: S606


def measured(
    setting: Setting, coding: str, clips: Sequence[Array], expected: Sequence[dict[str, float]]
) -> dict[str, Any]:
    """Figures of a coding on a link."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens"
        tokens.write_text(TOKEN + "\n")
        reading, writing = os.pipe()
        warm_and_all = [clips[0], *clips]
        try:
            (_, *answers), carried = over(
                setting.link,
                partial(served, tokens, writing),
                partial(sent, warm_and_all, coding, RADIO_OF[setting.name], reading),
            )
        finally:
            os.close(reading)
            os.close(writing)
    seconds = [one.seconds for one in answers]
    row = {
        "coding": coding,
        "up_bytes": carried.bytes_up / len(warm_and_all),
        "down_bytes": carried.bytes_down / len(warm_and_all),
        "message_bytes": float(np.mean([one.message_bytes for one in answers])),
        "median_s": float(np.median(seconds)),
        "p95_s": float(np.percentile(seconds, 95)),
        "cpu_s": float(np.median([one.cpu_s for one in answers])),
        "joules": float(np.mean([one.joules for one in answers])),
        "as_expected": sum(map(same, (one.scores for one in answers), expected)),
        "packets_dropped": carried.dropped,
        "packets_late_ms": 1e3 * carried.late,
    }
    print(setting.name, row, flush=True)
    return row


def same(ours: dict[str, float], theirs: dict[str, float]) -> bool:
    """Whether the server's scores, which have six decimals, are those computed here."""
    return ours.keys() == theirs.keys() and all(
        abs(ours[label] - theirs[label]) <= 1e-6 for label in ours
    )


def answered(samples: Array) -> dict[str, tuple[dict[str, float], int]]:
    """Scores and size by coding, without a link."""
    model = serkit.load(MODEL)
    bodies = {mode: body_of((samples, SAMPLE_RATE), mode) for mode in MODES if mode != "file"}
    found = {mode: (model(body).scores, len(body)) for mode, body in bodies.items()}
    return found | {FORM: found["opus"], STREAM: of_stream(model, samples)}


def of_stream(model: Recognizer, samples: Array) -> tuple[dict[str, float], int]:
    """Scores at the end of a stream, and the size of its packets."""
    coder, live = stream_coder("basis"), model.stream()
    chunks = []
    for part in np.array_split(samples, -(-len(samples) // round(CHUNK_S * SAMPLE_RATE))):
        chunks += coder.push(part, SAMPLE_RATE)
    chunks += coder.flush()
    for packet in chunks:
        live.push_packet(packet)
    live.finish()
    return live.overall().scores, sum(map(len, chunks))


def compared(
    found: Sequence[dict[str, tuple[dict[str, float], int]]], seconds: float
) -> list[dict[str, Any]]:
    """Rate, and agreement with the answers to the WAV file, by coding."""
    rows = []
    for coding in CODINGS:
        agreed, changes = 0, []
        for of_clip in found:
            ours, reference = of_clip[coding][0], of_clip["wav"][0]
            label = max(reference, key=lambda one: reference[one])
            agreed += max(ours, key=lambda one: ours[one]) == label
            changes.append(abs(ours[label] - reference[label]))
        rows.append(
            {
                "coding": coding,
                "kbps": 8e-3 * sum(of_clip[coding][1] for of_clip in found) / seconds,
                "agreed": agreed,
                "mean_change": float(np.mean(changes)),
            }
        )
    return rows


def main() -> None:
    """Compare answers without a link, then send recordings over every link."""
    _, utterances = load_labelled([CORPUS], labels=serkit.load(MODEL).labels)
    order = np.random.default_rng(0).permutation(len(utterances))
    sounds = [read_utterance(utterances[i]) for i in order[: COMPARED + 10].tolist()]
    sounds = [sound for sound in sounds if sound.any()][:COMPARED]  # silence has no label
    done = in_processes(partial(numbered, answered), list(enumerate(sounds)), os.cpu_count() or 1)
    results = dict(track(done, "Answers", len(sounds)))
    found = [results[i] for i in range(len(sounds))]
    chosen = even([len(sound) for sound in sounds], SENT)
    clips = [sounds[i] for i in chosen]
    write_result(
        "wire_cost",
        {
            "machine": machine(),
            "versions": versions(
                ["serkit", "numpy", "soundfile", "httpx", "websockets", "uvicorn"]
            ),
            "corpus": CORPUS,
            "model": MODEL,
            "compared": len(sounds),
            "sent": len(clips),
            "mean_s": float(np.mean([len(clip) for clip in clips])) / SAMPLE_RATE,
            "at_once": AT_ONCE,
            "cpu_watts": CPU_WATTS,
            "answers": compared(found, sum(map(len, sounds)) / SAMPLE_RATE),
            "links": [
                {
                    "name": setting.name,
                    "link": asdict(setting.link),
                    "rows": [
                        measured(setting, coding, clips, [found[i][coding][0] for i in chosen])
                        for coding in CODINGS
                    ],
                }
                for setting in LINKS
            ],
        },
    )


def numbered(
    work: Callable[[Array], Any], task: tuple[int, Array]
) -> tuple[int, dict[str, tuple[dict[str, float], int]]]:
    """The result of a task with its number."""
    return task[0], work(task[1])


if __name__ == "__main__":
    main()
