"""A database in audEERING's format: `db.yaml` and its tables (https://audeering.github.io/audformat/).

The label is the scheme `emotion`; the schemes `speaker`, `session` and `transcription` and the
splits are read if present.

audformat's loader can execute code, through tags in the header and pickled copies of the tables.
It is therefore given a temporary folder instead of the database's own: a header of plain data, with
the fields needed, and copies of the tables in `.parquet` or `.csv`.
"""

from __future__ import annotations

import errno
import math
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from serkit.corpora.assembly import assemble
from serkit.corpora.emotions import in_order
from serkit.corpora.foreign import label_of, optional
from serkit.corpora.friends import SPLITS
from serkit.corpora.parquet import copied
from serkit.corpora.tables import content_of
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.errors import CorpusError
from serkit.files import lies_within
from serkit.plain import from_yaml
from serkit.text import one_line, shortened, shown

MAX_TABLES = 256

_HEADER = "db.yaml"
_COMMERCIAL = ("commercial", "unrestricted")
# The header's fields and sections, without attachments, which name files.
_FIELDS = ("name", "source", "usage", "languages", "author", "license")
_SECTIONS = ("media", "misc_tables", "raters", "schemes", "splits", "tables")
_TABLES = ("misc_tables", "tables")


def read(root: Path) -> Corpus:
    """Read an audformat database.

    Args:
        root: The folder that holds `db.yaml`, the tables and the audio files.

    Returns:
        The corpus, with the database's name, in the order of the table. Rows without emotion or
        speaker, and audio files that are missing or outside the folder, are oddities.

    Raises:
        MissingExtraError: audformat is not installed.
        CorpusError: There is no database, it cannot be loaded, a table is pickled or has an id
            that is not a file name, or there are no emotions or no speakers.
    """
    audformat = optional("audformat", "reading an audformat database")
    if not os.path.lexists(root / _HEADER):
        raise CorpusError(
            f"{root} holds no {_HEADER}; expected the folder of an audformat database"
        )
    # On damaged files audformat passes on any error of pandas and Arrow.
    try:
        header = _header(from_yaml(content_of(root / _HEADER, root)))
        database = _database(audformat, root, header)
        table = database.get("emotion", ["speaker", "session", "transcription"])
        table.index = audformat.utils.to_segmented_index(table.index)
        splits = {place: split for split in SPLITS for place in _places(audformat, database, split)}
    except Exception as error:
        problem = error.strerror if isinstance(error, OSError) else None
        raise CorpusError(
            f"the database {root} cannot be loaded: {problem or one_line(error)}"
        ) from error
    if table.empty:
        schemes = ", ".join(database.schemes) or "none"
        raise CorpusError(
            f"{root} has no scheme 'emotion'; its schemes are {shortened(schemes, 200)}"
        )
    if table["speaker"].isna().all():
        raise CorpusError(
            f"{root} has no scheme 'speaker', which splits by speaker need; write a manifest that "
            "names the speakers"
        )
    utterances: list[Utterance] = []
    oddities: list[Oddity] = []
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    for place, row in zip(table.index, rows, strict=True):
        file, start_s, end_s = str(place[0]), _seconds(place[1]), _seconds(place[2])
        cells = {name: str(cell) if cell is not None else None for name, cell in row.items()}
        missing = [name for name in ("emotion", "speaker") if not cells[name]]
        problem = f"has no {' and no '.join(missing)}" if missing else _problem(root, file)
        if not problem and not 0.0 <= (start_s or 0.0) < (math.inf if end_s is None else end_s):
            problem = f"has a stretch from {start_s or 0.0:g} s to {end_s or 0.0:g} s"
        if problem:
            oddities.append(Oddity(root / file, f"{problem}; skipped"))
            continue
        utterances.append(
            Utterance(
                root / file,
                label_of(str(cells["emotion"])),
                str(cells["speaker"]),
                database.name,
                session=cells["session"],
                text=cells["transcription"],
                start_s=start_s or None,
                end_s=end_s,
                split=splits.get(place),
            )
        )
    return assemble(_info(database, utterances), root, utterances, oddities)


def _seconds(time: Any) -> float | None:
    # NaT (no time) is not equal to itself.
    return float(time.total_seconds()) if time == time else None


def _problem(root: Path, file: str) -> str | None:
    """Why a file named in a table cannot be opened; None if it can."""
    path = root / file
    try:
        exists = path.is_file()
    except (OSError, ValueError):
        exists = False  # too long, or with a NUL
    if not exists:
        return "does not exist"
    return None if lies_within(path, root) else "lies outside the database's folder"


