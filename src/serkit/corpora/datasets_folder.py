"""A Hugging Face dataset saved on disk by `save_to_disk` (https://huggingface.co/docs/datasets).

Columns are recognised by their usual names (`_COLUMNS`). Audio stored as bytes is written once to
`$XDG_CACHE_HOME/serkit/datasets` (or `~/.cache/serkit/datasets`), as serkit refers to recordings by
file.

The Arrow files are read with pyarrow: the library datasets would trust metadata of the dataset as
names of files to write, addresses to fetch and modules to import.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.audio.formats import HEAD_BYTES, container_of
from serkit.corpora import arrow
from serkit.corpora.assembly import assemble
from serkit.corpora.emotions import in_order
from serkit.corpora.foreign import label_of
from serkit.corpora.tables import content_of
from serkit.corpora.utterances import Corpus, CorpusInfo, Oddity, Utterance
from serkit.errors import CorpusError
from serkit.files import lies_within
from serkit.plain import from_json
from serkit.text import one_line, shortened, shown

_COLUMNS = {
    "audio": ("audio", "speech", "file"),
    "label": ("emotion", "label", "labels", "major_emotion"),
    "speaker": ("speaker_id", "speaker", "actor_id", "actor"),
    "session": ("session", "session_id"),
    "text": ("raw_text", "text", "transcription", "transcript", "sentence"),
}
_REQUIRED = ("audio", "label", "speaker")
_SPLITS = {"train": "train", "validation": "dev", "valid": "dev", "dev": "dev", "test": "test"}


@dataclass(frozen=True, slots=True)
class _Part:
    """One split of a dataset.

    Attributes:
        name: Name of the split; empty for a dataset without splits.
        files: Its Arrow files.
        info: Content of `dataset_info.json`.
    """

    name: str
    files: tuple[Path, ...]
    info: Mapping[str, Any]


def read(root: Path) -> Corpus:
    """Read a saved dataset.

    Args:
        root: The folder written by `Dataset.save_to_disk` or `DatasetDict.save_to_disk`; its name
            becomes the corpus's.

    Returns:
        The corpus, in the order of the rows, with the published split if there are several. Rows
        without audio, label or speaker, or with an audio file outside the folder, are oddities.

    Raises:
        MissingExtraError: pyarrow is not installed.
        CorpusError: There is no dataset, or it cannot be loaded or lacks a column.
    """
    arrow.require()
    name = root.resolve().name
    utterances: list[Utterance] = []
    oddities: list[Oddity] = []
    # On damaged files Arrow raises errors of many types.
    try:
        parts = _parts(root)
        for part in parts:
            split = _SPLITS.get(part.name) if len(parts) > 1 else None
            for number, cells in enumerate(_rows(root, part)):
                missing = [column for column in _REQUIRED if not cells.get(column)]
                place = (part.name, number)
                audio = None if missing else _file(root, cells["audio"], place)
                if audio is None:
                    what = " and no ".join(missing) or "audio file within the dataset"
                    row = f"row {number} of {part.name}" if part.name else f"row {number}"
                    oddities.append(Oddity(root, f"{row} has no {what}; skipped"))
                    continue
                utterances.append(
                    Utterance(
                        audio,
                        label_of(str(cells["label"])),
                        str(cells["speaker"]),
                        name,
                        session=_words(cells.get("session")),
                        text=_words(cells.get("text")),
                        split=split,
                    )
                )
    except (CorpusError, ImportError):
        raise
    except Exception as error:
        problem = error.strerror if isinstance(error, OSError) else None
        raise CorpusError(
            f"the dataset {root} cannot be loaded: {problem or one_line(error)}"
        ) from error
    return assemble(_info(name, parts, utterances), root, utterances, oddities)


def _parts(root: Path) -> tuple[_Part, ...]:
    """The splits, each in a subfolder of `root`, or the single one in `root` itself."""
    if (root / "dataset_dict.json").exists():
        names = _json(root, root / "dataset_dict.json").get("splits")
        if not isinstance(names, list) or not all(map(_is_file_name, names)):
            raise ValueError(
                f"dataset_dict.json has {shown(names, 80)} as splits; expected names of folders"
            )
        return tuple(_part(root, root / name, name) for name in dict.fromkeys(names))
    if not (root / "state.json").exists():
        raise CorpusError(
            f"{root} holds no saved dataset; expected a folder written by save_to_disk, which "
            "has a state.json"
        )
    return (_part(root, root, ""),)


def _part(root: Path, folder: Path, name: str) -> _Part:
    state = _json(root, folder / "state.json")
    if any(state.get(key) for key in ("_indices_files", "_indices_data_files")):
        raise ValueError("its indices are stored separately; save it again with a newer datasets")
    described = state.get("_data_files")
    files = described if isinstance(described, list) else []
    found = [file.get("filename") if isinstance(file, dict) else None for file in files]
    if not found or not all(map(_is_file_name, found)) or len(set(found)) < len(found):
        raise ValueError(
            f"state.json has {shown(described, 80)} as files; expected names of files, each once"
        )
    paths = tuple(folder / str(file) for file in found)
    for path in paths:
        if not path.is_file():
            raise ValueError(f"{path.name} does not exist, or is not a file")
        if not lies_within(path, root):
            raise ValueError(f"{path.name} is a link that leads out of the dataset's folder")
    return _Part(name, paths, _json(root, folder / "dataset_info.json"))


def _is_file_name(name: object) -> bool:
    """Whether a name can only refer to an entry of a folder."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= 200
        and name not in (".", "..")
        and not any(c in "/\\:\0" for c in name)
    )


