"""`WS /v1/stream`: chunks in, events out; `docs/server.md` describes the messages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import Awaitable
from concurrent.futures import Executor
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from serkit.audio.reading import MAX_RATE, MIN_RATE
from serkit.errors import SerkitError
from serkit.plain import from_json
from serkit.runtime import TimelineSettings
from serkit.serving.feeds import OpusFeed, PacketFeed, PcmFeed
from serkit.serving.logs import log
from serkit.serving.metrics import Metrics
from serkit.serving.pipeline import Pipeline
from serkit.serving.question import OFF, Question
from serkit.serving.refusals import RefusedError, error_object, refusal_of
from serkit.serving.sessions import Feed, Session, Sessions
from serkit.serving.settings import Settings
from serkit.serving.stream_text import StreamText
from serkit.text import shown

PROTOCOL = "serkit.v1"
"""Subprotocol of the WebSocket."""

MAX_CHANNELS = 16

_ACK_S = 1.0
_START_S = 10.0
_MOST_TEXT = 16 << 10

# Close codes: of RFC 6455, and our own.
NORMAL, BAD, TOO_BIG, FAILED, RESTART, LATER = 1000, 1008, 1009, 1011, 1012, 1013
SUPERSEDED = 4409

Name = Annotated[str, Field(min_length=1, max_length=200)]


class TimelineOptions(BaseModel):
    """How a stream is cut, smoothed and summed up; see `TimelineSettings`."""

    model_config = ConfigDict(extra="forbid")

    window: float | None = None
    hop: float | None = None
    pause: float = 0.3
    smoothing: Literal["off", "median", "hmm"] = "off"
    dwell: float = 10.0
    aggregation: Literal["mean", "duration", "confidence"] = "duration"
    labels: Annotated[list[Name], Field(max_length=100)] | None = None
    min_confidence: float | None = None

    def settings(self) -> TimelineSettings:
        """As the runtime takes them.

        Raises:
            SerkitError: A value is out of range.
        """
        return TimelineSettings(
            window_s=self.window,
            hop_s=self.hop,
            pause_s=self.pause,
            smoothing=self.smoothing,
            dwell_s=self.dwell,
            aggregation=self.aggregation,
            labels=None if self.labels is None else tuple(self.labels),
            min_confidence=self.min_confidence,
        )


class Start(BaseModel):
    """The first message of a client."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["start"]
    session: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] | None = None
    last_event: Annotated[int, Field(ge=0, lt=1 << 53)] = 0
    last_text: Annotated[int, Field(ge=0, lt=1 << 53)] = 0
    input: Literal["packets", "pcm", "opus"]
    encoding: Literal["s16le", "f32le"] = "s16le"
    rate: Annotated[int, Field(ge=MIN_RATE, le=MAX_RATE)] = 16_000
    channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS)] = 1
    model: Name | None = None
    detector: Literal["bands", "silero", "off"] = "bands"
    timeline: TimelineOptions = TimelineOptions()

    @property
    def described(self) -> str:
        """All that determines the events."""
        return self.model_dump_json(exclude={"session", "last_event", "last_text"})


