"""Published CSV tables, in several encodings; damaged rows become oddities."""

from __future__ import annotations

import csv
import errno
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from serkit.corpora.utterances import Oddity
from serkit.files import lies_within, read_bounded

MAX_BYTES = 64 << 20
"""Largest accepted table."""

# Windows-1252 punctuation that was decoded as Latin-1, such as U+0092 for ’.
_WINDOWS = {
    code: character
    for code in range(0x80, 0xA0)
    if (character := bytes([code]).decode("cp1252", "ignore"))
}


def content_of(path: Path, root: Path) -> bytes:
    """The bytes of a table of a corpus.

    Args:
        path: A regular file of at most `MAX_BYTES`.
        root: The corpus's folder, which no link may lead out of.

    Raises:
        OSError: The table cannot be read, or is not a regular file; `strerror` says why.
    """
    if not lies_within(path, root):
        raise OSError(errno.EINVAL, "is a link out of the corpus's folder", str(path))
    return read_bounded(path, MAX_BYTES)


def decoded(content: bytes) -> str:
    """Decode UTF-8 or, failing that, Windows-1252.

    Copies of MELD and IEMOCAP are in either encoding, or in UTF-8 with Windows-1252 punctuation as
    control characters; all three give the same text.

    Args:
        content: The bytes of a file.

    Returns:
        The text.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    return text.translate(_WINDOWS)


def rows_of(
    path: Path,
    root: Path,
    columns: Sequence[str],
    oddities: list[Oddity],
    *,
    tabs: bool = False,
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Rows of a published CSV file.

    Args:
        path: The file, with a header.
        root: The corpus's folder.
        columns: Names of the columns to read, not case-sensitive.
        oddities: List that an unreadable file, missing columns and incomplete rows are added to.
        tabs: Whether cells are separated by tabs, with quotation marks as part of the text.

    Yields:
        The line in which a row starts, and its stripped cells by column.
    """
    try:
        file = io.StringIO(decoded(content_of(path, root)), newline="")
        table = (
            csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(file)
        )
        header = [name.strip().lower() for name in next(table, [])]
        missing = [name for name in columns if name.lower() not in header]
        if missing:
            oddities.append(Oddity(path, f"has no column {', '.join(missing)}; skipped"))
            return
        places = {name: header.index(name.lower()) for name in columns}
        line = table.line_num + 1
        for cells in table:
            row = {name: cells[i].strip() for name, i in places.items() if i < len(cells)}
            if len(row) == len(columns):
                yield line, row
            elif cells:
                oddities.append(Oddity(path, f"line {line}: lacks a cell; skipped"))
            line = table.line_num + 1
    except OSError as error:
        oddities.append(Oddity(path, f"cannot be read: {error.strerror}"))
    except csv.Error as error:
        oddities.append(Oddity(path, f"is not CSV: {error}"))
