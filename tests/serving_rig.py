"""A server on a free port, in a thread of the test process."""

import asyncio
import contextlib
import io
import json
import threading
import time

import httpx
import numpy as np
import soundfile
import websockets.sync.client

from serkit.codec import Encoder
from serkit.serving.server import Server
from serkit.serving.settings import Settings

RATE = 16_000


class Running:
    """A server that runs in a thread."""

    def __init__(self, **settings):
        defaults = {"port": 0, "decoders": 1, "models": ("tiny", "tiny-mel"), "idle_timeout_s": 5.0}
        asr = settings.pop("asr", "none")  # its spec, or the recogniser itself
        spec, given = (asr, None) if isinstance(asr, str) else ("none", asr)
        self.server = Server(Settings(asr=spec, **{**defaults, **settings}), asr=given)
        self.service = self.server.service
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=60.0)

    def _run(self):
        asyncio.run(self.server.serve())

    def stop(self):
        self.http.close()
        self.server.should_exit = True
        self._thread.join()

    @contextlib.contextmanager
    def stream(self, headers=None, **start):
        """A client of /v1/stream that has sent its first message, and the answer to it."""
        with self.connected(headers) as client:
            client.send(json.dumps({"type": "start", **start}))
            yield client, json.loads(client.recv())

    def connected(self, headers=None, **options):
        """A client of /v1/stream that has sent nothing."""
        return websockets.sync.client.connect(
            f"ws://127.0.0.1:{self.port}/v1/stream",
            additional_headers=headers,
            proxy=None,
            **options,
        )


@contextlib.contextmanager
def started(**settings):
    server = Running(**settings)
    try:
        yield server
    finally:
        server.stop()


def events_of(client):
    """All further events of a stream, without acknowledgements."""
    events = []
    with contextlib.suppress(websockets.exceptions.ConnectionClosed):
        while True:
            event = json.loads(client.recv(timeout=60))
            if event["event"] != "ack":
                events.append(event)
    return events


def received_until_quiet(client, seconds=0.3):
    """The events that have come when none has come for a while."""
    events = []
    with contextlib.suppress(TimeoutError, websockets.exceptions.ConnectionClosed):
        while True:
            event = json.loads(client.recv(timeout=seconds))
            if event["event"] != "ack":
                events.append(event)
    return events


def voice_like(seconds, seed=0):
    """Bursts of filtered noise with pauses, mono at 16 kHz, float32."""
    rng = np.random.default_rng(seed)
    noise = np.convolve(rng.standard_normal(int(seconds * RATE)), np.ones(8) / 8, "same")
    level = np.where(np.arange(len(noise)) // RATE % 4 < 3, 0.2, 0.0005)
    return (noise * level).astype(np.float32)


def packets_of(samples):
    encoder = Encoder()
    packets = []
    for start in range(0, len(samples), 5120):
        packets += encoder.push(samples[start : start + 5120])
    return packets + encoder.flush()


def encoded(samples, rate=RATE, form="WAV", **options):
    """The bytes of a file of samples."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, **options)
    return file.getvalue()
