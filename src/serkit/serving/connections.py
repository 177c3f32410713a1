"""Connections: how many, and how long they may take to ask."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serkit.serving.refusals import error_object

_BODY = json.dumps(error_object("connections", "too many connections; try again later"))
_FULL = (
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Content-Type: application/json\r\n"
    f"Content-Length: {len(_BODY)}\r\n"
    "Retry-After: 5\r\n"
    "Connection: close\r\n"
    f"\r\n{_BODY}"
).encode()


def limited(most: int, header_timeout_s: float, on_full: Any) -> type[asyncio.Protocol]:
    """The protocol of a connection, with limits that uvicorn does not have.

    A connection beyond the limit is told so and closed. One whose header has not arrived in time,
    counted from its first byte or from the connection, is closed.

    Args:
        most: Open connections at most.
        header_timeout_s: For the header of a request to arrive.
        on_full: Called for each connection beyond the limit.
    """

    class Limited(HttpToolsProtocol):
        _waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            if len(self.connections) >= most:
                on_full()
                transport.write(_FULL)
                transport.close()
                self.transport = transport
                self.refused = True
                return
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            if not self.refused:
                super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not self.refused:
                super().data_received(data)

        def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
            """Whether to keep our half open: a client may close its own after its request."""
            asked = self.cycle is not None and not self.cycle.more_body
            return asked and not self.cycle.response_complete and self.scheme == "http"

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._waiting is None:
                self._wait()

        def on_headers_complete(self) -> None:
            self._stop_waiting()
            super().on_headers_complete()

        def _wait(self) -> None:
            self._waiting = self.loop.call_later(header_timeout_s, self._give_up)

        def _stop_waiting(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _give_up(self) -> None:
            self._waiting = None
            if not self.transport.is_closing():
                self.transport.abort()

        refused = False

    return Limited
