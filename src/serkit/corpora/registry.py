"""The corpora by name. A new reader is one module and one line here."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from serkit.corpora import (
    audformat_database,
    crema_d,
    datasets_folder,
    emodb,
    emorynlp,
    emovo,
    iemocap,
    manifest,
    meld,
    nemo,
    ravdess,
    savee,
    tess,
)
from serkit.corpora.emotions import ADDED_EMOTIONS, EMOTIONS
from serkit.corpora.utterances import Corpus
from serkit.errors import CorpusError

ROOT_VARIABLE = "SERKIT_CORPORA"
"""Environment variable with the folder that holds the corpora, each under its name."""

_READERS: dict[str, Callable[[Path], Corpus]] = {
    "ravdess": ravdess.read,
    "emodb": emodb.read,
    "tess": tess.read,
    "nemo": nemo.read,
    "iemocap": iemocap.read,
    "iemocap_4class": iemocap.read_4class,
    "iemocap_6class": iemocap.read_6class,
    "crema_d": crema_d.read,
    "crema_d_rated": crema_d.read_rated,
    "savee": savee.read,
    "emovo": emovo.read,
    "meld": meld.read,
    "emorynlp": emorynlp.read,
    "manifest": manifest.read,
    "audformat": audformat_database.read,
    "datasets": datasets_folder.read,
}
# The folder of a corpus that is read in several ways.
_FOLDERS = {
    "iemocap_4class": "iemocap",
    "iemocap_6class": "iemocap",
    "crema_d_rated": "crema_d",
}
_PATH_REQUIRED = {"manifest": "my.csv", "audformat": "folder", "datasets": "folder"}


def names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(_READERS)


def load(spec: str) -> Corpus:
    """Read a corpus.

    Args:
        spec: `NAME` for the folder of that name in `$SERKIT_CORPORA`, or `NAME=PATH`. Upper
            case and hyphens in the name do not matter.

    Returns:
        The corpus.

    Raises:
        CorpusError: The name is unknown, no path is known for it, or the corpus there is not
            what its reader expects.
    """
    asked, given, path = spec.partition("=")
    name = asked.strip().lower().replace("-", "_")
    if name not in _READERS:
        close = difflib.get_close_matches(name, _READERS, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        known = ", ".join(_READERS)
        raise CorpusError(f"unknown corpus {asked!r}; {hint}the known ones are {known}")
    if given and not path.strip():
        raise CorpusError(f"no path after {name}=; give one, or leave the = out")
    return _READERS[name](Path(path).expanduser() if given else _default_path(name))


def files_of(specs: Iterable[str]) -> tuple[str, ...]:
    """The paths that corpora are given by, `NAME=PATH` each; those by name alone have none here."""
    return tuple(spec.partition("=")[2].strip() for spec in specs if "=" in spec)


def load_all(specs: Iterable[str], *, labels: Iterable[str]) -> tuple[Corpus, ...]:
    """Read several corpora, as `load` does each.

    Args:
        specs: Of each corpus.
        labels: What is to be told apart; utterances may also have any emotion serkit knows.

    Raises:
        CorpusError: As `load`; or a label is unknown; or two utterances have the same audio; or
            two of the corpora go by one name, so that
            speakers of one id would be taken for the same person, and recordings counted twice.
    """
    loaded = tuple((spec, load(spec)) for spec in specs)
    known = {*labels, *EMOTIONS, *ADDED_EMOTIONS}
    first: dict[str, str] = {}
    for number, (spec, corpus) in enumerate(loaded):
        unknown = sorted({u.label for u in corpus.utterances} - known)
        if unknown:
            raise CorpusError(
                f"{spec} has labels that are neither asked for nor emotions serkit knows: "
                f"{', '.join(map(repr, unknown[:5]))}; correct them, or leave their rows out"
            )
        stretches = Counter((u.audio, u.start_s, u.end_s) for u in corpus.utterances if u.audio)
        if stretches and max(stretches.values()) > 1:
            (audio, _, _), number = stretches.most_common(1)[0]
            raise CorpusError(
                f"{spec} has {number} utterances of the same audio, {audio}; leave all but one out"
            )
        for name in sorted({u.corpus for u in corpus.utterances}):
            owner = first.setdefault(name, f"{number} {spec}")
            if owner != f"{number} {spec}":
                raise CorpusError(
                    f"{owner.split(' ', 1)[1]} and {spec} both go by the name {name}: their "
                    "speakers could not be told apart; give each corpus once, and each manifest "
                    "a name of its own"
                )
    return tuple(corpus for _, corpus in loaded)


def _default_path(name: str) -> Path:
    if name in _PATH_REQUIRED:
        raise CorpusError(
            f"{name} needs a path; write {name}=PATH, as in {name}={_PATH_REQUIRED[name]}"
        )
    root, folder = os.environ.get(ROOT_VARIABLE), _FOLDERS.get(name, name)
    if not root:
        raise CorpusError(
            f"where {name} lies is not known; write {name}=PATH, or set {ROOT_VARIABLE} to the "
            f"folder that holds the folder {folder}"
        )
    return Path(root).expanduser() / folder
