"""Folders of clips whose names carry the labels: the walk that all their readers share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from serkit.audio import SUFFIXES
from serkit.corpora.assembly import assemble, existing_folder
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance

# Companions that corpora ship with, and what file managers leave behind.
_DOCUMENTS = (".txt", ".md", ".pdf", ".html", ".csv", ".tsv", ".json", ".doc", ".docx", ".xlsx")
_LEFT_BEHIND = (".DS_Store", "Thumbs.db", "desktop.ini")


class OddFileError(Exception):
    """A file or row that is no utterance of the corpus; the message says why. Stays in a reader."""


def files_below(root: Path) -> Iterator[Path]:
    """Every file below a folder except documents, in the order of the relative paths.

    Links to folders are followed, each folder once.

    Args:
        root: An existing folder.

    Yields:
        The files.
    """
    visited: set[tuple[int, int]] = set()
    found: list[Path] = []
    for folder, subfolders, names in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in visited:
            subfolders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        subfolders.sort()
        found += (Path(folder, name) for name in names if name not in _LEFT_BEHIND)
    yield from sorted(path for path in found if path.suffix.lower() not in _DOCUMENTS)


def read_clips(
    root: Path,
    info: CorpusInfo,
    parse: Callable[[Path], Utterance | None],
    *,
    within: str | None = None,
) -> Corpus:
    """Read a corpus that is a tree of clips.

    Args:
        root: The corpus's folder.
        info: What is known about the corpus.
        parse: Makes the utterance of a clip from its path; returns None for a clip that is
            not part of the selection asked for, raises `OddFileError` for a file that is not
            a clip of the corpus.
        within: The subfolder that holds the clips; if there is none, `root` itself does.

    Returns:
        The corpus, with the files passed over as its oddities.

    Raises:
        CorpusError: The folder is missing or holds no clip.
    """
    existing_folder(root, info)
    folder = root / within if within and (root / within).is_dir() else root
    utterances: list[Utterance] = []
    oddities: list[Oddity] = []
    first: dict[tuple[str, str], Path] = {}
    for path in files_below(folder):
        try:
            if path.suffix.lower() not in SUFFIXES:
                raise OddFileError(f"not one of {', '.join(SUFFIXES)}; passed over")
            utterance = parse(path)
            if utterance is None:
                continue
            same = first.setdefault((utterance.speaker, path.stem.lower()), path)
            if same != path:
                raise OddFileError(f"a second copy of {same.relative_to(folder)}; passed over")
        except OddFileError as odd:
            oddities.append(Oddity(path, str(odd)))
        else:
            utterances.append(utterance)
    return assemble(info, root, utterances, oddities)
