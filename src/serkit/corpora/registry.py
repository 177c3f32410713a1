"""The readers by name. A new reader is one module and one line here."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
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
from serkit.corpora.emotions import ADDED_EMOTIONS, EMOTIONS, in_order
from serkit.corpora.utterances import Corpus, CorpusInfo, Utterance
from serkit.errors import CorpusError

ROOT_VARIABLE = "SERKIT_CORPORA"
"""Environment variable that names the folder of all corpora, each in a subfolder of its name."""

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
_PUBLISHED = tuple(
    module.INFO
    for module in (
        ravdess, emodb, tess, nemo, iemocap, crema_d, savee, emovo, meld, emorynlp,
    )
)  # fmt: skip
# Corpora with several readings: they share a folder, and the name of their utterances' corpus.
_BASE_NAMES = {
    "iemocap_4class": "iemocap",
    "iemocap_6class": "iemocap",
    "crema_d_rated": "crema_d",
}
_PATH_REQUIRED = {"manifest": "my.csv", "audformat": "folder", "datasets": "folder"}


def names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(_READERS)


def base_name(name: str) -> str:
    """The corpus that a name is a reading of: `iemocap` for `iemocap_4class`, else the name."""
    return _BASE_NAMES.get(name, name)


def published_in(name: str) -> CorpusInfo | None:
    """The published corpus that a data set of another project is a copy of, by its name.

    Args:
        name: For instance `narad/ravdess` or `CREMA-D`.

    Returns:
        What is known of it; None if no corpus of serkit is in the name.
    """
    words = f"_{re.sub('[^a-z0-9]+', '_', name.lower())}_"
    found = (info for info in _PUBLISHED if f"_{info.name}_" in words)
    return next(found, None)


def load(spec: str) -> Corpus:
    """Read a corpus.

    Args:
        spec: `NAME` for the folder of that name in `$SERKIT_CORPORA`, or `NAME=PATH`. Case and
            hyphens in the name do not matter.

    Returns:
        The corpus.

    Raises:
        CorpusError: The name is unknown, there is no path for it, or the reader finds no corpus
            there.
    """
    asked, given, path = spec.partition("=")
    name = asked.strip().lower().replace("-", "_")
    if name not in _READERS:
        close = difflib.get_close_matches(name, _READERS, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        known = ", ".join(_READERS)
        raise CorpusError(f"unknown corpus {asked!r}; {hint}the known ones are {known}")
    if given and not path.strip():
        raise CorpusError(f"no path after {name}=; add one, or leave the = out")
    return _READERS[name](Path(path).expanduser() if given else _default_path(name))


def files_of(specs: Iterable[str]) -> tuple[str, ...]:
    """Paths in specs of the form `NAME=PATH`."""
    return tuple(spec.partition("=")[2].strip() for spec in specs if "=" in spec)


def load_labelled(
    specs: Iterable[str], *, labels: Sequence[str]
) -> tuple[tuple[Corpus, ...], tuple[Utterance, ...]]:
    """Read corpora, and select their utterances with some labels.

    Args:
        specs: One of each corpus, as for `load`.
        labels: The labels to select. Other utterances may have any emotion that serkit knows.

    Returns:
        The corpora, and the utterances selected from all of them.

    Raises:
        CorpusError: As for `load`; or a label is unknown; or two utterances have the same audio;
            or two corpora have one name, so that their speakers could not be told apart; or no
            utterance has any of the labels.
    """
    loaded: list[Corpus] = []
    spec_of: dict[str, str] = {}
    for spec in specs:
        corpus = load(spec)
        _refuse_unknown_labels(spec, corpus, {*labels, *EMOTIONS, *ADDED_EMOTIONS})
        _refuse_same_audio(spec, corpus)
        for name in sorted({u.corpus for u in corpus.utterances}):
            if name in spec_of:
                raise CorpusError(
                    f"{spec_of[name]} and {spec} both have the name {name}, so their speakers "
                    "could not be told apart; give each corpus once, and each manifest a name of "
                    "its own"
                )
        spec_of |= {u.corpus: spec for u in corpus.utterances}
        loaded.append(corpus)
    selected = tuple(u for corpus in loaded for u in corpus.utterances if u.label in labels)
    if not selected:
        raise CorpusError(
            f"no utterance of {', '.join(c.name for c in loaded)} is labelled "
            f"{', '.join(labels)}; labels found: "
            f"{', '.join(in_order(u.label for c in loaded for u in c.utterances))}"
        )
    return tuple(loaded), selected


def _refuse_unknown_labels(spec: str, corpus: Corpus, known: set[str]) -> None:
    unknown = sorted({u.label for u in corpus.utterances} - known)
    if unknown:
        raise CorpusError(
            f"{spec} has labels that are neither selected nor emotions serkit knows: "
            f"{', '.join(map(repr, unknown[:5]))}; correct them, or leave their rows out"
        )


def _refuse_same_audio(spec: str, corpus: Corpus) -> None:
    stretches = Counter((u.audio, u.start_s, u.end_s) for u in corpus.utterances if u.audio)
    for (audio, _, _), number in stretches.most_common(1):
        if number > 1:
            raise CorpusError(
                f"{spec} has {number} utterances of the same audio, {audio}; leave all but one out"
            )


def _default_path(name: str) -> Path:
    if name in _PATH_REQUIRED:
        raise CorpusError(
            f"{name} needs a path; write {name}=PATH, as in {name}={_PATH_REQUIRED[name]}"
        )
    root, folder = os.environ.get(ROOT_VARIABLE), base_name(name)
    if not root:
        raise CorpusError(
            f"no path for {name}; write {name}=PATH, or set {ROOT_VARIABLE} to the folder that "
            f"holds the folder {folder}"
        )
    return Path(root).expanduser() / folder
