"""The address of a server, and the token to it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from serkit.errors import SerkitError
from serkit.files import read_bounded
from serkit.text import one_line, shown

_MAX_TOKEN = 4096
# RFC 9110, 5.5: what a header can hold, without blanks.
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server.

    Attributes:
        base: Such as `https://host:8757`, without a slash at its end.
        token: Sent as `Authorization: Bearer TOKEN`; it is not part of the `repr`.
    """

    base: str
    token: str | None

    @property
    def stream(self) -> str:
        """The address of streams."""
        return f"ws{self.base.removeprefix('http')}/v1/stream"

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def __repr__(self) -> str:
        return f"Address({self.base!r})"


def address_of(url: str, token: str | None, *, allow_plain: bool = False) -> Address:
    """Check an address.

    Args:
        url: `https://host[:port][/prefix]`, or with `http`.
        token: To the server; None for none.
        allow_plain: Send a token over plain HTTP to another machine.

    Raises:
        SerkitError: The address has another form, the token cannot be sent in a header, or would be
            sent unprotected.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SerkitError(f"the address {shown(url)} is invalid: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise SerkitError(f"the address is {shown(url)}; expected https://HOST or http://HOST:PORT")
    if parts.username is not None or parts.query or parts.fragment:
        raise SerkitError(
            "the address has a user, a query or a fragment; expected https://HOST, and the token "
            "in a file or in SERKIT_TOKEN"
        )
    if token is not None:
        if len(token) > _MAX_TOKEN or not _TOKEN.fullmatch(token):
            raise SerkitError(
                f"the token has blanks, characters that are not ASCII, or more than {_MAX_TOKEN}; "
                "expected one as the server's file has it"
            )
        if parts.scheme == "http" and not allow_plain and not _is_loopback(host):
            raise SerkitError(
                f"the token would go unprotected to {host} over http; expected https, or allow it"
            )
    return Address(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", token)


def read_token(file: Path) -> str:
    """The first token of a file.

    Raises:
        SerkitError: The file cannot be read, or holds none.
    """
    try:
        content = read_bounded(file, 1 << 20).decode("ascii", "replace")
    except OSError as error:
        raise SerkitError(f"{file}: {one_line(error)}; expected a file with a token") from error
    for line in content.splitlines():
        if line.strip() and not line.startswith("#"):
            return line.strip()
    raise SerkitError(f"{file}: holds no token; expected one on a line")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
