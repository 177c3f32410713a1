"""Repositories of pretrained models: folders, or ids on the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.errors import MissingExtraError, ModelError
from serkit.files import lies_within, read_bounded
from serkit.plain import from_json, from_yaml
from serkit.text import one_line, printable, shortened, shown

_MAX_README = 1 << 20
_MAX_JSON = 1 << 20
_MAX_PARTS = 64
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")


@dataclass(frozen=True, slots=True)
class CardHead:
    """What the head of a model card (`README.md`) says.

    Attributes:
        licence: Licence of the weights; empty if unknown.
        base_model: Id of the model it was fine-tuned from; empty if unknown.
        datasets: Names of the training data.
    """

    licence: str = ""
    base_model: str = ""
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of a pretrained model, its own or a snapshot in the cache of the hub.

    Attributes:
        name: The id, with the revision; or the name of the folder.
        folder: The folder.
        is_snapshot: Whether it is in the cache of the hub, and may lack files.
    """

    name: str
    folder: Path
    is_snapshot: bool = False

    def file(self, name: str) -> Path | None:
        """A file of the folder, not a link out of it; None if it does not exist.

        Raises:
            ModelError: It is a link to elsewhere. The hub's cache links to its own blobs.
        """
        path = self.folder / name
        if not path.is_symlink() and not path.exists():
            return None
        blobs = self.folder.parent.parent / "blobs"
        if not lies_within(path, self.folder) and not lies_within(path, blobs):
            raise ModelError(f"{path}: is a link out of the folder; expected a file")
        return path if path.exists() else None

    def json(self, name: str) -> dict[str, Any]:
        """The JSON object in a file of the folder.

        Raises:
            ModelError: The file is missing, too large, or no JSON object.
        """
        path = self.file(name)
        if path is None:
            raise ModelError(
                f"{self.name} has no {name}; expected the folder or id of a model of the library "
                "transformers, with config.json, preprocessor_config.json and model.safetensors"
                + (": the download is not complete, so import it online" * self.is_snapshot)
            )
        try:
            values = from_json(read_bounded(path, _MAX_JSON))
        except OSError as error:
            raise ModelError(f"{path}: {one_line(error)}") from error
        except ValueError as error:
            raise ModelError(f"{path}: {error}") from error
        if not isinstance(values, dict):
            raise ModelError(f"{path}: is {shown(values, 80)}; expected a JSON object")
        return values

    def parts(self, name: str) -> list[Path]:
        """The file of a name, or the files in its index; empty if there is neither.

        Args:
            name: Name of a file of weights, such as `model.safetensors`.

        Raises:
            ModelError: The index is malformed, or a file of it is missing or a link to elsewhere.
        """
        whole = self.file(name)
        if whole is not None:
            return [whole]
        if self.file(f"{name}.index.json") is None:
            return []
        stem, _, suffix = name.rpartition(".")
        names = self.json(f"{name}.index.json").get("weight_map")
        pattern = re.compile(rf"{re.escape(stem)}-\d{{5}}-of-\d{{5}}\.{suffix}")
        parts = sorted(set(map(str, names.values()))) if isinstance(names, dict) else []
        if not parts or len(parts) > _MAX_PARTS or not all(map(pattern.fullmatch, parts)):
            raise ModelError(
                f"{self.name}: {name}.index.json names {shown(parts)}; expected 1 to "
                f"{_MAX_PARTS} files such as {stem}-00001-of-00002.{suffix}"
            )
        files = [self.file(part) for part in parts]
        missing = [part for part, file in zip(parts, files, strict=True) if file is None]
        if missing:
            raise ModelError(
                f"{self.name}: {missing[0]} is missing; get the whole folder, or import the "
                "model online to resume the download"
            )
        return [file for file in files if file is not None]

    def head(self) -> CardHead:
        """The head of its model card; empty if there is none, or it is malformed."""
        path = self.file("README.md")
        if path is None:
            return CardHead()
        try:
            return head_of(read_bounded(path, _MAX_README).decode("utf-8", "replace"))
        except OSError:
            return CardHead()


def opened(source: str, *patterns: str, download: bool = True, extra: str = "import") -> Repository:
    """The folder of a model; an id is downloaded, or taken from the cache of the hub.

    A download that was interrupted is resumed. Without a network, or with `HF_HUB_OFFLINE`, the
    cache is used as it is.

    Args:
        source: A folder, or an id on the Hugging Face hub.
        patterns: Names of the files to download, `*` for any characters.
        download: Whether an id may be downloaded; if not, the cache is used as it is.
        extra: The extra that has huggingface_hub.

    Raises:
        ModelError: There is no such folder, and the hub has no such model or cannot be reached.
        MissingExtraError: huggingface_hub is not installed.
    """
    folder = Path(source).expanduser()
    if source and folder.is_dir():
        return Repository(name_of(source), folder)
    if folder.exists() or not _ID.fullmatch(source):
        raise ModelError(
            f"{shown(source)} is neither a folder nor an id on the Hugging Face hub, such as "
            "superb/hubert-base-superb-er"
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtraError(
            error.name or "huggingface_hub", extra, "downloading a model"
        ) from error
    try:
        snapshot = Path(
            snapshot_download(source, allow_patterns=list(patterns), local_files_only=not download)
        )
    except LocalEntryNotFoundError:
        why = ", and the Hugging Face hub cannot be reached; download it elsewhere"
        raise ModelError(
            f"{source} is not in the cache{why if download else '; download it first'} and give "
            f"its folder{', or try again online' if download else ''}"
        ) from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelError(
            f"{source} cannot be downloaded: {shortened(printable(one_line(error)), 300)}"
        ) from error
    return Repository(f"{source}@{snapshot.name[:12]}", snapshot, is_snapshot=True)


def name_of(source: str) -> str:
    """A name for people: the id, or the name of the folder."""
    path = Path(source).expanduser()
    return shortened(printable(path.resolve().name if path.is_dir() else source), 200)


def head_of(readme: str) -> CardHead:
    """The head of a model card.

    Args:
        readme: Text of `README.md`, which begins with YAML between lines of `---`.
    """
    text = readme.replace("\r\n", "\n")
    if not text.startswith("---\n"):
        return CardHead()
    try:
        values = from_yaml(text[4:].partition("\n---")[0])
    except ValueError:
        return CardHead()
    if not isinstance(values, dict):
        return CardHead()
    names = _texts(values.get("license"))
    if names == ("other",):  # its name is in a field of its own
        names = _texts(values.get("license_name")) or names
    return CardHead(
        licence=", ".join(names),
        base_model=", ".join(_texts(values.get("base_model"))),
        datasets=_texts(values.get("datasets")),
    )


def _texts(value: object) -> tuple[str, ...]:
    """A text or a list of texts, each short and printable."""
    parts = value if isinstance(value, list) else [value]
    texts = (part.strip() for part in parts if isinstance(part, str) and part.strip())
    return tuple(shortened(printable(text), 100) for text in texts)[:10]
