"""A stream to a server, which outlives its connections."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.errors import AudioError, MissingExtraError, SerkitError, ServerError
from serkit.runtime import LiveStream
from serkit.runtime.events import Event
from serkit.serving.client.address import Address
from serkit.serving.client.answers import Cost, Meter, Way
from serkit.serving.client.coding import StreamCoder
from serkit.serving.client.events import Novelty, StreamEvent, text_event_of
from serkit.serving.client.failures import away, fatal, refusal
from serkit.serving.client.parsing import event_of, object_of
from serkit.serving.client.retries import Retries, retry_after

PROTOCOL = "serkit.v1"
"""Subprotocol of the WebSocket."""

MAX_KEPT = 8 << 20
"""Bytes of chunks that are kept for a server that restarts: 9 hours of packets."""

_KEEP_ALIVE_S = 20.0
_SUPERSEDED = 4409
_MAX_DROPPED = 100
_MAX_WAITING = 100_000


class AsyncClientStream:
    """Sends a stream while it is recorded; made by `AsyncClient.stream`.

    Chunks are kept until the end of the stream, so that a connection that breaks, or a server that
    restarts, costs nothing and doubles nothing: the server says how many chunks it has taken, and
    numbers its events. If the server stays away, the stream goes on on the device.

    Args:
        address: Of the server.
        coder: Makes chunks of samples.
        start: What the first message says.
        live: The stream on the device; None for no fallback.
        meter: Of the server.
        device_meter: Of the device.
        retries: How long to wait between connections.
        timeout_s: How long a stream that was connected may be away.

    Attributes:
        reason: Why the device answers; None while the server does.
        dropped: What the server says of chunks that it dropped.
    """

    def __init__(
        self,
        address: Address,
        coder: StreamCoder,
        start: dict[str, Any],
        live: LiveStream | None,
        meter: Meter,
        device_meter: Meter,
        *,
        retries: Retries,
        timeout_s: float,
    ) -> None:
        self._websockets = _websockets()
        self._address = address
        self._coder = coder
        self._start = {"type": "start", "session": secrets.token_hex(16), **start}
        self._live = live
        self._meter = meter
        self._device_meter = device_meter
        self._retries = retries
        self._timeout_s = timeout_s
        self._chunks: deque[bytes] = deque()
        self._n_dropped = 0  # chunks before the first that is kept
        self._n_bytes = 0
        self._received = 0  # by the server, as it says itself
        self._furthest = 0  # by any server
        self._last_event = self._last_text = 0
        self._connected_once = False
        self._ended = self._done = False
        self._failure: BaseException | None = None
        self._events: deque[StreamEvent] = deque()
        self._novelty = Novelty()
        self._changed = asyncio.Condition()
        self._heard_at = 0.0
        self._running: asyncio.Task[None] | None = None
        self._model = ""
        self.reason: str | None = None
        self.dropped: list[str] = []

    @property
    def source(self) -> Way:
        """Where the events come from now."""
        return "server" if self.reason is None else "device"

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What it has cost until now."""
        server = self._meter.cost()
        return (server,) if self.reason is None else (server, self._device_meter.cost())

    async def __aenter__(self) -> AsyncClientStream:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def push(self, samples: NDArray[Any], *, rate: int = SAMPLE_RATE) -> list[StreamEvent]:
        """Take the next samples.

        Args:
            samples: As for `LiveStream.push`.
            rate: Sampling rate in Hz.

        Returns:
            The events that have arrived since the last call.

        Raises:
            AudioError: As `LiveStream.push`; no sample is taken.
            ServerError: The server refuses the stream, or stays away and there is no fallback.
        """
        self._require_open()
        begun = time.thread_time()
        chunks = self._coder.push(samples, rate)
        self._meter.cpu_s += time.thread_time() - begun
        await self._add(chunks)
        return self._taken()

    async def finish(self) -> list[StreamEvent]:
        """End the stream.

        Returns:
            The remaining events; the last one is an `EndEvent`.

        Raises:
            SerkitError: As `push`.
        """
        self._require_open()
        await self._add(self._coder.flush())
        async with self._changed:
            self._ended = True
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._done or self._failure is not None)
        if self.reason is None and not self._done:
            self._fall_back()
        if self.reason is not None:
            assert self._live is not None  # noqa: S101 - or `_fall_back` had raised
            self._hear(self._live.finish())
            self._done = True
        return self._taken()

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        """Events as they arrive, until the last one; samples are pushed by another task."""
        while True:
            async with self._changed:
                await self._changed.wait_for(
                    lambda: self._events or self._done or self._failure is not None
                )
            if self._failure is not None and self.reason is None and not self._events:
                self._fall_back()
            for event in self._taken():
                yield event
            if self._done and not self._events:
                return

    def _require_open(self) -> None:
        if self._running is None:
            raise SerkitError("the stream is not open; use it in a with statement")
        if self._ended:
            raise AudioError("the stream has ended; start a new one")

    async def _add(self, chunks: list[bytes]) -> None:
        """Take chunks; wait while the server is too far behind."""
        async with self._changed:
            for chunk in chunks:
                if self.reason is None and self._failure is None:
                    self._keep(chunk)
                    self._changed.notify_all()
                    await self._changed.wait_for(self._has_room)
                    continue
                if self.reason is None:
                    self._chunks.append(chunk)
                    self._fall_back()
                    continue
                self._on_device(chunk)
        if self._failure is not None and self.reason is None:
            self._fall_back()

    def _keep(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._n_bytes += len(chunk)
        while self._n_bytes > MAX_KEPT and self._n_dropped < self._received:
            self._n_bytes -= len(self._chunks.popleft())
            self._n_dropped += 1

    def _has_room(self) -> bool:
        return (
            self._n_bytes <= MAX_KEPT
            or self._n_dropped < self._received
            or self._failure is not None
        )

    def _taken(self) -> list[StreamEvent]:
        events = list(self._events)
        self._events.clear()
        return events

    @property
    def _n_chunks(self) -> int:
        return self._n_dropped + len(self._chunks)

    # The server.

    async def _run(self) -> None:
        """Hold a connection until the end has come, or the server stays away."""
        n_failed, down_since, known = 0, 0.0, (-1, -1)
        while True:
            begun = time.monotonic()
            try:
                await self._converse()
                return
            except ServerError as error:
                now = time.monotonic()
                progress = (self._furthest, self._last_event)
                if progress > known or (now - begun > self._timeout_s and not self._ended):
                    n_failed, down_since, known = 0, now, progress
                n_failed += 1
                wait_s = self._wait_s(error, n_failed, now - down_since)
                if wait_s is None:
                    await self._fail(error)
                    return
            except Exception as error:
                await self._fail(error)
                return
            await asyncio.sleep(wait_s)

    def _wait_s(self, error: ServerError, n_failed: int, down_s: float) -> float | None:
        """Until the next connection; None for no other."""
        if not error.away or not self._retries.most:
            return None
        if self._connected_once:  # it will be back: wait for as long as promised
            n_failed = min(n_failed, self._retries.most)
            if down_s > self._timeout_s:
                return None
        return self._retries.wait_s(n_failed, error.retry_after_s)

    async def _fail(self, error: BaseException) -> None:
        async with self._changed:
            self._failure = error
            self._changed.notify_all()

    async def _converse(self) -> None:
        """Send and receive over one connection, until the end.

        Raises:
            ServerError: The connection broke, or the server refuses.
        """
        self._meter.attempts += 1
        library = self._websockets
        try:
            async with library.connect(
                self._address.stream,
                subprotocols=[PROTOCOL],
                additional_headers=self._address.headers,
                compression=None,  # packets have no redundancy
                open_timeout=self._timeout_s,
                close_timeout=1.0,
                user_agent_header="serkit",
                logger=_LOGGER,
            ) as connection:
                self._meter.bytes_sent += len(connection.request.serialize())
                sent = await self._greeted(connection)
                sending = asyncio.create_task(self._send(connection, sent))
                try:
                    await self._receive(connection)
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
        except library.InvalidStatus as error:
            response = error.response
            seconds = retry_after(response.headers.get("Retry-After"))
            raise refusal(response.status_code, response.body or b"", seconds) from error
        except library.ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code == _SUPERSEDED:
                raise ServerError("another client has taken over the stream") from error
            raise away(error) from error
        except (OSError, TimeoutError, library.WebSocketException) as error:
            raise away(error) from error

    async def _greeted(self, connection: Any) -> int:
        """Start or return; the number of chunks that the server has."""
        known = {"last_event": self._last_event, "last_text": self._last_text}
        await self._tell(connection, {**self._start, **known})
        async with asyncio.timeout(self._timeout_s):
            ready = object_of(await connection.recv())
        if ready.get("event") == "error":
            raise fatal(ready)
        received = ready.get("received")
        if ready.get("event") != "ready" or type(received) is not int:
            raise ServerError("the server's first message is not ready; is it serkit's server?")
        if not self._n_dropped <= received <= self._n_chunks:
            raise ServerError(
                f"the server has {received} chunks of the stream; {self._n_dropped} to "
                f"{self._n_chunks} could be continued"
            )
        self._model = str(ready.get("model", ""))
        self._connected_once = True
        self._hold(received)
        return received

    async def _send(self, connection: Any, sent: int) -> None:
        """Send chunks as they are made, and the end."""
        acked_at = time.monotonic()
        ended = False
        try:
            while True:
                async with self._changed:
                    try:
                        async with asyncio.timeout(min(_KEEP_ALIVE_S, self._timeout_s / 4)):
                            await self._changed.wait_for(
                                lambda: sent < self._n_chunks or (self._ended and not ended)  # noqa: B023
                            )
                    except TimeoutError:
                        chunk = None
                    else:
                        fresh = sent < self._n_chunks
                        chunk = self._chunks[sent - self._n_dropped] if fresh else b""
                if chunk:
                    await self._put(connection, chunk)
                    sent += 1
                elif chunk is not None:
                    await self._tell(connection, {"type": "end"})
                    ended = True
                    self._heard_at = time.monotonic()
                elif ended and time.monotonic() - self._heard_at > self._timeout_s:
                    await connection.close()
                    return
                if time.monotonic() - acked_at >= _KEEP_ALIVE_S:
                    acked_at = time.monotonic()
                    known = {"seq": self._last_event, "text_seq": self._last_text}
                    await self._tell(connection, {"type": "ack", **known})
        except self._websockets.ConnectionClosed:
            return  # which the receiver reports

    async def _receive(self, connection: Any) -> None:
        """Take events until the last.

        Raises:
            ServerError: The server says that the connection ends, or sends what it should not.
        """
        while not self._done:
            values = object_of(await connection.recv())
            async with self._changed:
                self._heard_at = time.monotonic()
                self._take(values)
                self._changed.notify_all()

    def _take(self, values: dict[str, Any]) -> None:
        """Take a message of the server."""
        number, kind = values.get("seq"), values.get("event")
        if number is None:
            if kind == "error":
                raise fatal(values)
            if kind == "end":
                raise ServerError("the server is stopping", away=True)
            if kind == "text":
                self._take_text(values)
            elif kind == "ack" and type(values.get("received")) is int:
                self._hold(min(max(self._received, values["received"]), self._n_chunks))
            return
        if not _is_next(number, self._last_event):
            return
        if kind == "error":
            if len(self.dropped) == _MAX_DROPPED:
                raise ServerError("the server drops every chunk; see `dropped`")
            self.dropped.append(str(values.get("message", ""))[:500])
        event = event_of(values, self._model)
        self._last_event = number
        if event is not None:
            self._add_event(event)
        if kind == "end":
            self._done = True

    def _take_text(self, values: dict[str, Any]) -> None:
        """Take an event of text, which has a number of its own."""
        number = values.get("text_seq")
        if _is_next(number, self._last_text):
            self._last_text += 1
            self._add_event(text_event_of(values))

    def _add_event(self, event: StreamEvent) -> None:
        if len(self._events) == _MAX_WAITING:
            raise ServerError(f"{_MAX_WAITING} events wait to be taken; push or iterate")
        self._hear([event])

    def _hold(self, received: int) -> None:
        self._received = received
        self._furthest = max(self._furthest, received)

    async def _tell(self, connection: Any, values: dict[str, Any]) -> None:
        await self._put(connection, json.dumps(values))

    async def _put(self, connection: Any, message: str | bytes) -> None:
        await connection.send(message)
        length = len(message)  # the header of a frame: RFC 6455, 5.2; all text is ASCII
        self._meter.bytes_sent += length + 6 + (0 if length < 126 else 2 if length < 65536 else 8)

    # The device.

    def _fall_back(self) -> None:
        """Go on on the device, from the beginning.

        Raises:
            ServerError: That is not possible, or not wanted.
        """
        failure = self._failure
        assert failure is not None  # noqa: S101
        may = isinstance(failure, ServerError) and failure.away and not self._n_dropped
        if self._live is None or not may:
            raise failure
        self.reason = str(failure)
        self._device_meter.restart()
        for chunk in self._chunks:
            self._on_device(chunk)
        self._chunks.clear()

    def _on_device(self, chunk: bytes) -> None:
        assert self._live is not None  # noqa: S101
        begun = time.thread_time()
        if self._start["input"] == "packets":
            events = self._live.push_packet(chunk)
        else:
            events = self._live.push(np.frombuffer(chunk, "<i2"))
        self._hear(events)
        self._device_meter.cpu_s += time.thread_time() - begun

    def _hear(self, events: list[Event] | list[StreamEvent]) -> None:
        self._events += self._novelty.new(events)


_LOGGER = logging.getLogger("serkit.serving.client")
_LOGGER.setLevel(logging.INFO)  # below, the library would log headers, and so the token


def _is_next(number: object, last: int) -> bool:
    """Whether an event follows the last one; else it is known.

    Raises:
        ServerError: One between them is missing.
    """
    if type(number) is not int or number > last + 1:
        raise ServerError(f"event {last + 1} of the stream is missing")
    return number == last + 1


def _websockets() -> Any:
    try:
        import websockets
        import websockets.asyncio.client
    except ImportError as error:
        raise MissingExtraError("websockets", "client", "serkit.Client.stream") from error
    return websockets