def _json(root: Path, path: Path) -> Mapping[str, Any]:
    values = from_json(content_of(path, root))
    if not isinstance(values, dict):
        raise ValueError(f"{path.name} is a {type(values).__name__}; expected an object")
    return values


def _rows(root: Path, part: _Part) -> Iterator[Mapping[str, Any]]:
    """Rows of a split, with the columns named as in `_COLUMNS` and labels as text."""
    for file in part.files:
        for batch in arrow.batches(file):
            names = batch.schema.names
            columns = {
                key: next((name for name in usual if name in names), None)
                for key, usual in _COLUMNS.items()
            }
            missing = [key for key in _REQUIRED if columns[key] is None]
            if missing:
                expected = "; ".join(f"{key}: {', '.join(_COLUMNS[key])}" for key in missing)
                raise CorpusError(
                    f"the dataset {root} has the columns {shortened(', '.join(names), 200)}; "
                    f"expected also one of each of {expected}"
                )
            words = _class_names(part.info, columns["label"])
            chosen = batch.select([name for name in columns.values() if name])
            for row in chosen.to_pylist():
                cells = {key: row[name] for key, name in columns.items() if name}
                if words and isinstance(cells["label"], int):
                    # datasets stores -1 for an unknown class.
                    known = 0 <= cells["label"] < len(words)
                    cells["label"] = words[cells["label"]] if known else None
                elif isinstance(cells["label"], int):
                    raise CorpusError(
                        f"the labels of the dataset {root} are numbers without names; expected a "
                        "ClassLabel column or text"
                    )
                yield {**cells, "speaker": _words(cells["speaker"])}


def _class_names(info: Mapping[str, Any], label: str | None) -> list[str] | None:
    """Names of the classes of an integer column; None without names."""
    features = info.get("features")
    described = features.get(label) if isinstance(features, dict) else None
    names = described.get("names") if isinstance(described, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return names


def _words(cell: object) -> str | None:
    return None if cell is None or cell == "" else str(cell)


def _file(root: Path, audio: Any, place: tuple[str, int]) -> Path | None:
    """The file of a recording: a file of the dataset, or one written from its bytes."""
    given: Mapping[str, Any] = {"path": audio} if isinstance(audio, str) else audio
    content: bytes | None = given.get("bytes")
    if content:
        return _kept(content, place)
    path = root / (given.get("path") or "")
    try:
        return path if path.is_file() and lies_within(path, root) else None
    except (OSError, ValueError):
        return None  # too long, or with a NUL


def _kept(content: bytes, place: tuple[str, int]) -> Path:
    """Write bytes to a file in the cache, named by their hash and not by the dataset."""
    digest = hashlib.blake2b(content, digest_size=16)
    digest.update(repr(place).encode())
    name = digest.hexdigest()
    container = container_of(content[:HEAD_BYTES])
    suffix = container.suffixes[0] if container and container.suffixes else ""
    file = _cache() / name[:2] / f"{name}{suffix}"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        # A parallel reader must not see an incomplete file.
        handle, unfinished = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "wb") as writer:
            writer.write(content)
        Path(unfinished).replace(file)
    return file


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "serkit", "datasets")


def _info(name: str, parts: tuple[_Part, ...], utterances: list[Utterance]) -> CorpusInfo:
    about = parts[0].info
    return CorpusInfo(
        name=name,
        title=f"the dataset {name}",
        language="unknown",
        licence=str(about.get("license") or "unknown"),
        commercial_use=False,
        url=str(about.get("homepage") or ""),
        citation=str(about.get("citation") or ""),
        labels=in_order(utterance.label for utterance in utterances),
        layout="rows with audio, label and speaker",
    )