def _header(values: Any) -> dict[str, Any]:
    """The required part of a header, without keys such as `_name`, which audformat uses itself."""
    if not isinstance(values, dict):
        raise ValueError(f"{_HEADER} is a {type(values).__name__}; expected an object")
    header = {key: values[key] for key in _FIELDS if key in values}
    if not isinstance(header.get("name"), str):
        raise ValueError(f"{_HEADER} has {shown(header.get('name'), 80)} as name; expected a text")
    for section in _SECTIONS:
        header[section] = {
            _id(section, name): _public(section, described)
            for name, described in _items(section, values.get(section))
        }
    for section in _TABLES:
        for described in header[section].values():
            described["columns"] = {
                _id("columns", name): _public("columns", column)
                for name, column in _items("columns", described.get("columns"))
            }
    n_tables = sum(len(header[section]) for section in _TABLES)
    if n_tables > MAX_TABLES:
        raise ValueError(f"{_HEADER} has {n_tables} tables; expected at most {MAX_TABLES}")
    return header


def _items(section: str, values: Any) -> Any:
    if values is not None and not isinstance(values, dict):
        raise ValueError(f"{section} is a {type(values).__name__}; expected an object")
    return (values or {}).items()


def _public(section: str, values: Any) -> dict[str, Any]:
    if values is not None and not isinstance(values, dict):
        raise ValueError(f"an entry of {section} is {shown(values, 80)}; expected an object")
    return {
        key: value
        for key, value in (values or {}).items()
        if isinstance(key, str) and not key.startswith("_")
    }


def _id(section: str, name: Any) -> str:
    """An id, checked because a table's id is part of a file name."""
    if (
        isinstance(name, str)
        and 0 < len(name) <= 100
        and ".." not in name
        and not any(c in '/\\:*?"<>|' or unicodedata.category(c) == "Cc" for c in name)
    ):
        return name
    raise ValueError(
        f"the id {shown(name, 80)} in {section}; expected a name of at most 100 characters, "
        "without separators or '..'"
    )


def _database(audformat: Any, root: Path, header: Mapping[str, Any]) -> Any:
    """Load the database with audformat from a copy of its header and tables."""
    yaml = optional("yaml", "reading an audformat database", extra="audformat")
    with TemporaryDirectory(prefix="serkit-") as temporary:
        folder = Path(temporary)
        (folder / _HEADER).write_text(yaml.safe_dump(dict(header), sort_keys=False), "utf-8")
        for section in _TABLES:
            for name in header[section]:
                _copy_table(root, folder, f"db.{name}")
        database = audformat.Database.load(str(folder), load_data=True, verbose=False)
    for name in (*database.tables, *database.misc_tables):
        # A join of n equal rows with n of another table has n² rows.
        if database[name].index.has_duplicates:
            raise ValueError(f"the table {name} has the same row twice; expected each once")
    return database


def _copy_table(root: Path, folder: Path, stem: str) -> None:
    parquet, csv = root / f"{stem}.parquet", root / f"{stem}.csv"
    if os.path.lexists(parquet):
        copied(content_of(parquet, root), folder / parquet.name)
    elif os.path.lexists(csv):
        (folder / csv.name).write_bytes(content_of(csv, root))
    elif os.path.lexists(root / f"{stem}.pkl"):
        raise ValueError(
            f"{stem}.pkl is a pickled table, and unpickling can run code; save the table as .csv "
            "or .parquet"
        )
    else:
        raise FileNotFoundError(errno.ENOENT, f"there is no {csv.name} or {parquet.name}")


def _places(audformat: Any, database: Any, split: str) -> Any:
    """File, start and end of the utterances in a published split."""
    ids = [name for name, described in database.splits.items() if described.type == split]
    if not ids:  # audformat would return all splits
        return ()
    return audformat.utils.to_segmented_index(database.get("emotion", splits=ids).index)


def _info(database: Any, utterances: list[Utterance]) -> CorpusInfo:
    return CorpusInfo(
        name=database.name,
        title=f"the audformat database {database.name}",
        language=", ".join(database.languages) or "unknown",
        licence=str(database.license or "unknown"),
        commercial_use=database.usage in _COMMERCIAL,
        url=str(database.source or ""),
        citation=str(database.author or ""),
        labels=in_order(utterance.label for utterance in utterances),
        layout=_HEADER,
    )
