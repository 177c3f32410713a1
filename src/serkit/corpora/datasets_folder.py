"""A Hugging Face dataset saved on disk by `save_to_disk` (https://huggingface.co/docs/datasets).

Columns by their usual names: see `_COLUMNS`. Audio that the dataset holds as bytes is written once
to `$XDG_CACHE_HOME/serkit/datasets` (or `~/.cache/serkit/datasets`), since the rest of serkit names
recordings by their files.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serkit.corpora.assembly import assemble
from serkit.corpora.emotions import in_order
from serkit.corpora.foreign import in_our_words, one_line, optional
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.errors import CorpusError

_COLUMNS = {
    "audio": ("audio", "speech", "file"),
    "label": ("emotion", "label", "labels", "major_emotion"),
    "speaker": ("speaker_id", "speaker", "actor_id", "actor"),
    "session": ("session", "session_id"),
    "text": ("raw_text", "text", "transcription", "transcript", "sentence"),
}
_REQUIRED = ("audio", "label", "speaker")
_SPLITS = {"train": "train", "validation": "dev", "valid": "dev", "dev": "dev", "test": "test"}
_SUFFIXES = ((b"RIFF", ".wav"), (b"fLaC", ".flac"), (b"OggS", ".ogg"), (b"ID3", ".mp3"))


def read(root: Path) -> Corpus:
    """Read a saved dataset.

    Args:
        root: The folder that `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote; its name
            is the corpus's.

    Returns:
        The corpus, in the order of the rows, with the published split where there are several.
        Rows without audio, label or speaker are its oddities.

    Raises:
        MissingExtraError: datasets is not installed.
        CorpusError: There is no dataset, it cannot be loaded, or it lacks a column.
    """
    datasets = optional("datasets", "reading a saved Hugging Face dataset")
    name = root.resolve().name
    states = sorted(root.rglob("state.json"))
    if not states:
        raise CorpusError(
            f"{root} holds no saved dataset; expected a folder written by save_to_disk, which "
            "has a state.json"
        )
    # datasets raises whatever Arrow and JSON raise on damaged files.
    try:
        loaded = datasets.load_from_disk(str(root))
        parts = dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"": loaded}
    except Exception as error:
        raise CorpusError(f"the dataset {root} cannot be loaded: {one_line(error)}") from error
    key = hashlib.blake2b(b"".join(state.read_bytes() for state in states), digest_size=8)
    cache = _cache() / f"{name}-{key.hexdigest()}"
    utterances: list[Utterance] = []
    oddities: list[Oddity] = []
    for part_name, part in parts.items():
        split = _SPLITS.get(part_name) if len(parts) > 1 else None
        for number, cells in enumerate(_rows(datasets, part, root)):
            missing = [column for column in _REQUIRED if not cells.get(column)]
            audio = None if missing else _file(cells["audio"], cache / f"{part_name}{number:06d}")
            if audio is None:
                what = " and no ".join(missing) or "audio file"
                row = f"row {number} of {part_name}" if part_name else f"row {number}"
                oddities.append(Oddity(root, f"{row} has no {what}; passed over"))
                continue
            utterances.append(
                Utterance(
                    audio,
                    in_our_words(str(cells["label"])),
                    str(cells["speaker"]),
                    name,
                    session=_words(cells.get("session")),
                    text=_words(cells.get("text")),
                    split=split,
                )
            )
    return assemble(_info(name, parts, utterances), root, utterances, oddities)


def _rows(datasets: Any, part: Any, root: Path) -> Iterator[Mapping[str, Any]]:
    """The rows of a dataset with our names of the columns, labels as words."""
    columns = {
        ours: next((name for name in names if name in part.column_names), None)
        for ours, names in _COLUMNS.items()
    }
    missing = [ours for ours in _REQUIRED if columns[ours] is None]
    if missing:
        expected = "; ".join(f"{ours}: {', '.join(_COLUMNS[ours])}" for ours in missing)
        raise CorpusError(
            f"the dataset {root} has the columns {', '.join(part.column_names)}; expected also "
            f"one of each of {expected}"
        )
    audio, label = columns["audio"], columns["label"]
    if isinstance(part.features[audio], datasets.Audio):
        part = part.cast_column(audio, datasets.Audio(decode=False))
    words = getattr(part.features[label], "names", None)
    for row in part:
        cells = {ours: row[name] for ours, name in columns.items() if name}
        if words and cells["label"] is not None:
            # datasets writes -1 for a class that is not known.
            cells["label"] = words[cells["label"]] if cells["label"] >= 0 else None
        elif isinstance(cells["label"], int):
            raise CorpusError(
                f"the labels of the dataset {root} are numbers without names; expected a "
                "ClassLabel column or words"
            )
        yield {**cells, "speaker": _words(cells["speaker"])}


def _words(cell: object) -> str | None:
    return None if cell is None or cell == "" else str(cell)


def _file(audio: Any, place: Path) -> Path | None:
    """The file of a recording: the one referred to, or one written with its bytes."""
    given: Mapping[str, Any] = {"path": audio} if isinstance(audio, str) else audio
    content: bytes | None = given.get("bytes")
    path = Path(given.get("path") or "")
    if not content:
        return path if path.is_file() else None
    sniffed = next((suffix for magic, suffix in _SUFFIXES if content.startswith(magic)), "")
    # Not with_suffix: a split may be called train.en.
    file = place.with_name(place.name + (sniffed or path.suffix))
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        # Readers in parallel must never see half a file.
        handle, unfinished = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "wb") as writer:
            writer.write(content)
        Path(unfinished).replace(file)
    return file


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "serkit", "datasets")


def _info(name: str, parts: Mapping[str, Any], utterances: list[Utterance]) -> CorpusInfo:
    about = next(iter(parts.values())).info
    return CorpusInfo(
        name=name,
        title=f"the dataset {name}",
        language="unknown",
        licence=about.license or "unknown",
        commercial_use=False,
        url=about.homepage or "",
        citation=about.citation or "",
        labels=in_order(utterance.label for utterance in utterances),
        layout="rows with audio, label and speaker",
    )
