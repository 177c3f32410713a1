"""Why a request is refused, and the JSON that says so.

A message says what is wrong, what was expected and what to do, and never where in the code.
"""

from __future__ import annotations

from typing import Any

from serkit.audio import TooLongError
from serkit.errors import AudioError, ModelError, PacketError, SerkitError
from serkit.text import printable, shortened

_MAX_MESSAGE = 500


class RefusedError(SerkitError):
    """A request is not answered.

    Args:
        status: HTTP status.
        code: What went wrong, for programs.
        message: The same for people.
        retry_after_s: Seconds after which to try again; None if that does not help.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


class DeadlineError(RefusedError):
    """The answer would have come too late."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            504,
            "deadline",
            f"no answer within {seconds:.3g} s; send a shorter recording, or try again",
            retry_after_s=1,
        )


def overloaded(message: str, retry_after_s: int = 1) -> RefusedError:
    """The refusal of a full server."""
    return RefusedError(429, "overloaded", message, retry_after_s=retry_after_s)


def refusal_of(error: Exception) -> RefusedError:
    """An error as a refusal; one that is no `SerkitError` says nothing of itself."""
    match error:
        case RefusedError():
            return error
        case TooLongError():
            return RefusedError(413, "too_long", str(error))
        case AudioError():
            return RefusedError(422, "audio", str(error))
        case PacketError():
            return RefusedError(422, "packet", str(error))
        case ModelError():
            return RefusedError(422, "model", str(error))
        case SerkitError():
            return RefusedError(422, "request", str(error))
        case _:
            return RefusedError(500, "internal", "the server failed; the log has the request id")


def error_object(code: str, message: str) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"code": code, "message": shortened(printable(message), _MAX_MESSAGE)}}
