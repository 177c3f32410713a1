"""Connections: how many, and how long and how much they may take to ask."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from serkit.serving.refusals import error_object

MAX_HEAD = 64 << 10
"""Bytes of a request but its body, at most, about: the line, the headers and the trailers."""

MAX_FRAMES = 1000
"""Frames of a WebSocket from message to message at most: pings, pongs and fragments."""

MAX_PIPELINED = 32
"""Requests that wait for the answer to the one before, on one connection."""

# Parsed at once: an empty frame takes 6 bytes.
_SLICE = 4096
# Data that the other side neither confirms nor takes is given up.
_UNREAD_S = 60


def _response(status: str, code: str, message: str, *headers: str) -> bytes:
    body = json.dumps(error_object(code, message))
    head = (
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    )
    return "\r\n".join((*head, "", body)).encode()


_FULL = _response(
    "503 Service Unavailable",
    "connections",
    "too many connections; try again later",
    "Retry-After: 5",
)
_LARGE = _response(
    "431 Request Header Fields Too Large",
    "head_too_large",
    f"the head of the request has more than {MAX_HEAD} bytes; send fewer headers",
)
_NO_HANDSHAKE = _response(
    "400 Bad Request", "handshake", "the headers are no WebSocket handshake, or too many"
)


def limited(most: int, header_timeout_s: float, on_full: Any) -> type[asyncio.Protocol]:
    """The protocol of a connection, with limits that uvicorn does not have.

    A connection beyond the limit is told so and closed. One whose header has not arrived in time,
    counted from its first byte or from the connection, is closed; so is one that goes on with a
    body after its answer. A head that is too large is refused before it fills the memory.

    Args:
        most: Open connections at most.
        header_timeout_s: For the header of a request to arrive, and for the rest of a body that
            nobody reads.
        on_full: Called for each connection beyond the limit.
    """

    class Limited(HttpToolsProtocol):
        _waiting: asyncio.TimerHandle | None = None
        _in_message = _half_closed = False
        _n_head = 0  # bytes of this request but its body
        _n_unparsed = 0  # bytes since the parser has last told anything but a header

        def connection_made(self, transport: Any) -> None:
            if len(self.connections) >= most:
                on_full()
                transport.write(_FULL)
                transport.close()
                self.transport = transport
                self.refused = True
                return
            _give_up_unread(transport)
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            if not self.refused:
                super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.refused:
                return
            self._n_unparsed += len(data)
            super().data_received(data)
            if self._n_unparsed > MAX_HEAD + len(data) and not self.transport.is_closing():
                self._refuse_head()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_message = True
            self._n_head = self._n_unparsed = 0
            if self._waiting is None:
                self._wait()

        def on_header(self, name: bytes, value: bytes) -> None:
            self._n_head += len(name) + len(value) + 4
            if self._n_head > MAX_HEAD:
                raise ValueError  # it ends in `send_400_response`
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._stop_waiting()
            self._n_unparsed = 0
            if len(self.pipeline) >= MAX_PIPELINED:
                raise ValueError  # it ends in `send_400_response`
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._n_unparsed = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._in_message = False
            self._n_unparsed = 0
            self._stop_waiting()
            super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            unread = self._in_message and self.cycle.response_complete
            if unread and self._waiting is None:
                self._wait()
            if self._half_closed and self.cycle.response_complete:
                self.transport.close()

        def eof_received(self) -> bool | None:  # type: ignore[override]
            asked = self.cycle is not None and not self.cycle.response_complete
            # TLS has no half-closed connections.
            self._half_closed = asked and not self._in_message and self.scheme == "http"
            return self._half_closed

        def send_400_response(self, msg: str) -> None:
            if self._n_head > MAX_HEAD:
                self._refuse_head()
            else:
                super().send_400_response(msg)

        def handle_websocket_upgrade(self) -> None:
            super().handle_websocket_upgrade()
            stream = self.transport.get_protocol()
            # It answers only what it takes for a handshake, and waits for ever otherwise.
            if isinstance(stream, Stream) and not stream.handshake_initiated:
                self.transport.write(_NO_HANDSHAKE)
                self.transport.close()

        def _refuse_head(self) -> None:
            self.transport.write(_LARGE)
            self.transport.close()

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


class Stream(WebSocketsSansIOProtocol):
    """A WebSocket with a limit on frames that are no messages: they are parsed, and cost time."""

    _n_frames = 0

    def data_received(self, data: bytes) -> None:
        """Take bytes, not too many at once."""
        for start in range(0, len(data), _SLICE):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + _SLICE])
            if self._n_frames > MAX_FRAMES and not self.transport.is_closing():
                self.conn.fail(1008, "too many frames without a message")
                self.handle_parser_exception()

    def handle_ping(self) -> None:
        """Answer a ping."""
        self._n_frames += 1
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take the answer to a ping."""
        self._n_frames += 1
        super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment."""
        self._n_frames += 1
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Hand a message over."""
        self._n_frames = 0
        super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        """Send a message, or an answer instead of the handshake, which is complete then.

        Raises:
            ClientDisconnected: The connection has been ended, such as for too many frames.
        """
        if self.close_sent and self.initial_response is None:
            raise ClientDisconnected
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True


def _give_up_unread(transport: Any) -> None:
    """Have the system end a connection whose other side does not read, where it can."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    connected = transport.get_extra_info("socket")
    if option is not None and connected is not None:
        connected.setsockopt(socket.IPPROTO_TCP, option, 1000 * _UNREAD_S)
