"""Text from strangers, made fit to be shown."""

from __future__ import annotations

import unicodedata
from html import escape

# Control characters, and those that reorder or hide what stands beside them.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

# The joiners that some scripts and emoji are written with (Unicode 16, 23.2).
_JOINERS = {"\u200c", "\u200d"}


def printable(text: object) -> str:
    r"""One line that a terminal shows as it is written, and does not act on.

    Control characters, escape sequences, line breaks, marks of direction and bytes that are no
    UTF-8 become `\x1b`, `\n`, `\u202e`, `\xe9` and the like. A backslash stays as it is.

    Args:
        text: A name, a label, a message; anything with a `str`.
    """
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(map(_shown, plain))


def one_line(error: BaseException) -> str:
    """The message of a library's error, cut and without line breaks; its type if it has none."""
    text = getattr(error, "strerror", None) or str(error)
    return f"{' '.join(text.split()):.300}" or type(error).__name__


def in_html(text: object) -> str:
    """`printable` text between the tags, or the quotes, of a page."""
    return escape(printable(text))


def _shown(character: str) -> str:
    if character == " " or unicodedata.category(character) not in _HIDDEN or character in _JOINERS:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
