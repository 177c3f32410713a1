"""MELD and EmoryNLP: tables of dialogues from the same series, *Friends*, split as published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from serkit.corpora.assembly import assemble, existing_folder
from serkit.corpora.clips import OddFileError
from serkit.corpora.tables import rows_of
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.text import shown

SPLITS = ("train", "dev", "test")
"""The published splits, in order."""

_CORPORA = ("meld", "emorynlp")
_MAX_DIGITS = 3


def episode(utterance: Utterance) -> str | None:
    """The episode that an utterance of MELD or EmoryNLP is from.

    The two corpora transcribe the same episodes, so a model trained on one must not be tested on an
    episode of the other that it has learned from.

    Args:
        utterance: An utterance of any corpus.

    Returns:
        For instance `s03e19`, the same in both corpora; None for other corpora.
    """
    if utterance.corpus not in _CORPORA or utterance.session is None:
        return None
    return utterance.session.partition("/")[0]


def session_of(season: str, number: str, dialogue: str) -> str:
    """The session of a dialogue: the episode, a slash and the dialogue's own name.

    Args:
        season: The season, a number.
        number: The episode within the season, a number.
        dialogue: The dialogue's name, unique within the corpus.

    Returns:
        For instance `s03e19/train-dia0`.

    Raises:
        OddFileError: Season or episode is not a number.
    """
    if not all(part.isdecimal() and len(part) <= _MAX_DIGITS for part in (season, number)):
        raise OddFileError(
            f"season {shown(season, 40)} and episode {shown(number, 40)} are not numbers of at "
            f"most {_MAX_DIGITS} digits"
        )
    return f"s{int(season):02d}e{int(number):02d}/{dialogue}"


def read_splits(
    root: Path,
    info: CorpusInfo,
    file_name: str,
    columns: Sequence[str],
    parse: Callable[[Mapping[str, str], str], Utterance],
) -> Corpus:
    """Read a corpus of one table per split.

    Args:
        root: Folder that holds the tables, at any depth.
        info: Description of the corpus.
        file_name: Name of a table, with `{split}` in it.
        columns: Required columns.
        parse: Turns a row and its split into an utterance; raises `OddFileError` for an invalid
            row.

    Returns:
        The corpus, in the order of the tables. Missing tables and invalid rows are oddities.

    Raises:
        CorpusError: The folder is missing or holds no valid row.
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
                oddities.append(Oddity(table, f"line {line}: {odd}; skipped"))
    return assemble(info, root, utterances, oddities)
