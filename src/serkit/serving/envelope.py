"""What is around every request: its id, its measurement and its line in the log."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serkit.serving.logs import log

if TYPE_CHECKING:
    from serkit.serving.app import Service

_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
_SAFETY = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class Envelope:
    """Gives each request an id, measures it, and writes a line to the log.

    A client may give the id (`X-Request-Id`), in at most 64 letters, digits, `_`, `.` and `-`.

    Args:
        app: The application.
        service: Of the server.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._metrics = service.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [(b"x-request-id", request_id), *_SAFETY]
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(header for header in headers if header[0] not in present),
                ]
            await send(message)

        try:
            await self._app(scope, receive, tell)
        finally:
            seconds = time.perf_counter() - begun
            route = route_of(scope)
            self._metrics.requests.labels(route, status).inc()
            self._metrics.request_seconds.labels(route).observe(seconds)
            log(
                logging.DEBUG if route in ("/healthz", "/readyz", "/metrics") else logging.INFO,
                "request",
                request_id=request_id.decode(),
                method=scope["method"],
                route=route,
                status=status,
                ms=round(1000 * seconds, 2),
            )


def route_of(scope: dict[str, Any] | Scope) -> str:
    """The template of the path, of which there are few; `other` for unknown paths."""
    return getattr(scope.get("route"), "path", "other")
