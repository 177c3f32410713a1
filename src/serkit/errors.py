"""The errors serkit raises, all below one root.

::

    SerkitError
    ├── AudioError         a recording cannot be read or holds nothing to analyse
    ├── ModelError         a model file is damaged, unknown or of another version
    ├── PacketError        a packet of the edge codec is damaged
    ├── CorpusError        a corpus on disk is not what its reader expects
    ├── ProtocolError      an evaluation would leak or cannot be run
    ├── ProfileError       a user's profile is damaged or does not fit the model
    ├── ServerError        a server is away, refuses a request or answers wrongly
    ├── RecipeError        a feature or training recipe is invalid
    ├── TranscriptionError speech recognition failed or took too long
    └── MissingExtraError  an optional dependency is not installed

A message says what is wrong, what was expected and what to do.
"""

from __future__ import annotations


class SerkitError(Exception):
    """Root of every error that serkit raises on purpose."""


class AudioError(SerkitError, ValueError):
    """A recording cannot be read or holds nothing to analyse."""


class ModelError(SerkitError, ValueError):
    """A model file is damaged, unknown or of another version."""


class PacketError(SerkitError, ValueError):
    """A packet of the edge codec is damaged."""


class CorpusError(SerkitError, ValueError):
    """A corpus on disk is not what its reader expects."""


class ProtocolError(SerkitError, ValueError):
    """An evaluation would leak or cannot be run on the data at hand."""


class ProfileError(SerkitError, ValueError):
    """A user's profile is damaged or does not fit the model."""


class ServerError(SerkitError):
    """A server is away, refuses a request or answers wrongly.

    Args:
        message: For people.
        status: HTTP status of the refusal; None without one.
        code: What went wrong, for programs, as the server says; None if it does not.
        retry_after_s: Seconds after which the server wants to be asked again; None if unknown.
        away: Whether the same request may succeed later, or at another server.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        away: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.away = away


class RecipeError(SerkitError, ValueError):
    """A feature or training recipe is invalid."""


class TranscriptionError(SerkitError, RuntimeError):
    """Speech recognition failed, took too long, or does not know the language."""


class MissingExtraError(SerkitError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self._arguments = (package, extra, purpose)
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed; "
            f"install it with: pip install 'serkit[{extra}]'"
        )

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        """Pickle by the constructor's arguments: worker processes send errors to the parent."""
        return type(self), self._arguments
