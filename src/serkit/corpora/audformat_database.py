"""A database in audEERING's format: `db.yaml` and its tables (https://audeering.github.io/audformat/).

The label is the scheme `emotion`; the schemes `speaker`, `session` and `transcription` and the
splits are used where there are any. audformat would unpickle copies of the tables that lie beside
them, and unpickling can run code: a database with such copies is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serkit.corpora.assembly import assemble
from serkit.corpora.emotions import in_order
from serkit.corpora.foreign import in_our_words, one_line, optional
from serkit.corpora.friends import SPLITS
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.errors import CorpusError

_HEADER = "db.yaml"
_COMMERCIAL = ("commercial", "unrestricted")


def read(root: Path) -> Corpus:
    """Read an audformat database.

    Args:
        root: The folder that holds `db.yaml`, the tables and the audio files.

    Returns:
        The corpus, under the database's name, in the order of the table. Rows without emotion
        or speaker and missing audio files are its oddities.

    Raises:
        MissingExtraError: audformat is not installed.
        CorpusError: There is no database, it cannot be loaded, it holds pickled tables, or it
            has no emotions or no speakers.
    """
    audformat = optional("audformat", "reading an audformat database")
    if not (root / _HEADER).is_file():
        raise CorpusError(
            f"{root} holds no {_HEADER}; expected the folder of an audformat database"
        )
    pickled = sorted(path.name for path in root.glob("*.pkl"))
    if pickled:
        raise CorpusError(
            f"{root} holds pickled tables ({', '.join(pickled)}), and unpickling can run code; "
            "delete them: audformat reads the .csv or .parquet tables as well"
        )
    # audformat raises whatever pandas, YAML and its own checks raise on damaged files.
    try:
        database = audformat.Database.load(str(root), load_data=True, verbose=False)
        table = database.get("emotion", ["speaker", "session", "transcription"])
        table.index = audformat.utils.to_segmented_index(table.index)
        splits = {place: split for split in SPLITS for place in _places(audformat, database, split)}
    except Exception as error:
        raise CorpusError(f"the database {root} cannot be loaded: {one_line(error)}") from error
    if table.empty:
        schemes = ", ".join(database.schemes) or "none"
        raise CorpusError(f"{root} has no scheme 'emotion'; its schemes are {schemes}")
    if table["speaker"].isna().all():
        raise CorpusError(
            f"{root} has no scheme 'speaker'; without speakers no split can keep them apart, so "
            "write a manifest that names them"
        )
    utterances: list[Utterance] = []
    oddities: list[Oddity] = []
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    for place, row in zip(table.index, rows, strict=True):
        file, start, end = place
        cells = {name: str(cell) if cell is not None else None for name, cell in row.items()}
        missing = [name for name in ("emotion", "speaker") if not cells[name]]
        if missing or not (root / file).is_file():
            problem = f"has no {' and no '.join(missing)}" if missing else "does not exist"
            oddities.append(Oddity(root / file, f"{problem}; passed over"))
            continue
        utterances.append(
            Utterance(
                root / file,
                in_our_words(str(cells["emotion"])),
                str(cells["speaker"]),
                database.name,
                session=cells["session"],
                text=cells["transcription"],
                start_s=start.total_seconds() or None,
                end_s=end.total_seconds() if end == end else None,  # NaT differs from itself
                split=splits.get(place),
            )
        )
    return assemble(_info(database, utterances), root, utterances, oddities)


def _places(audformat: Any, database: Any, split: str) -> Any:
    """File, start and end of the utterances in a published split."""
    ids = [name for name, described in database.splits.items() if described.type == split]
    if not ids:  # which audformat would take for no restriction
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
