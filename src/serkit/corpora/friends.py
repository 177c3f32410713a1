"""What MELD and EmoryNLP share: the dialogues of one series, split as published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from serkit.corpora.assembly import assemble, existing_folder
from serkit.corpora.clips import OddFileError
from serkit.corpora.tables import rows_of
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance

SPLITS = ("train", "dev", "test")
"""The published splits, in order."""

_MOST_DIGITS = 3


def episode(utterance: Utterance) -> str:
    """The episode an utterance of MELD or EmoryNLP is from.

    The two corpora overlap: what learns from one and is tested on the other has to leave out
    the episodes tested on.

    Args:
        utterance: One that a reader of these corpora made.

    Returns:
        For instance `s03e19`, the same for both corpora.
    """
    return (utterance.session or "").partition("/")[0]


def session_of(season: str, number: str, dialogue: str) -> str:
    """The session of a dialogue: the episode, a slash and the dialogue's own name.

    Args:
        season: The season, a number.
        number: The episode within the season, a number.
        dialogue: The dialogue's name, unique within the corpus.

    Returns:
        For instance `s03e19/train-dia0`.

    Raises:
        OddFileError: Season or episode is no number.
    """
    if not all(part.isdecimal() and len(part) <= _MOST_DIGITS for part in (season, number)):
        raise OddFileError(
            f"season {season!r:.40} and episode {number!r:.40} are not numbers of at most "
            f"{_MOST_DIGITS} digits"
        )
    return f"s{int(season):02d}e{int(number):02d}/{dialogue}"


def read_splits(
    root: Path,
    info: CorpusInfo,
    file_name: str,
    columns: Sequence[str],
    parse: Callable[[Mapping[str, str], str], Utterance],
) -> Corpus:
    """Read a corpus that is one table a split.

    Args:
        root: The folder that holds the tables, at any depth.
        info: What is known about the corpus.
        file_name: The name of a table, with `{split}` in it.
        columns: The columns needed.
        parse: Makes an utterance from a row and the split; raises `OddFileError` for a row
            that is none.

    Returns:
        The corpus, in the order of the tables. Missing tables and odd rows are its oddities.

    Raises:
        CorpusError: The folder is missing or holds no row.
    """
    existing_folder(root, info)
    utterances: list[Utterance] = []
    oddities: list[Oddity] = []
    for split in SPLITS:
        name = file_name.format(split=split)
        table = next(iter(sorted(root.rglob(name))), None)
        if table is None:
            oddities.append(Oddity(root / name, f"is missing, and with it the split {split}"))
            continue
        for line, row in rows_of(table, root, columns, oddities):
            try:
                utterances.append(parse(row, split))
            except OddFileError as odd:
                oddities.append(Oddity(table, f"line {line}: {odd}; passed over"))
    return assemble(info, root, utterances, oddities)
