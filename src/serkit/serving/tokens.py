"""Bearer tokens: who may ask."""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
from pathlib import Path

from serkit.errors import SerkitError
from serkit.files import read_bounded
from serkit.serving.logs import log
from serkit.serving.refusals import RefusedError
from serkit.text import one_line

MIN_LENGTH = 16
"""Characters of a token at least."""

_MAX_FILE_BYTES = 1 << 20
_MAX_TOKENS = 1000


class Tokens:
    """The tokens of a file, of which only hashes are kept.

    The file has one token per line; empty lines and lines that begin with `#` are ignored. It is
    read again when it changes, so that tokens are added and withdrawn without a restart; a file
    that cannot be read then leaves the tokens as they were, and the log says so.

    Args:
        file: The file; None if anybody may ask.

    Raises:
        SerkitError: The file cannot be read, has no token, or one that is too short.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] = ()
        self._warned: tuple[int, ...] | None = None
        self._hashes: tuple[bytes, ...] = ()
        if file is not None:
            self._hashes, self._stamp = _hashes_of(file), _stamp_of(file)

    def owner(self, token: str | None) -> str:
        """Who asks: a name for the token that does not tell it; empty if tokens are not needed.

        All tokens are compared, in constant time.

        Raises:
            RefusedError: The token is missing or unknown.
        """
        if self._file is None:
            return ""
        self._refresh(self._file)
        if token is None:
            raise RefusedError(
                401, "token_missing", "expected the header: Authorization: Bearer TOKEN"
            )
        given = _hash(token.encode("utf-8", "surrogateescape"))
        found = [hmac.compare_digest(given, known) for known in self._hashes]
        if not any(found):
            raise RefusedError(401, "token_unknown", "the token is not known to this server")
        return given.hex()[:16]

    def _refresh(self, file: Path) -> None:
        try:
            stamp = _stamp_of(file)
        except OSError:
            stamp = ()
        with self._lock:
            if stamp == self._stamp:
                return
            try:
                self._hashes = _hashes_of(file)
            except SerkitError as error:  # half written, perhaps: it is read again
                if stamp != self._warned:
                    self._warned = stamp
                    log(logging.WARNING, "tokens not read", reason=_without(file, error))
                return
            self._stamp, self._warned = stamp, None


def bearer(header: str | None) -> str | None:
    """The token of an `Authorization` header; None without one."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _without(file: Path, error: SerkitError) -> str:
    """A message without the path, which no log has."""
    return str(error).removeprefix(f"{file}: ")


def _stamp_of(file: Path) -> tuple[int, ...]:
    status = file.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _hashes_of(file: Path) -> tuple[bytes, ...]:
    try:
        content = read_bounded(file, _MAX_FILE_BYTES)
    except OSError as error:
        raise SerkitError(f"{file}: {one_line(error)}; expected a file of tokens") from error
    lines = [line.strip() for line in content.splitlines()]
    tokens = [line for line in lines if line and not line.startswith(b"#")]
    if not 1 <= len(tokens) <= _MAX_TOKENS:
        raise SerkitError(
            f"{file}: {len(tokens)} tokens; expected 1 to {_MAX_TOKENS}, one per line"
        )
    short = sum(len(token) < MIN_LENGTH for token in tokens)
    if short:
        raise SerkitError(
            f"{file}: {short} tokens of less than {MIN_LENGTH} characters; make one with: "
            "openssl rand -hex 16"
        )
    return tuple(map(_hash, tokens))
