"""A user's own corpus: a table of audio files or texts, labels and speakers as CSV or JSON lines.

Columns `audio,label,speaker`, and optionally `session,text,start,end` (times in seconds); a row
with a text may do without audio, and a table of texts without the column. The CSV has a header; of
the JSON lines each is an object with these keys. UTF-8. A relative path of an audio file is
relative to the manifest.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from serkit.corpora.assembly import assemble
from serkit.corpora.emotions import in_order
from serkit.corpora.utterances import Corpus, CorpusInfo, Utterance
from serkit.errors import CorpusError
from serkit.files import read_bounded
from serkit.plain import from_json
from serkit.text import printable, shortened, shown

MAX_BYTES = 64 << 20
"""Largest accepted manifest."""

REQUIRED = ("audio", "label", "speaker")
OPTIONAL = ("session", "text", "start", "end")

_SHOWN = 5
_MAX_S = 1_000_000
_Row = Mapping[str, Any]


class _BadRowError(Exception):
    """An invalid row; the message is the problem."""


def read(path: Path, labels: Collection[str] | None = None) -> Corpus:
    """Read a manifest.

    Args:
        path: A `.csv` or `.jsonl` file. Its stem is the name of the corpus.
        labels: Allowed labels; default: any.

    Returns:
        The corpus, in the order of the rows, with stripped cells.

    Raises:
        CorpusError: The file is missing or not UTF-8, lacks a column or has an unknown one, or has
            invalid rows: without label or speaker, without audio and text, with a missing audio
            file, with an end before the start, with a label that is not allowed, or with the same
            stretch of audio as another row. The message lists the first few with line numbers, and
            counts all.
    """
    utterances: list[Utterance] = []
    bad: list[str] = []
    first: dict[tuple[str, float | None, float | None], int] = {}
    for line, row in _rows(path):
        try:
            utterance = _utterance(path, row, labels)
            stretch = (
                os.path.normpath(str(utterance.audio or "")),
                utterance.start_s or None,
                utterance.end_s,
            )
            earlier = first.setdefault(stretch, line) if utterance.audio else line
            if earlier != line:
                raise _BadRowError(f"the same audio as line {earlier}")
        except _BadRowError as error:
            bad.append(f"line {line}: {error}")
        else:
            utterances.append(utterance)
    if bad:
        shown = "; ".join(bad[:_SHOWN])
        more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        rows = "1 bad row" if len(bad) == 1 else f"{len(bad)} bad rows"
        raise CorpusError(f"{path} has {rows}, correct or remove them: {shown}{more}")
    return assemble(_info(path, utterances), path, utterances)


def _info(path: Path, utterances: list[Utterance]) -> CorpusInfo:
    return CorpusInfo(
        name=printable(path.stem),
        title=f"the manifest {printable(path.name)}",
        language="unknown",
        licence="unknown",
        commercial_use=False,
        url="",
        citation="",
        labels=in_order(utterance.label for utterance in utterances),
        layout="a row with audio or text, label and speaker",
    )


def _rows(path: Path) -> Iterator[tuple[int, _Row | str]]:
    """Line number of each row, with its cells or the problem with it."""
    readers = {".csv": _csv_rows, ".jsonl": _json_rows}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise CorpusError(f"{path} is not a manifest; expected a .csv or .jsonl file")
    try:
        content = read_bounded(path, MAX_BYTES)
    except OSError as error:
        raise CorpusError(f"the manifest {path} cannot be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CorpusError(
            f"{path} is not UTF-8: byte 0x{content[error.start]:02x} in line {line}; "
            "save the manifest as UTF-8"
        ) from error
    return readers[suffix](path, text)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, _Row | str]]:
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        header = [name.strip() for name in next(table, [])]
        problem = _wrong_columns(header)
        if problem:
            raise CorpusError(f"{path} {problem}")
        line = table.line_num + 1
        for cells in table:
            if len(cells) == len(header):
                yield line, dict(zip(header, cells, strict=True))
            elif cells:
                yield line, f"{len(cells)} cells where the header has {len(header)}"
            line = table.line_num + 1
    except csv.Error as error:
        raise CorpusError(f"{path} is not CSV from line {line} on: {error}") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, _Row | str]]:
    for line, source in enumerate(text.split("\n"), start=1):
        if not source.strip():
            continue
        try:
            row = from_json(source, file_names=True)
        except ValueError as error:
            yield line, str(error)
            continue
        if not isinstance(row, dict):
            yield line, f"a JSON {type(row).__name__}, expected an object"
            continue
        yield line, _wrong_columns(list(row)) or row


def _wrong_columns(names: list[str]) -> str | None:
    unknown = sorted(set(names) - {*REQUIRED, *OPTIONAL})
    required = REQUIRED[1:] if "text" in names else REQUIRED
    missing = [name for name in required if name not in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    for what, which in (("unknown", unknown), ("no", missing), ("more than one", twice)):
        if which:
            others = [name for name in (*REQUIRED, *OPTIONAL) if name not in required]
            return (
                f"has {what} column {shortened(', '.join(map(repr, which)), 200)}; expected "
                f"{', '.join(required)} and optionally {', '.join(others)}"
            )
    return None


def _utterance(path: Path, row: _Row | str, labels: Collection[str] | None) -> Utterance:
    if isinstance(row, str):
        raise _BadRowError(row)
    cells = {name: _text(row, name) for name in (*REQUIRED, "session", "text")}
    for name in REQUIRED[1:] if cells["text"] else REQUIRED:
        if not cells[name]:
            what = "text" if name == "audio" and "audio" not in row else name
            raise _BadRowError(f"the {what} is empty")
    if labels is not None and cells["label"] not in labels:
        allowed = ", ".join(in_order(labels))
        raise _BadRowError(f"unknown label {shown(cells['label'], 80)}, expected one of {allowed}")
    audio = path.parent / cells["audio"] if cells["audio"] else None
    try:
        exists = audio is None or audio.is_file()
    except (OSError, ValueError):
        exists = False  # too long, not accessible, or with a NUL
    if not exists:
        raise _BadRowError(f"no audio file {shown(cells['audio'], 80)}")
    start, end = _seconds(row, "start"), _seconds(row, "end")
    if audio is None and (start is not None or end is not None):
        raise _BadRowError("a start or an end, but no audio")
    if end is not None and (start or 0.0) >= end:
        raise _BadRowError(f"starts at {start or 0.0:g} s but ends at {end:g} s")
    return Utterance(
        audio,
        cells["label"],
        cells["speaker"],
        printable(path.stem),
        session=cells["session"] or None,
        text=cells["text"] or None,
        start_s=start,
        end_s=end,
    )


def _text(row: _Row, name: str) -> str:
    cell = row.get(name)
    if cell is None:
        return ""
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        raise _BadRowError(f"the {name} is {shown(cell, 80)}, expected a text")
    text = str(cell).strip()
    # File names may hold bytes that are not UTF-8 (PEP 383); other cells may not.
    try:
        text.encode(errors="surrogateescape" if name == "audio" else "strict")
    except UnicodeEncodeError:
        raise _BadRowError(f"the {name} is {shown(text, 80)}, which is not valid Unicode") from None
    return text


def _seconds(row: _Row, name: str) -> float | None:
    cell = row.get(name)
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    try:
        seconds = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0.0 <= seconds <= _MAX_S:
        raise _BadRowError(
            f"the {name} is {shown(cell, 80)}, expected seconds from 0 to {_MAX_S:,}"
        )
    return seconds
