"""The ONNX backend: a graph from samples to logits and embeddings, with the card in its metadata.

The graph has one input, `samples` `[n, n_samples]`, and the outputs `logits` `[n, n_labels]` if the
card has labels, `dimensions` `[n, n_dimensions]` if it has dimensions, and `embeddings` `[n,
width]`, all float32. It holds its preprocessing, such as normalisation or a log-mel spectrogram;
trimming, pre-emphasis and the peak are those of the card, see `Waveform`.
The metadata property `serkit` is the description of a model file with one more key, `graph`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.container import METADATA_KEY, parse_description
from serkit.errors import ModelError
from serkit.files import open_file, read_bounded
from serkit.memory import available_bytes
from serkit.plain import is_int
from serkit.runtime.backend import Outputs
from serkit.runtime.card import ModelCard
from serkit.runtime.card_description import check_card, describe_card
from serkit.runtime.inputs import MAX_WIDTH, SpeechAndText, Waveform, kind_of
from serkit.runtime.model_file import FORMAT
from serkit.runtime.onnx_file import digest_of_graph, looks_like_onnx, metadata_of
from serkit.runtime.onnx_session import OnnxSession
from serkit.runtime.prediction import MIN_DURATION_S
from serkit.text import one_line, shown

Array = NDArray[np.float32]

INPUT = "samples"
LOGITS, DIMENSIONS, EMBEDDINGS = "logits", "dimensions", "embeddings"

MAX_FILE_BYTES = (1 << 31) - 1
"""Size of an ONNX file, at most: that of a protobuf message."""

MAX_CARD_BYTES = 1 << 20
PRECISIONS = ("fp32", "fp16", "int8")

_EXTRA = "onnx"
_SHORTEST = round(MIN_DURATION_S * SAMPLE_RATE)
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


class OnnxBackend:
    """An ONNX file with serkit's description in its metadata.

    A copy in another process, as of `serkit evaluate --jobs`, reads the file again and uses one
    thread.

    Args:
        path: The file, for messages and copies.
        content: Its content.
        threads: Threads of one run on the CPU; 0 for one per core.
        providers: Execution providers, see `serkit.runtime.onnx_session.PROVIDERS`.

    Raises:
        ModelError: The content is damaged, has no description, or another graph than described.
        MissingExtraError: ONNX Runtime is not installed.
    """

    def __init__(
        self,
        path: Path,
        content: bytes,
        *,
        threads: int = 0,
        providers: Sequence[str] = (),
    ) -> None:
        try:
            self._card, self._graph = described(path, content, Waveform)
            self._widths = output_widths(self._card, self._graph)
            self._session = OnnxSession(
                content,
                inputs={INPUT: (None, None)},
                outputs={name: (None, width) for name, width in self._widths.items()},
                extra=_EXTRA,
                dtype="float32",
                threads=threads,
                providers=providers,
            )
        except ModelError as error:
            prefix = f"{path}: "
            raise ModelError(prefix + str(error).removeprefix(prefix)) from error
        self._path = path
        self._providers = tuple(providers)
        self._file_bytes = len(content)
        self._digest = digest_of(self._card, content)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process reads the file again, which must not have changed."""
        return _reopened, (self._path.absolute(), self._providers, self._digest)

    @staticmethod
    def reads(path: str | os.PathLike[str]) -> bool:
        """Whether a file looks like ONNX, which has no magic number."""
        try:
            with open_file(Path(path)) as file:
                return looks_like_onnx(file.read(3))
        except (OSError, ValueError):
            return False

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, threads: int = 0, providers: Sequence[str] = ()
    ) -> OnnxBackend:
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
    def embedding_width(self) -> int:
        """Width of the embeddings: the input of the last layer."""
        return self._graph.embedding_width

    @property
    def digest(self) -> str:
        """Hash of the graph, input, labels and temperature, not of the name and the figures."""
        return self._digest

    @property
    def facts(self) -> dict[str, Any]:
        """Number of parameters and precision."""
        return {"n_parameters": self._graph.n_parameters, "precision": self._graph.precision}

    def outputs(self, windows: Sequence[Array]) -> Outputs:
        """Classify windows, as `Backend.outputs`.

        Each is run alone: padding to a common length would change the results.

        Raises:
            ModelError: The graph cannot be run, as for lack of memory.
        """
        found: dict[str, list[Array]] = {name: [] for name in self._widths}
        for window in windows:
            rows = self._session.run(samples=self._prepared(window)[None])
            for (name, width), row in zip(self._widths.items(), rows, strict=True):
                if row.shape != (1, width):
                    raise ModelError(
                        f"{self._path}: {name} has shape {list(row.shape)} for one window; "
                        f"expected [1, {width}]: import the model again"
                    )
                found[name].append(row)
        stacked = {name: np.concatenate(rows) for name, rows in found.items()}
        logits = stacked.get(LOGITS, np.zeros((len(windows), 0), np.float32))
        return Outputs(
            logits / np.float32(self._card.temperature),
            stacked[EMBEDDINGS],
            None,
            stacked.get(DIMENSIONS),
        )

    def _prepared(self, window: Array) -> Array:
        """The samples after preprocessing, not shorter than the shortest recording."""
        samples = np.ascontiguousarray(window, np.float32)
        if isinstance(self._card.input, Waveform):  # checked when the file was read
            samples = self._card.input.prepared(samples)
        return np.pad(samples, (0, max(0, _SHORTEST - len(samples))))


def output_widths(card: ModelCard, graph: GraphDescription) -> dict[str, int]:
    """The outputs of a graph and their widths, in their order."""
    widths = {
        LOGITS: len(card.labels),
        DIMENSIONS: len(card.dimensions),
        EMBEDDINGS: graph.embedding_width,
    }
    return {name: width for name, width in widths.items() if width}


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


@lru_cache(maxsize=2)
def _reopened(path: Path, providers: tuple[str, ...], digest: str) -> OnnxBackend:
    backend = OnnxBackend.load(path, threads=1, providers=providers)
    if backend.digest != digest:
        raise ModelError(f"{path}: it has changed since it was loaded; start again")
    return backend


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