class Streams:
    """The streams of a server.

    Args:
        settings: Of the server.
        pipeline: Of the server.
        metrics: Of the server.
        executor: Threads that take chunks.
    """

    def __init__(
        self, settings: Settings, pipeline: Pipeline, metrics: Metrics, executor: Executor
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._metrics = metrics
        self._executor = executor
        self.sessions = Sessions(
            settings.max_streams, settings.session_s, settings.session_kb * 1000
        )

    async def serve(self, websocket: WebSocket, owner: str, request_id: str) -> None:
        """Serve an accepted connection to its end."""
        connection = _Connection(websocket, self._settings.stream_idle_s)
        self._metrics.streams.inc()
        begun = time.monotonic()
        code = NORMAL
        try:
            code = await self._serve(connection, owner)
        except WebSocketDisconnect as gone:
            code = gone.code
        except TimeoutError:
            idle = RefusedError(408, "idle", "no message arrived in time; return to go on")
            code = await self._refuse(connection, idle)
        except SerkitError as error:
            code = await self._refuse(connection, refusal_of(error))
        finally:
            self._metrics.streams.dec()
            log(
                logging.INFO,
                "stream",
                request_id=request_id,
                close_code=code,
                seconds=round(time.monotonic() - begun, 3),
                chunks=connection.n_chunks,
            )

    async def drain(self) -> None:
        """Tell all clients the answer so far, and that they should go on elsewhere."""
        ending = [asyncio.create_task(self._end(session)) for session in self.sessions.open]
        if ending:  # one whose client has gone, or does not read, costs the others nothing
            _, late = await asyncio.wait(ending, timeout=self._settings.drain_timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _end(self, session: Session) -> None:
        async with session.lock:
            connection: _Connection = session.connection
            if connection is None:
                return
            overall = {} if session.ended else await self._run(session.overall)
            await connection.send(
                {
                    "event": "end",
                    "complete": False,
                    "reason": "the server is stopping; send the stream to another",
                    "received": session.received,
                    **overall,
                }
            )
            await connection.close(RESTART)

    async def _refuse(self, connection: _Connection, refusal: RefusedError) -> int:
        self._metrics.refusals.labels(refusal.code).inc()
        code = _close_code(refusal)
        await connection.refuse(refusal, code)
        return code

    async def _serve(self, connection: _Connection, owner: str) -> int:
        start = await _start_of(connection)
        name = start.session or secrets.token_hex(16)
        key = (owner, name)
        session, known = self.sessions.enter(key, start.described, partial(self._feed, start))
        before: _Connection | None = session.connection
        session.connection = connection
        if before is not None:
            await before.close(SUPERSEDED)
        try:
            async with session.lock:
                connection.sent, connection.sent_text = start.last_event, start.last_text
                session.forget(start.last_event)
                session.after(start.last_event)
                if session.text is not None:
                    session.text.forget(start.last_text)
                    session.text.after(start.last_text)
                model = self._pipeline.model_for(start.model, packets=start.input == "packets")
                await connection.send(
                    {
                        "event": "ready",
                        "protocol": PROTOCOL,
                        "session": name,
                        "resumed": known,
                        "received": session.received,
                        "model": model.name,
                        "modalities": ["acoustic"],
                        "asr": self._pipeline.asr_name if session.text is not None else None,
                    }
                )
                await _tell(connection, session)
            return await self._follow(connection, session, start)
        finally:
            if session.connection is connection:
                self.sessions.leave(key, session)

    async def _follow(self, connection: _Connection, session: Session, start: Start) -> int:
        """Take chunks until the stream ends, and wait for its last texts."""
        if session.text is None:
            await self._take(connection, session, start)
        else:
            telling = asyncio.create_task(_tell_texts(connection, session, session.text))
            try:
                await self._take(connection, session, start)
                if session.connection is connection:
                    await telling
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
        if session.connection is not connection:
            return SUPERSEDED
        await connection.close(NORMAL)
        return NORMAL

    async def _take(self, connection: _Connection, session: Session, start: Start) -> None:
        """Take chunks until the stream ends, or another connection takes it over."""
        told = session.received
        told_at = time.monotonic()
        while not session.ended:
            message = await connection.receive()
            begun = time.perf_counter()
            async with session.lock:
                if session.connection is not connection:
                    return
                if time.monotonic() - session.since > self._settings.max_stream_s:
                    message = {"type": "end"}
                if isinstance(message, bytes):
                    self._check_size(message)
                    connection.n_chunks += 1
                    await self._push(session, start, message)
                elif message.get("type") == "end":
                    await self._run(session.finish)
                    if session.text is not None:
                        session.text.changed.set()
                elif message.get("type") == "ack" and type(message.get("seq")) is int:
                    session.forget(min(message["seq"], connection.sent))
                    if session.text is not None and type(message.get("text_seq")) is int:
                        session.text.forget(min(message["text_seq"], connection.sent_text))
                else:
                    raise RefusedError(
                        400,
                        "message",
                        f"the message is {shown(message, 80)}; expected a chunk, "
                        '{"type": "ack", "seq": N} or {"type": "end"}',
                    )
                await _tell(connection, session)
                if isinstance(message, bytes):
                    self._metrics.stream_seconds.observe(time.perf_counter() - begun)
                now = time.monotonic()
                if session.received > told and (now - told_at >= _ACK_S or session.ended):
                    told, told_at = session.received, now
                    await connection.send({"event": "ack", "received": told})

    def _feed(self, start: Start) -> Feed:
        question = Question(
            model=start.model, detector=start.detector, settings=start.timeline.settings()
        )
        packets = start.input == "packets"
        text = self._text(start, packets=packets)
        tap = (lambda content: None) if text is None else text.hear
        stream = self._pipeline.stream(question, packets=packets, tap=tap)
        if packets:
            return PacketFeed(stream, text)
        if start.input == "opus":
            return OpusFeed(stream, self._pipeline.live_decoder(), text)
        return PcmFeed(stream, start.encoding, start.rate, start.channels, text)

    def _text(self, start: Start, *, packets: bool) -> StreamText | None:
        transcribing = self._pipeline.transcribing
        if transcribing is None or not transcribing.takes(packets=packets):
            return None
        return StreamText(
            transcribing,
            packets=packets,
            voiced=packets or start.detector == OFF,
            last=start.last_text,
            most_bytes=self._settings.session_kb * 1000,
        )

    def _check_size(self, chunk: bytes) -> None:
        most = self._settings.max_chunk_kb * 1000
        if len(chunk) > most:
            raise RefusedError(
                413, "too_large", f"a chunk of {len(chunk)} bytes; expected at most {most}"
            )

    async def _push(self, session: Session, start: Start, chunk: bytes) -> None:
        """Have a stream take a chunk."""
        if start.input == "opus":  # waits for the process that decodes it
            await self._run(session.push, chunk)
            return
        model = self._pipeline.model_for(start.model, packets=start.input == "packets")
        await _or_refused(self._pipeline.chunks(model.name).push(session, chunk))

    async def _run(self, what: Any, *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await _or_refused(loop.run_in_executor(self._executor, what, *arguments))


class _Connection:
    """A WebSocket, with limits on the time of each message.

    Attributes:
        sent: Number of the last event that the client has.
        sent_text: Number of the last text that the client has.
        n_chunks: Chunks received.
    """

    def __init__(self, websocket: WebSocket, seconds: float) -> None:
        self._websocket = websocket
        self._seconds = seconds
        self.sent = self.sent_text = self.n_chunks = 0

    async def receive(self, seconds: float | None = None) -> bytes | dict[str, Any]:
        """The next chunk or JSON object.

        Raises:
            WebSocketDisconnect: The client has gone.
            TimeoutError: Nothing arrived in time.
            RefusedError: It is no JSON object.
        """
        async with asyncio.timeout(seconds or self._seconds):
            message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        chunk: bytes | None = message.get("bytes")
        return _object(message["text"]) if chunk is None else chunk

    async def send(self, values: dict[str, Any]) -> None:
        """Send JSON values."""
        await self._send(json.dumps(values))

    async def send_events(self, events: list[tuple[int, str]]) -> None:
        """Send numbered events."""
        for number, text in events:
            await self._send(text)
            self.sent = number

    async def send_texts(self, texts: list[tuple[int, str]]) -> None:
        """Send events of text, which have numbers of their own."""
        for number, text in texts:
            await self._send(text)
            self.sent_text = number

    async def refuse(self, refusal: RefusedError, code: int) -> None:
        """Say why the connection ends, and close it, if the client is still there."""
        try:
            retry = {"retry_after_s": refusal.retry_after_s} if refusal.retry_after_s else {}
            body = error_object(refusal.code, str(refusal))["error"]
            await self.send({"event": "error", **body, **retry, "fatal": True})
            await self.close(code)
        except (WebSocketDisconnect, RuntimeError, TimeoutError):
            return

    async def close(self, code: int) -> None:
        """Close the connection, unless it is closed."""
        if self._websocket.application_state is WebSocketState.CONNECTED:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._websocket.close(code)
            except (WebSocketDisconnect, RuntimeError, TimeoutError):
                return

    async def _send(self, text: str) -> None:
        if self._websocket.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnect(1006)
        async with asyncio.timeout(self._seconds):
            await self._websocket.send_text(text)


async def _or_refused(work: Awaitable[Any]) -> Any:
    """The result of work for a stream.

    Raises:
        RefusedError: It failed.
    """
    try:
        return await work
    except Exception as error:
        refusal = refusal_of(error)
        if refusal.status == 500:
            logging.getLogger("serkit.serving").exception("stream failed")
        raise refusal from None


async def _tell(connection: _Connection, session: Session) -> None:
    """Send what is new: events, texts, and after all of them the end; the session is locked."""
    events = session.after(connection.sent)
    text = session.text
    if text is None:
        await connection.send_events(events)
        return
    end = events[-1:] if session.ended else []
    await connection.send_events(events[: len(events) - len(end)])
    text.collect()
    await connection.send_texts(text.after(connection.sent_text))
    if not text.pending:
        await connection.send_events(end)


async def _tell_texts(connection: _Connection, session: Session, text: StreamText) -> None:
    """Send texts as they come, until the stream has ended and all of them are there."""
    try:
        while text.pending or not session.ended:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(text.wait_s):
                    await text.changed.wait()
            text.changed.clear()
            async with session.lock:
                if session.connection is not connection:
                    return
                await _tell(connection, session)
    except (WebSocketDisconnect, RuntimeError, TimeoutError):
        await connection.close(FAILED)  # the client returns


async def deny(websocket: WebSocket, refusal: RefusedError) -> None:
    """Refuse a WebSocket before it is one, as an HTTP response."""
    body = error_object(refusal.code, str(refusal))
    await websocket.send_denial_response(
        JSONResponse(body, status_code=refusal.status, headers=refusal.headers)
    )


async def _start_of(connection: _Connection) -> Start:
    message = await connection.receive(_START_S)
    if isinstance(message, bytes):
        raise RefusedError(
            400, "message", 'the first message is a chunk; expected {"type": "start"}'
        )
    try:
        return Start.model_validate(message)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise RefusedError(
            400, "start", f"{name} is {shown(first['input'], 80)}: {first['msg']}"
        ) from None


def _object(text: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        RefusedError: It is none.
    """
    if len(text) > _MOST_TEXT:
        raise RefusedError(
            413, "too_large", f"a text of {len(text)} characters; expected at most {_MOST_TEXT}"
        )
    try:
        values = from_json(text)
    except ValueError as error:
        raise RefusedError(400, "message", str(error)) from None
    if not isinstance(values, dict):
        raise RefusedError(
            400, "message", f"the message is {shown(values, 80)}; expected an object"
        )
    return values


def _close_code(refusal: RefusedError) -> int:
    if refusal.status == 413:
        return TOO_BIG
    if refusal.retry_after_s is not None:
        return LATER
    return FAILED if refusal.status >= 500 else BAD
