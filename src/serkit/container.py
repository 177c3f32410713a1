"""The container of models, bases and profiles: a safetensors file that describes itself.

The metadata of the file hold one JSON text, the description, with the name and version of a kind.
Everything is checked before any tensor is read: the size of the file, the version, and the names,
shapes and types of the tensors. A file cannot make the reader allocate more than its own length.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import SerkitError
from serkit.plain import from_json
from serkit.text import printable, shortened, shown

METADATA_KEY = "serkit"

# A safetensors file begins with the length of its header.
_LENGTH_BYTES = 8

FLOATS = ("F16", "F32")


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file.

    Attributes:
        name: Name in the description, such as `serkit-model`.
        version: Version that is written, and the latest that is read.
        noun: Name in messages, such as `model`.
        max_bytes: Maximum size of a file.
        max_header_bytes: Largest header, which holds the description; it is parsed in memory.
        error: Type of the errors raised.
        oldest: Oldest version that is read; None for `version` alone.
    """

    name: str
    version: int
    noun: str
    max_bytes: int
    error: type[SerkitError]
    max_header_bytes: int = 1 << 20
    oldest: int | None = None


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The required shape and type of a tensor.

    Attributes:
        shape: Shape.
        dtypes: Types allowed, by their safetensors names.
    """

    shape: tuple[int, ...]
    dtypes: tuple[str, ...] = FLOATS


class Contents:
    """An open file whose description has been checked.

    Attributes:
        path: The file.
        file_bytes: Its size.
        description: The JSON object in its metadata.
    """

    def __init__(
        self, path: Path, file_bytes: int, description: dict[str, Any], file: Any, kind: Format
    ) -> None:
        self.path = path
        self.file_bytes = file_bytes
        self.description = description
        self._file = file
        self._error = kind.error

    def tensors(self, specs: Mapping[str, TensorSpec]) -> dict[str, NDArray[Any]]:
        """Read the tensors, float16 as float32.

        Args:
            specs: Every tensor the file must have, and no other.

        Raises:
            SerkitError: Of the format: a name, shape or type differs, or a value is not finite.
        """
        self._check(specs)
        return {name: self._read(name) for name in specs}

    def _check(self, specs: Mapping[str, TensorSpec]) -> None:
        names = set(self._file.keys())
        if names != set(specs):
            missing, extra = sorted(set(specs) - names), sorted(names - set(specs))
            raise self._error(
                f"{self.path}: the tensors are not those of its description: "
                f"missing {shortened(printable(', '.join(missing)), 200) or 'none'}; "
                f"unexpected {shortened(printable(', '.join(extra)), 200) or 'none'}"
            )
        for name, spec in specs.items():
            tensor = self._file.get_slice(name)
            if tuple(tensor.get_shape()) != spec.shape:
                raise self._error(
                    f"{self.path}: {name} has shape {tensor.get_shape()}; "
                    f"expected {list(spec.shape)}"
                )
            if tensor.get_dtype() not in spec.dtypes:
                raise self._error(
                    f"{self.path}: {name} has type {tensor.get_dtype()}; "
                    f"expected {' or '.join(spec.dtypes)}"
                )

    def _read(self, name: str) -> NDArray[Any]:
        values: NDArray[Any] = self._file.get_tensor(name)
        if values.dtype.kind != "f":
            return values
        if not np.isfinite(values).all():
            raise self._error(
                f"{self.path}: {name} holds numbers that are not finite (NaN or infinite)"
            )
        return values.astype(np.float32) if values.dtype == np.float16 else values


@contextmanager
def open_container(path: str | os.PathLike[str], kind: Format) -> Iterator[Contents]:
    """Open a file of a format and check its description's format and version.

    Args:
        path: The file.
        kind: What it must be.

    Raises:
        SerkitError: Of the format: the file is missing, too large, damaged, or of another format
            or version.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    file_bytes = _size_of(path, kind)
    try:
        _check_header(path, kind)
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            if text is None:
                raise kind.error(
                    f"{path}: a safetensors file without the entry {METADATA_KEY!r} in its "
                    f"metadata; expected a {kind.noun} written by serkit"
                )
            yield Contents(path, file_bytes, parse_description(path, text, kind), file, kind)
    except (SafetensorError, OSError) as error:
        raise kind.error(
            f"{path}: not a {kind.noun} file, or truncated or damaged "
            f"({shortened(printable(error), 300)}); get a fresh copy"
        ) from error


def parse_description(path: Path, text: str, kind: Format) -> dict[str, Any]:
    """The description in a file's metadata, its format and version checked.

    Args:
        path: The file, for messages.
        text: The JSON text.
        kind: What the file must be.

    Raises:
        SerkitError: Of the format: the text is no plain JSON, or of another format or version.
    """
    try:
        values = from_json(text)
    except ValueError as error:
        raise kind.error(f"{path}: its description is not plain JSON: {error}") from error
    if not isinstance(values, dict) or values.get("format") != kind.name:
        raise kind.error(f"{path}: its description is not that of a {kind.name}")
    oldest = kind.version if kind.oldest is None else kind.oldest
    version = values.get("version")
    if type(version) is not int or not oldest <= version <= kind.version:
        read = f"{oldest} to {kind.version}" if oldest < kind.version else str(kind.version)
        raise kind.error(
            f"{path}: format version {shown(version, 40)}; this serkit reads version {read}: "
            f"install the serkit that wrote it, or make the {kind.noun} again"
        )
    return values


def container_bytes(
    kind: Format, description: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
) -> bytes:
    """The content of a file.

    Args:
        kind: Its format.
        description: JSON values, without format and version.
        tensors: By name; float32 is stored as float16 where that is exact.
    """
    from safetensors.numpy import save

    stored = {name: np.ascontiguousarray(_smallest(values)) for name, values in tensors.items()}
    values = {"format": kind.name, "version": kind.version, **description}
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return save(stored, metadata={METADATA_KEY: text})


def _smallest(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype != np.float32:
        return values
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), values) else values


def _size_of(path: Path, kind: Format) -> int:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise kind.error(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise kind.error(f"{path}: cannot be opened: {error}") from error
    if path.is_dir():
        raise kind.error(f"{path}: is a directory; expected a {kind.noun} file")
    if not stat.S_ISREG(status.st_mode):
        raise kind.error(f"{path}: is a pipe or a device; expected a {kind.noun} file")
    if status.st_size > kind.max_bytes:
        raise kind.error(
            f"{path}: {status.st_size} bytes; a {kind.noun} file has at most {kind.max_bytes} bytes"
        )
    return status.st_size


def _check_header(path: Path, kind: Format) -> None:
    """Refuse a large header before it is parsed, which takes a hundred times its length."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if kind.max_header_bytes < length <= kind.max_bytes:
        raise kind.error(
            f"{path}: the header has {length} bytes; a {kind.noun} file has at most "
            f"{kind.max_header_bytes} bytes of it"
        )
