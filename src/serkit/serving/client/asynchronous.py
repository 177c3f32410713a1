"""`serkit.AsyncClient`."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from serkit.audio import Source
from serkit.errors import MissingExtraError, SerkitError, ServerError
from serkit.runtime import Prediction, Recognizer, Timeline, TimelineSettings
from serkit.serving.client.address import address_of
from serkit.serving.client.answers import Answer, Meter, Way
from serkit.serving.client.coding import (
    STREAM_MODES,
    body_of,
    checked_mode,
    content_of,
    stream_coder,
)
from serkit.serving.client.device import Device, is_sure
from serkit.serving.client.energy import radio_named
from serkit.serving.client.failures import away, refusal
from serkit.serving.client.options import options_of
from serkit.serving.client.parsing import object_of, prediction_of, text_of, timeline_of
from serkit.serving.client.retries import Retries, retry_after
from serkit.serving.client.streaming import AsyncClientStream

if TYPE_CHECKING:
    import httpx

Result = TypeVar("Result", bound=Prediction | Timeline)

_MAX_ANSWER = 64 << 20
_CONNECT_S = 5.0


class AsyncClient:
    """Asks a server of serkit, and answers on the device where that is better.

    Args:
        url: Address of the server, `https://HOST` or `http://HOST:PORT`.
        token: Of the server; None for none.
        mode: How recordings are sent: `basis` (packets of about 2 kbit/s), `svd`, `opus`, `wav`, or
            `file`, as they are. Streams are sent as `basis` or `wav`.
        model: Name of the server's model; None for its first that takes the input.
        device: The model on the device, its name or its file; None for the shipped one that takes
            the input.
        fallback: Answer on the device when the server is away.
        when_unsure: Answer on the device, and ask the server only if the probability of the best
            label there is below this; None to ask always.
        timeout_s: For an attempt to be answered, and for a stream to come back.
        retries: When to ask again.
        radio: For the modelled energy: `wifi`, `lte` or `lte-m`.
        allow_plain: Send the token over plain HTTP to another machine.

    Raises:
        MissingExtraError: The extra `client` is not installed.
        SerkitError: A value is out of range.
        ModelError: The model on the device cannot be loaded.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        mode: str = "basis",
        model: str | None = None,
        device: Recognizer | str | None = None,
        fallback: bool = True,
        when_unsure: float | None = None,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        radio: str = "lte",
        allow_plain: bool = False,
    ) -> None:
        self._httpx = _httpx()
        self._address = address_of(url, token, allow_plain=allow_plain)
        self._mode = checked_mode(mode)
        self._model = model
        self._device = Device(device)
        self._fallback = fallback
        if when_unsure is not None and not 0.0 <= when_unsure <= 1.0:
            raise SerkitError(f"when_unsure is {when_unsure}; expected a probability, 0 to 1")
        self._when_unsure = when_unsure
        if not 0.0 < timeout_s < math.inf:
            raise SerkitError(f"the timeout is {timeout_s} s; expected more than 0 s")
        self._timeout_s = timeout_s
        self._retries = Retries() if retries is None else retries
        self._radio = radio_named(radio)
        self._http = self._httpx.AsyncClient(
            base_url=self._address.base,
            headers={
                **self._address.headers,
                "User-Agent": "serkit",
                "Accept-Encoding": "identity",
            },
            # The whole attempt has a limit below; two that expire together can leave a socket open.
            timeout=self._httpx.Timeout(None, connect=min(_CONNECT_S, timeout_s / 2.0)),
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def recognize(self, audio: Source, *, mode: str | None = None) -> Answer[Prediction]:
        """One answer for a recording.

        Args:
            audio: A path, the bytes of a file, a binary file, or `(array, rate)`.
            mode: How it is sent, if not as the client's.

        Raises:
            AudioError: The recording cannot be read.
            ServerError: The server refuses it, or is away and there is no fallback.
            OSError: The file cannot be opened.
        """
        return await self._answer(
            audio,
            mode,
            "/v1/recognize",
            {},
            prediction_of,
            lambda: self._device.model_for(audio)(audio),
            lambda result: result,
        )

    async def timeline(
        self,
        audio: Source,
        settings: TimelineSettings | None = None,
        *,
        mode: str | None = None,
    ) -> Answer[Timeline]:
        """Emotion over time.

        Args:
            audio: As for `recognize`.
            settings: How to cut, smooth and sum up.
            mode: As for `recognize`.

        Raises:
            SerkitError: As `recognize`.
            OSError: As `recognize`.
        """
        return await self._answer(
            audio,
            mode,
            "/v1/timeline",
            options_of(settings, ","),
            timeline_of,
            lambda: self._device.model_for(audio).timeline(audio, settings),
            lambda result: result.overall,
        )

    def stream(
        self, settings: TimelineSettings | None = None, *, mode: str | None = None
    ) -> AsyncClientStream:
        """A stream, which is sent while it is recorded; use it as an asynchronous context.

        Args:
            settings: How to cut, smooth and sum up.
            mode: `basis` or `wav`, if not as the client's.

        Raises:
            SerkitError: The mode cannot be streamed, the client has `when_unsure`, or its model on
                the device does not take what is sent.
        """
        if self._when_unsure is not None:
            raise SerkitError("a stream is sent while it is recorded; expected no when_unsure")
        coder = stream_coder(checked_mode(self._mode if mode is None else mode, STREAM_MODES))
        start = {**coder.start, "timeline": options_of(settings)}
        if self._model is not None:
            start["model"] = self._model
        live = None
        if self._fallback:
            packets = start["input"] == "packets"
            model = self._device.model_of(packets=packets)
            if packets and not model.card.takes_log_mel:
                raise SerkitError(
                    f"the model on the device, {model.name}, takes sound, and could not go on with "
                    "packets; choose one that takes log-mel, the mode wav, or no fallback"
                )
            live = model.stream(settings)
        return AsyncClientStream(
            self._address,
            coder,
            start,
            live,
            Meter("server", self._radio),
            Meter("device", self._radio),
            retries=self._retries,
            timeout_s=self._timeout_s,
        )

    async def _answer(
        self,
        audio: Source,
        mode: str | None,
        path: str,
        options: Mapping[str, str],
        parsed: Callable[[dict[str, Any]], Result],
        on_device: Callable[[], Result],
        overall: Callable[[Result], Prediction],
    ) -> Answer[Result]:
        """The answer of the device if it is sure, of the server, or of the device instead."""
        chosen = self._mode if mode is None else checked_mode(mode)
        audio = _repeatable(audio)
        first: Answer[Result] | None = None
        if self._when_unsure is not None:
            first = await self._of_device(on_device)
            if is_sure(overall(first.result).scores, self._when_unsure):
                return first
        meter = Meter("server", self._radio)
        body, meter.cpu_s = await asyncio.to_thread(_timed, lambda: body_of(audio, chosen))
        try:
            values = await self._post(path, options, body, meter)
            said = text_of(values)
            result = parsed(values)
        except ServerError as error:
            if not (error.away and self._fallback):
                raise
            cost = meter.cost()
            if first is not None:
                return replace(first, reason=str(error), costs=(*first.costs, cost))
            instead = await self._of_device(on_device)
            return replace(instead, reason=str(error), costs=(cost, *instead.costs))
        costs = (*(first.costs if first else ()), meter.cost())
        return Answer(result, "server", None, costs, **said)

    async def _of_device(self, compute: Callable[[], Result]) -> Answer[Result]:
        way: Way = "device"
        meter = Meter(way, self._radio)
        result, meter.cpu_s = await asyncio.to_thread(_timed, compute)
        return Answer(result, way, "the device is sure", (meter.cost(),))

    async def _post(
        self, path: str, options: Mapping[str, str], body: bytes, meter: Meter
    ) -> dict[str, Any]:
        """Ask until there is an answer.

        Raises:
            ServerError: There is none.
        """
        key = secrets.token_hex(16)
        while True:
            meter.attempts += 1
            try:
                return await self._post_once(path, options, body, key, meter)
            except ServerError as error:
                wait_s = (
                    self._retries.wait_s(meter.attempts, error.retry_after_s)
                    if error.away
                    else None
                )
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    async def _post_once(
        self, path: str, options: Mapping[str, str], body: bytes, key: str, meter: Meter
    ) -> dict[str, Any]:
        query = dict(options) | ({} if self._model is None else {"model": self._model})
        headers = {"Idempotency-Key": key, "Content-Type": "application/octet-stream"}
        request = self._http.build_request(
            "POST", path, params=query, content=body, headers=headers
        )

        async def count(event: str, _: object) -> None:
            if event == "http11.send_request_headers.complete":
                meter.bytes_sent += head_bytes(request)
            elif event == "http11.send_request_body.complete":
                meter.bytes_sent += len(body)

        request.extensions["trace"] = count
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.send(request, stream=True)
                try:
                    content = await _read(response)
                finally:
                    await response.aclose()
        except (self._httpx.TransportError, TimeoutError) as error:
            raise away(error) from error
        if response.status_code == 200:
            return object_of(content)
        raise refusal(
            response.status_code, content, retry_after(response.headers.get("Retry-After"))
        )


def _repeatable(audio: Source) -> Source:
    """The same recording; an open file as its bytes, since it is read more than once."""
    return content_of(audio) if hasattr(audio, "read") else audio


def _timed(compute: Callable[[], Any]) -> tuple[Any, float]:
    """A result, and the seconds of the processor that it took this thread."""
    begun = time.thread_time()
    return compute(), time.thread_time() - begun


async def _read(response: httpx.Response) -> bytes:
    parts, n_bytes = [], 0
    async for part in response.aiter_bytes():
        n_bytes += len(part)
        if n_bytes > _MAX_ANSWER:
            raise ServerError(
                f"the server's answer has more than {_MAX_ANSWER >> 20} MiB; expected JSON"
            )
        parts.append(part)
    return b"".join(parts)


def head_bytes(request: httpx.Request) -> int:
    """Size of the head of an HTTP/1.1 request."""
    line = len(f"{request.method} ") + len(request.url.raw_path) + len(" HTTP/1.1\r\n")
    return line + sum(len(name) + len(value) + 4 for name, value in request.headers.raw) + 2


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError("httpx", "client", "serkit.Client") from error
    return httpx
