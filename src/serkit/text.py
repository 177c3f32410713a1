"""Untrusted text in messages and pages."""

from __future__ import annotations

import unicodedata
from html import escape

# Control characters, and characters that reorder or hide their neighbours.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

# The joiners that some scripts and emoji are written with (Unicode 16, 23.2).
_JOINERS = {"\u200c", "\u200d"}


def printable(text: object) -> str:
    r"""Text as one line that is safe to print on a terminal.

    Control characters, escape sequences, line breaks, direction marks and bytes that are not UTF-8
    become `\x1b`, `\n`, `\u202e`, `\xe9` and the like. A backslash stays as it is.

    Args:
        text: A name, a label, a message; anything with a `str`.
    """
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(map(_escaped, plain))


def shortened(text: str, limit: int) -> str:
    """Text of at most `limit` characters, which ends in `...` if it was cut."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def shown(value: object, limit: int = 200) -> str:
    """The `repr` of an untrusted value for a message, of at most `limit` characters."""
    return shortened(repr(value), limit)


def one_line(error: BaseException) -> str:
    """The message of an error on one line, at most 300 characters; its type if it is empty."""
    text = getattr(error, "strerror", None) or str(error)
    return shortened(" ".join(text.split()), 300) or type(error).__name__


def in_html(text: object) -> str:
    """`printable` text, escaped for HTML content and attributes."""
    return escape(printable(text))


def _escaped(character: str) -> str:
    if character == " " or unicodedata.category(character) not in _HIDDEN or character in _JOINERS:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
