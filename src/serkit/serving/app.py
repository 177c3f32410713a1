"""The application: routes, and what is common to all requests."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from serkit import __version__
from serkit.errors import SerkitError
from serkit.serving.asr import Asr, open_asr
from serkit.serving.envelope import Envelope
from serkit.serving.fusing import Fusion
from serkit.serving.idempotency import Answers
from serkit.serving.limits import Admission, ByteBudget, Deadline
from serkit.serving.metrics import Metrics
from serkit.serving.page import router as page
from serkit.serving.pipeline import Draft, Pipeline
from serkit.serving.refusals import RefusedError, error_object, refusal_of
from serkit.serving.routes import router
from serkit.serving.settings import Settings
from serkit.serving.streams import Streams
from serkit.serving.tokens import Tokens
from serkit.serving.transcribing import Transcribing
from serkit.text import shown

T = TypeVar("T")

_WORKERS = 8
_STREAM_WORKERS = 32
# A recogniser that takes longer than answers wait is slow; after this many times as long it is
# restarted.
_HANGS = 3.0


class Service:
    """All that the requests of one server share.

    Args:
        settings: Of the server.
        asr: The recogniser of speech, which is closed with this if it is a process; None for that
            of the settings.
        asr_at_once: Recordings that it takes at once.
        fusion: The model of speech and text; None for that of the settings.

    Attributes:
        draining: Whether the server ends; then it is not ready.

    Raises:
        SerkitError: A model or the file of tokens cannot be loaded.
    """

    def __init__(
        self,
        settings: Settings,
        asr: Asr | None = None,
        *,
        asr_at_once: int = 1,
        fusion: Fusion | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.tokens = Tokens(settings.tokens)
        self.pipeline = Pipeline(
            settings, self.metrics, self._transcribing(asr, asr_at_once), fusion
        )
        n_workers = settings.workers or _WORKERS
        self.admission = Admission(settings.max_pending, n_workers)
        self.bodies = ByteBudget(settings.max_pending * settings.max_body_bytes)
        self.answers = Answers(settings.idempotency_s, int(settings.idempotency_mb * 1e6))
        self._executor = ThreadPoolExecutor(n_workers, "request")
        self._stream_executor = ThreadPoolExecutor(_STREAM_WORKERS, "stream")
        self.streams = Streams(settings, self.pipeline, self.metrics, self._stream_executor)
        self.draining = False
        self.metrics.pending.set_function(lambda: self.admission.pending)

    async def answer(self, compute: Callable[[Deadline], Draft]) -> bytes:
        """An answer as JSON, within the deadline: drafted in a thread, completed by its text.

        Raises:
            RefusedError: As `work`.
            SerkitError: As `work`.
        """
        deadline = Deadline(self.settings.deadline_s)
        draft = await self.work(compute, deadline)
        said = await self.pipeline.said(draft, deadline)
        values = draft.values
        if draft.fuse is not None:
            text = None if said is None or said.transcript is None else said.transcript.text
            loop = asyncio.get_running_loop()
            fusing = loop.run_in_executor(self._executor, draft.fuse, text)
            values = await _result(fusing, deadline)
        return json.dumps(values | ({} if said is None else said.to_dict())).encode()

    async def work(self, compute: Callable[[Deadline], T], deadline: Deadline) -> T:
        """Compute something in a thread, within a deadline.

        Raises:
            RefusedError: There is no place, or no time.
            SerkitError: The request is wrong.
        """
        self.admission.enter()
        begun = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            running = loop.run_in_executor(self._executor, compute, deadline)
        except BaseException:
            self.admission.leave(0.0)
            raise
        # The thread keeps its place until it has noticed that its time is over.
        running.add_done_callback(partial(self._left, begun))
        return await _result(running, deadline)

    def _transcribing(self, asr: Asr | None, at_once: int) -> Transcribing | None:
        settings = self.settings
        if asr is None:
            asr = open_asr(
                settings.asr,
                threads=settings.asr_threads,
                timeout_s=_HANGS * settings.asr_timeout_s,
                on_death=self.metrics.asr_deaths.inc,
            )
        if asr is None:
            return None
        return Transcribing(
            asr,
            self.metrics,
            queue_s=settings.asr_queue_s,
            timeout_s=settings.asr_timeout_s,
            at_once=at_once,
        )

    def _left(self, begun: float, _: asyncio.Future[Any]) -> None:
        self.admission.leave(time.monotonic() - begun)

    async def drain(self) -> None:
        """Stop being ready, and send the clients of streams elsewhere."""
        self.draining = True
        self.metrics.draining.set(1)
        await asyncio.sleep(self.settings.drain_delay_s)
        await self.streams.drain()

    def close(self) -> None:
        """Finish what is in work, and end all threads and processes."""
        self._executor.shutdown()
        self._stream_executor.shutdown()
        self.pipeline.close()


async def _result(running: asyncio.Future[T], deadline: Deadline) -> T:
    """What a thread computes, within a deadline; it is not interrupted."""
    running.add_done_callback(_seen)
    try:
        async with asyncio.timeout(deadline.rest_s):
            return await asyncio.shield(running)
    except TimeoutError:
        deadline.check()
        raise


def _seen(running: asyncio.Future[Any]) -> None:
    """Of a request that has been answered already, nobody asks for the exception."""
    if not running.cancelled():
        running.exception()


def create_app(
    settings: Settings,
    *,
    asr: Asr | None = None,
    asr_at_once: int = 1,
    fusion: Fusion | None = None,
) -> Any:
    """The server as an ASGI application; its `state.service` is a `Service`.

    Args:
        settings: Of the server.
        asr: As for `Service`.
        asr_at_once: As for `Service`.
        fusion: As for `Service`.

    Raises:
        SerkitError: As `Service`.
    """
    service = Service(settings, asr, asr_at_once=asr_at_once, fusion=fusion)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(service.close)

    app = FastAPI(
        title="serkit",
        summary="Speech emotion recognition: recordings and streams in, emotion out.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # loads scripts from elsewhere; the room `page` has its own
        redoc_url=None,
        openapi_tags=[
            {"name": "recordings", "description": "A recording in, an answer out."},
            {"name": "operation", "description": "State of the server."},
        ],
    )
    app.state.service = service
    app.include_router(router)
    app.include_router(page)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After", "Idempotent-Replayed"],
        )
    if settings.telemetry:
        from serkit.serving.telemetry import instrument

        instrument(app)
    app.add_middleware(Envelope, service=service)
    return app


async def _refused(request: Request, error: Exception) -> JSONResponse:
    refusal = refusal_of(error)
    request.app.state.service.metrics.refusals.labels(refusal.code).inc()
    headers = refusal.headers
    if request.method == "POST" and not request.scope.get("serkit.body_read"):
        headers["Connection"] = "close"  # the rest of the body is not read
    return JSONResponse(
        error_object(refusal.code, str(refusal)), status_code=refusal.status, headers=headers
    )


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"][1:]))
    message = f"{name} is {shown(first.get('input'), 80)}: {first['msg']}"
    return await _refused(request, RefusedError(422, "parameter", message))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = {404: "not_found", 405: "method"}.get(error.status_code, "request")
    response = await _refused(request, RefusedError(error.status_code, code, str(error.detail)))
    response.headers.update(error.headers or {})
    return response


async def _failed(request: Request, error: Exception) -> JSONResponse:
    logging.getLogger("serkit.serving").error("request failed", exc_info=error)
    return await _refused(request, error)


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[JSONResponse]]] = {
    SerkitError: _refused,
    RequestValidationError: _invalid,
    HTTPException: _http,
    Exception: _failed,
}
