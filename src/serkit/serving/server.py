"""The process of the server: its sockets and signals."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import signal
import sys
from types import FrameType
from typing import Any

import uvicorn

from serkit.serving.app import Service, create_app
from serkit.serving.asr import Asr
from serkit.serving.connections import Stream, limited
from serkit.serving.logs import log, set_up
from serkit.serving.settings import Settings

_PING_S = 20.0
_M_ARENA_MAX = -8  # of malloc.h
# The interpreter lock changes hands after this time, not after the usual 5 ms: an answer passes
# through several threads.
_SWITCH_S = 0.001


class Server(uvicorn.Server):
    """A server that finishes what it has accepted before it ends.

    After SIGTERM or Ctrl-C, `/readyz` says 503 for `drain_delay_s`, the clients of streams are told
    to go on elsewhere, no connection is accepted any more, and requests in work are answered. A
    second signal ends the process at once.

    Args:
        settings: Of the server.
        asr: As for `Service`.

    Raises:
        SerkitError: As `Service`.
    """

    def __init__(self, settings: Settings, *, asr: Asr | None = None) -> None:
        app = create_app(settings, asr=asr)
        self.service: Service = app.state.service
        self._drain: asyncio.Task[None] | None = None
        refused = self.service.metrics.refusals.labels("connections")
        super().__init__(_config(app, settings, refused.inc))

    async def startup(self, sockets: Any = None) -> None:
        """Start listening."""
        _raise_file_limit()
        await super().startup(sockets)
        if self.started:
            addresses = [sock.getsockname() for server in self.servers for sock in server.sockets]
            log(logging.INFO, "listening", addresses=[f"{a[0]}:{a[1]}" for a in addresses])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end, or end at once at the second signal."""
        if self._drain is None:
            loop = asyncio.get_running_loop()
            self._drain = loop.create_task(self._end())
        else:
            self.should_exit = self.force_exit = True
            signal.signal(sig, signal.SIG_DFL)

    async def _end(self) -> None:
        log(logging.INFO, "draining", pending=self.service.admission.pending)
        try:
            await self.service.drain()
        finally:
            self.should_exit = True


def serve(settings: Settings) -> None:
    """Run the server until a signal ends it.

    Raises:
        SerkitError: As `Service`.
    """
    set_up(settings.log_level, settings.log_format)
    sys.setswitchinterval(_SWITCH_S)
    _share_arenas()
    Server(settings).run()


def _config(app: Any, settings: Settings, on_full: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=limited(settings.max_connections, settings.header_timeout_s, on_full),
        ws=Stream,
        ws_max_size=settings.max_chunk_kb * 1000 + 1024,
        ws_ping_interval=_PING_S,
        ws_ping_timeout=_PING_S,
        ws_per_message_deflate=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(settings.idle_timeout_s),
        timeout_graceful_shutdown=int(settings.drain_timeout_s),
        backlog=2048,
    )


def _share_arenas() -> None:
    """Let threads share memory pools: glibc gives up to eight per core, each with its own holes."""
    with contextlib.suppress(OSError, AttributeError):  # not on glibc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets: each connection is one."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
