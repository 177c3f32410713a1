"""The HTTP routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response, WebSocket
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from serkit.runtime import TimelineSettings
from serkit.serving.examples import ERRORS, HEALTH, MODELS, PREDICTION, READY, TIMELINE
from serkit.serving.idempotency import MAX_KEY
from serkit.serving.limits import Deadline, Share
from serkit.serving.metrics import CONTENT_TYPE
from serkit.serving.pipeline import Draft
from serkit.serving.question import Question
from serkit.serving.refusals import RefusedError
from serkit.serving.streams import PROTOCOL, deny
from serkit.serving.tokens import bearer
from serkit.text import shown

router = APIRouter()

_MULTIPART = b"multipart/form-data"
_TOKEN_PROTOCOL = "bearer."  # noqa: S105 - a prefix
_MAX_FIELDS = 4
_CHARSETS = (b"utf-8", b"us-ascii", b"iso-8859-1")

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A recording in any readable format (WAV, FLAC, Ogg, MP3; with the extra av "
        "also M4A, WebM, AAC and others), or packets of serkit's codec (.smel); as the body itself "
        "or as the only file of a form.",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    },
    "security": [{"bearer": []}, {}],
}


async def authorised(request: Request) -> str:
    """Who asks.

    Raises:
        RefusedError: The token is missing or unknown.
    """
    owner: str = request.app.state.service.tokens.owner(
        bearer(request.headers.get("authorization"))
    )
    return owner


Owner = Annotated[str, Depends(authorised)]
Model = Annotated[str | None, Query(max_length=200, description="Name of a model; see /v1/models.")]
Labels = Annotated[
    str | None,
    Query(max_length=1000, description="Restrict the answer to these labels: `a,b`."),
]
MinConfidence = Annotated[
    float | None, Query(ge=0.0, le=1.0, description="Give no label below this probability.")
]
Channel = Annotated[
    int | None, Query(ge=1, le=1024, description="Channel of the sound, from 1; default: the mean.")
]
Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_KEY,
        description="The same request under the same key is computed once.",
    ),
]


@router.post(
    "/v1/recognize",
    tags=["recordings"],
    summary="One answer for a recording",
    response_class=Response,
    responses={200: PREDICTION, **ERRORS},
    openapi_extra=_BODY,
)
async def recognize(
    request: Request,
    owner: Owner,
    model: Model = None,
    labels: Labels = None,
    min_confidence: MinConfidence = None,
    channel: Channel = None,
    idempotency_key: Key = None,
) -> Response:
    """Recognise the emotion of one recording."""
    service = request.app.state.service
    question = Question(
        model=model,
        labels=_names(labels),
        min_confidence=min_confidence,
        channel=None if channel is None else channel - 1,
    )
    return await _answered(request, owner, idempotency_key, question, service.pipeline.recognize)


@router.post(
    "/v1/timeline",
    tags=["recordings"],
    summary="Emotion over time",
    response_class=Response,
    responses={200: TIMELINE, **ERRORS},
    openapi_extra=_BODY,
)
async def timeline(
    request: Request,
    owner: Owner,
    model: Model = None,
    labels: Labels = None,
    min_confidence: MinConfidence = None,
    channel: Channel = None,
    window: Annotated[
        float | None, Query(description="Seconds of a window; default: by the model.")
    ] = None,
    hop: Annotated[
        float | None, Query(description="Seconds from window to window; default: a window.")
    ] = None,
    pause: Annotated[float, Query(description="Shortest pause that ends a segment.")] = 0.3,
    smoothing: Annotated[
        Literal["off", "median", "hmm"], Query(description="Smoothing over time.")
    ] = "off",
    dwell: Annotated[
        float, Query(description="Expected duration of an emotion in seconds, for hmm.")
    ] = 10.0,
    aggregation: Annotated[
        Literal["mean", "duration", "confidence"],
        Query(description="Weight of a window in the overall answer."),
    ] = "duration",
    detector: Annotated[
        Literal["bands", "silero", "off"],
        Query(description="Detector of voice; off to classify everything."),
    ] = "bands",
    idempotency_key: Key = None,
) -> Response:
    """Recognise emotion over time: segments, windows, voice, and one answer for all."""
    service = request.app.state.service
    question = Question(
        model=model,
        channel=None if channel is None else channel - 1,
        detector=detector,
        settings=TimelineSettings(
            window_s=window,
            hop_s=hop,
            pause_s=pause,
            smoothing=smoothing,
            dwell_s=dwell,
            aggregation=aggregation,
            labels=_names(labels),
            min_confidence=min_confidence,
        ),
    )
    return await _answered(request, owner, idempotency_key, question, service.pipeline.timeline)


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """A stream of packets or sound; the timeline's events come as they happen."""
    service = websocket.app.state.service
    offered = websocket.scope["subprotocols"]
    token = bearer(websocket.headers.get("authorization")) or next(
        (
            name.removeprefix(_TOKEN_PROTOCOL)
            for name in offered
            if name.startswith(_TOKEN_PROTOCOL)
        ),
        None,
    )
    try:
        owner = service.tokens.owner(token)
        origin = websocket.headers.get("origin")
        if origin is not None and not _same_or_allowed(websocket, origin):
            raise RefusedError(403, "origin", "pages of this origin may not call the server")
        if not service.settings.max_streams:
            raise RefusedError(
                404, "no_streams", "this server takes no streams; POST the recording instead"
            )
        if service.draining:
            raise RefusedError(503, "stopping", "the server is stopping", retry_after_s=5)
    except RefusedError as refusal:
        service.metrics.refusals.labels(refusal.code).inc()
        await deny(websocket, refusal)
        return
    await websocket.accept(PROTOCOL if PROTOCOL in offered else None)
    await service.streams.serve(websocket, owner, websocket.state.request_id)


