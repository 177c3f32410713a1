"""The reader of folders of clips that are labelled by their file names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from serkit.audio import SUFFIXES
from serkit.corpora.assembly import assemble, existing_folder
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.files import lies_within

# Documents that corpora ship with, and files that file managers leave behind.
_DOCUMENTS = (".txt", ".md", ".pdf", ".html", ".csv", ".tsv", ".json", ".doc", ".docx", ".xlsx")
_LEFT_BEHIND = (".DS_Store", "Thumbs.db", "desktop.ini")


class OddFileError(Exception):
    """A file or row that is not an utterance of the corpus; internal to the readers."""


def files_below(root: Path) -> Iterator[Path]:
    """Every file below a folder except documents, sorted by path.

    Links to folders are followed, each folder once. A link to a folder outside counts as a file.

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
        outside = [name for name in subfolders if _leads_out(Path(folder, name), root)]
        found += (Path(folder, name) for name in outside)
        subfolders[:] = sorted(set(subfolders) - set(outside))
        found += (Path(folder, name) for name in names if name not in _LEFT_BEHIND)
    yield from sorted(path for path in found if path.suffix.lower() not in _DOCUMENTS)


def _leads_out(path: Path, root: Path) -> bool:
    """Whether a path is a link that leads out of the corpus."""
    return path.is_symlink() and not lies_within(path, root)


def require_clip(path: Path, root: Path) -> None:
    """Check that a file may be opened as a clip of a corpus.

    Args:
        path: Below `root`.
        root: The corpus's folder.

    Raises:
        OddFileError: It is a link that leads out of the folder, or not a regular file.
    """
    if _leads_out(path, root):
        raise OddFileError("is a link out of the corpus's folder; skipped")
    if not path.is_file():
        raise OddFileError("is a broken link, a device or a pipe; skipped")


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
        info: Description of the corpus.
        parse: Turns the path of a clip into an utterance; returns None for a clip outside the
            selection, raises `OddFileError` for a file that is not a clip of the corpus.
        within: Subfolder of the clips; if it does not exist, `root` is read.

    Returns:
        The corpus, with the skipped files as oddities.

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
            require_clip(path, root)
            if path.suffix.lower() not in SUFFIXES:
                raise OddFileError(f"not one of {', '.join(SUFFIXES)}; skipped")
            utterance = parse(path)
            if utterance is None:
                continue
            same = first.setdefault((utterance.speaker, path.stem.lower()), path)
            if same != path:
                raise OddFileError(f"a second copy of {same.relative_to(folder)}; skipped")
        except OddFileError as odd:
            oddities.append(Oddity(path, str(odd)))
        else:
            utterances.append(utterance)
    return assemble(info, root, utterances, oddities)
