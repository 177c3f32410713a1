"""Folders of recordings as arguments of commands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from serkit.audio.formats import SUFFIXES
from serkit.errors import AudioError

_RECORDINGS = (*SUFFIXES, ".smel")


def with_folders(names: Iterable[str]) -> list[str]:
    """Names of recordings, where each folder is replaced by the recordings below it.

    Links that lead out of a folder are left out.

    Args:
        names: Of files and folders.

    Raises:
        AudioError: A folder holds no recording.
    """
    found = []
    for name in names:
        folder = Path(name)
        if not folder.is_dir():
            found.append(name)
            continue
        below = _below(folder)
        if not below:
            raise AudioError(
                f"{name} holds no recording; expected files with the suffixes "
                f"{', '.join(_RECORDINGS)}"
            )
        found += below
    return found


def _below(folder: Path) -> list[str]:
    """The recordings below a folder, sorted by path."""
    from serkit.corpora.clips import files_below
    from serkit.files import lies_within

    return [
        str(path)
        for path in files_below(folder)
        if path.suffix.lower() in _RECORDINGS and lies_within(path, folder)
    ]