@router.get(
    "/v1/models",
    tags=["operation"],
    summary="The models",
    responses={200: MODELS, 401: ERRORS[401]},
    openapi_extra={"security": [{"bearer": []}, {}]},
)
async def models(request: Request, owner: Owner) -> dict[str, Any]:
    """The models of this server; the first that takes the input is the default."""
    pipeline = request.app.state.service.pipeline
    return {
        "models": pipeline.described(),
        "modalities": pipeline.modalities,
        "asr": pipeline.asr_name,
    }


@router.get("/healthz", tags=["operation"], summary="Whether it runs", responses={200: HEALTH})
async def healthz() -> dict[str, Any]:
    """Whether the process answers; restart it if it does not."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    tags=["operation"],
    summary="Whether to send requests",
    responses={200: READY, 503: ERRORS[503]},
)
async def readyz(request: Request) -> dict[str, Any]:
    """Whether new requests are welcome; send them elsewhere if not."""
    service = request.app.state.service
    if service.draining:
        raise RefusedError(503, "stopping", "the server is stopping", retry_after_s=5)
    pipeline = service.pipeline
    return {"status": "ready", "modalities": pipeline.modalities, "asr": pipeline.asr_state}


@router.get(
    "/metrics",
    tags=["operation"],
    summary="Measurements for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, 401: ERRORS[401]},
    openapi_extra={"security": [{"bearer": []}, {}]},
)
async def metrics(request: Request) -> Response:
    """Latencies by stage, queues, batches, refusals and streams."""
    service = request.app.state.service
    if not service.settings.open_metrics:
        await authorised(request)
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


async def _answered(
    request: Request,
    owner: str,
    key: str | None,
    question: Question,
    answer: Callable[[bytes, Question, Deadline], Draft],
) -> Response:
    """The answer to a question about the recording in the body."""
    service = request.app.state.service
    with service.bodies.share() as share:
        content = await _recording(request, share)

        async def compute() -> bytes:
            done: bytes = await service.answer(lambda deadline: answer(content, question, deadline))
            return done

        if key is None:
            return Response(await compute(), media_type="application/json")
        everything = repr(question).encode() + b"\0" + content
        known = (owner, request.url.path, key)
        body, again = await service.answers.get(known, everything, compute)
        headers = {"Idempotent-Replayed": "true"} if again else {}
        return Response(body, media_type="application/json", headers=headers)


async def _recording(request: Request, share: Share) -> bytes:
    """The recording in the body.

    Raises:
        RefusedError: The body is too large or too slow, or has no recording.
    """
    settings = request.app.state.service.settings
    most = settings.max_body_bytes
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(most)
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            async for part in request.stream():
                share.take(len(part))
                if share.n_bytes > most:
                    raise _too_large(most)
                parts.append(part)
    except TimeoutError:
        raise RefusedError(
            408, "slow", f"the body did not arrive within {settings.body_timeout_s:g} s"
        ) from None
    except ClientDisconnect:
        raise RefusedError(
            499, "disconnected", "the client left before its body was there"
        ) from None
    request.scope["serkit.body_read"] = True
    content = b"".join(parts)
    if request.headers.get("content-type", "").lower().startswith(_MULTIPART.decode()):
        content = await _file_of(request, content, most)
    if not content:
        raise RefusedError(422, "audio", "the body is empty; expected a recording")
    return content


async def _file_of(request: Request, body: bytes, most: int) -> bytes:
    """The only file of a form.

    Raises:
        RefusedError: The form cannot be read, or has no file, or several.
    """
    charset = parse_options_header(request.headers["content-type"])[1].get(b"charset", b"utf-8")
    if charset.lower() not in _CHARSETS:  # Python knows some that take time without end
        name = shown(charset.decode("latin-1"), 80)
        raise RefusedError(400, "form", f"the charset of the form is {name}; expected 'utf-8'")

    async def parts() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        request.headers, parts(), max_files=1, max_fields=_MAX_FIELDS, max_part_size=most
    )
    parser.spool_max_size = most + 1  # stays in memory
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, AttributeError) as error:
        raise RefusedError(400, "form", f"the form cannot be read: {error}") from None
    try:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        if len(files) != 1:
            message = f"the form has {len(files)} files; expected one recording"
            raise RefusedError(422, "form", message)
        return await files[0].read()
    finally:
        await form.close()


def _too_large(most: int) -> RefusedError:
    return RefusedError(
        413,
        "too_large",
        f"the body has more than {most / 1e6:g} MB; send a compressed or a shorter recording",
    )


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(","))


def _same_or_allowed(websocket: WebSocket, origin: str) -> bool:
    """Whether a page may open a stream: browsers do not apply CORS to WebSockets."""
    host = origin.partition("://")[2]
    allowed = websocket.app.state.service.settings.cors_origins
    return host == websocket.headers.get("host") or origin in allowed or "*" in allowed
