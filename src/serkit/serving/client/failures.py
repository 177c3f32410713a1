"""What goes wrong between a client and its server, as errors."""

from __future__ import annotations

from typing import Any

from serkit.errors import ServerError
from serkit.serving.client.parsing import object_of
from serkit.serving.client.retries import WORTH_REPEATING
from serkit.text import one_line, printable, shortened

_PASSING = frozenset(
    {
        "overloaded",
        "stopping",
        "deadline",
        "internal",
        "idle",
        "connections",
        "decoder_died",
        "worker_died",
    }
)


def away(error: BaseException) -> ServerError:
    """The error of a connection that failed."""
    reason = "it did not answer in time" if isinstance(error, TimeoutError) else one_line(error)
    return ServerError(
        f"the server is away: {reason}; is it running, and the address right?", away=True
    )


def refusal(status: int, content: bytes, retry_after_s: float | None) -> ServerError:
    """The error that a response describes."""
    code, message = None, ""
    try:
        described = object_of(content).get("error")
    except ServerError:
        described = None
    if isinstance(described, dict):
        code, message = described.get("code"), described.get("message", "")
    text = shortened(printable(message), 500) if message else "no reason given"
    return ServerError(
        f"the server refuses (status {status}): {text}",
        status=status,
        code=code if isinstance(code, str) else None,
        retry_after_s=retry_after_s,
        away=status in WORTH_REPEATING,
    )


def fatal(values: dict[str, Any]) -> ServerError:
    """The error that ends the connection of a stream."""
    code, seconds = values.get("code"), values.get("retry_after_s")
    return ServerError(
        f"the server refuses: {shortened(printable(values.get('message', code)), 500)}",
        code=code if isinstance(code, str) else None,
        retry_after_s=float(seconds) if isinstance(seconds, int | float) else None,
        away=code in _PASSING,
    )
