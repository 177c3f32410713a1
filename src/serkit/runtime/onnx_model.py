"""ONNX files with serkit's description in their metadata."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from serkit.container import METADATA_KEY, parse_description
from serkit.errors import ModelError
from serkit.files import read_bounded
from serkit.memory import available_bytes
from serkit.plain import is_int
from serkit.runtime.card import ModelCard
from serkit.runtime.card_description import check_card, describe_card
from serkit.runtime.inputs import MAX_WIDTH, SpeechAndText, Waveform, kind_of
from serkit.runtime.model_file import FORMAT
from serkit.runtime.onnx_file import digest_of_graph, metadata_of
from serkit.runtime.onnx_session import OnnxSession
from serkit.text import one_line, shown

LOGITS = "logits"
"""Name of the output of every classifier."""

Shapes = Mapping[str, Sequence[int | None]]

MAX_FILE_BYTES = (1 << 31) - 1
"""Size of an ONNX file, at most: that of a protobuf message."""

MAX_CARD_BYTES = 1 << 20
PRECISIONS = ("fp32", "fp16", "int8")

_EXTRA = "onnx"
_LARGE = 64 << 20
"""Files from this size on are held against the memory available before they are read."""

_MEMORY_FACTOR = 3
"""Memory that loading takes, by the size of the file: its content, the graph, its weights."""


@dataclass(frozen=True, slots=True)
class GraphDescription:
    """What the metadata say of a graph beside the card.

    Attributes:
        embedding_width: Width of the embeddings.
        n_parameters: Number of weights and biases.
        precision: `fp32`, `fp16` (stored weights), or `int8` (weights and activations).
    """

    embedding_width: int
    n_parameters: int
    precision: str = "fp32"

    @classmethod
    def from_dict(cls, values: object) -> GraphDescription:
        """The description that `dataclasses.asdict` gave.

        Raises:
            ModelError: A value is missing, unknown or invalid.
        """
        if (
            not isinstance(values, Mapping)
            or set(values) != {f.name for f in fields(cls)}
            or not is_int(values["embedding_width"], 1, MAX_WIDTH)
            or not is_int(values["n_parameters"], 1, 1 << 40)
            or values["precision"] not in PRECISIONS
        ):
            raise ModelError(
                f"graph is {shown(values)}; expected embedding_width (1 to {MAX_WIDTH}), "
                f"n_parameters and precision (fp32, fp16 or int8)"
            )
        return cls(**values)


def description_of(card: ModelCard, graph: GraphDescription) -> str:
    """The text of the metadata property `METADATA_KEY`."""
    values = {"format": FORMAT.name, "version": FORMAT.version, **describe_card(card)}
    return json.dumps(values | {"graph": asdict(graph)}, ensure_ascii=False, allow_nan=False)


class OnnxModel(ABC):
    """An ONNX file with serkit's description in its metadata, loaded.

    A subclass says what its graph takes and gives.

    Args:
        path: The file, for messages and copies.
        content: Its content.
        threads: Threads of one run on the CPU; 0 for one per core.
        providers: Execution providers, see `serkit.runtime.onnx_session.PROVIDERS`.

    Raises:
        ModelError: The content is damaged, has no description, or another graph than described.
        MissingExtraError: ONNX Runtime is not installed.
    """

    _KIND: ClassVar[type[Waveform] | type[SpeechAndText]]

    def __init__(
        self, path: Path, content: bytes, *, threads: int = 0, providers: Sequence[str] = ()
    ) -> None:
        try:
            self._card, self._graph = described(path, content, self._KIND)
            self._session = OnnxSession(
                content,
                inputs=self._inputs(),
                outputs=self._outputs(),
                extra=_EXTRA,
                dtype="float32",
                threads=threads,
                providers=providers,
            )
        except ModelError as error:
            prefix = f"{path}: "
            raise ModelError(prefix + str(error).removeprefix(prefix)) from error
        self._path = path
        self._file_bytes = len(content)
        self._digest = digest_of(self._card, content)

    @abstractmethod
    def _inputs(self) -> Shapes:
        """Shapes of the inputs of the graph."""

    @abstractmethod
    def _outputs(self) -> Shapes:
        """Shapes of the outputs of the graph."""

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, threads: int = 0, providers: Sequence[str] = ()
    ) -> Self:
        """Read a file.

        Raises:
            ModelError: As the constructor, or the file is missing, larger than 2 GiB, or too large
                for the memory available.
            MissingExtraError: ONNX Runtime is not installed.
        """
        path = Path(path)
        return cls(path, read_model(path), threads=threads, providers=providers)

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._card

    @property
    def file_bytes(self) -> int:
        """Size of the file."""
        return self._file_bytes

    @property
    def digest(self) -> str:
        """Hash of the graph, input, labels and temperature, not of the name and the figures."""
        return self._digest

    @property
    def facts(self) -> dict[str, Any]:
        """Number of parameters and precision."""
        return {"n_parameters": self._graph.n_parameters, "precision": self._graph.precision}


def read_model(path: Path) -> bytes:
    """The content of an ONNX file.

    Raises:
        ModelError: It is missing, larger than 2 GiB, or too large for the memory available.
    """
    try:
        _check_memory(path)
        return read_bounded(path, MAX_FILE_BYTES)
    except OSError as error:
        raise ModelError(f"{path}: {one_line(error)}") from error


def described(
    path: Path, content: bytes, kind: type[Waveform] | type[SpeechAndText]
) -> tuple[ModelCard, GraphDescription]:
    """The card and the description of the graph in the metadata of a file.

    Args:
        path: The file, for messages.
        content: Its content.
        kind: Expected kind of input.

    Raises:
        ModelError: There is no description, it is damaged, or its input is of another kind.
    """
    text = metadata_of(content).get(METADATA_KEY)
    if text is None:
        raise ModelError(
            f"an ONNX file without the metadata property {METADATA_KEY!r}; expected a model "
            "written by serkit import"
        )
    if len(text) > MAX_CARD_BYTES:
        raise ModelError(
            f"its description has {len(text)} characters; expected at most {MAX_CARD_BYTES}"
        )
    values = parse_description(path, text, FORMAT)
    card = check_card(values)
    if not isinstance(card.input, kind):
        hint = ": give it to the server" if isinstance(card.input, SpeechAndText) else ""
        wanted = "a waveform" if kind is Waveform else "speech and text"
        raise ModelError(
            f"the input of {card.name} is {kind_of(card.input)}; expected {wanted}{hint}"
        )
    return card, GraphDescription.from_dict(values.get("graph"))


def digest_of(card: ModelCard, content: bytes) -> str:
    """Hash of the graph, input, labels and temperature of a file."""
    digest = hashlib.blake2b(digest_of_graph(content), digest_size=16)
    described = {
        "labels": card.labels,
        "temperature": card.temperature,
        kind_of(card.input): card.input.to_dict(),
    }
    digest.update(json.dumps(described, sort_keys=True).encode())
    return digest.hexdigest()


def _check_memory(path: Path) -> None:
    """Refuse a file that would not fit into memory, before it is read."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, f"is larger than {MAX_FILE_BYTES:,} bytes", str(path))
    free = available_bytes() if size >= _LARGE else None
    if free is not None and _MEMORY_FACTOR * size > free:
        raise ModelError(
            f"{path}: its {size / 1e6:.0f} MB need about {_MEMORY_FACTOR * size / 1e6:.0f} MB of "
            f"memory to load, and {free / 1e6:.0f} MB are available; end other programs, or import "
            "the model with --int8"
        )
