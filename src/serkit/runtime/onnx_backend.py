"""The ONNX backend: a graph from samples to logits and embeddings, with the card in its metadata.

The graph has one input, `samples` `[n, n_samples]`, and the outputs `logits` `[n, n_labels]` if the
card has labels, `dimensions` `[n, n_dimensions]` if it has dimensions, and `embeddings` `[n,
width]`, all float32. It holds its preprocessing, such as normalisation or a log-mel spectrogram;
trimming, pre-emphasis and the peak are those of the card, see `Waveform`.
The metadata property `serkit` is the description of a model file with one more key, `graph`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.errors import ModelError
from serkit.files import open_file
from serkit.runtime.backend import Outputs
from serkit.runtime.card import ModelCard
from serkit.runtime.inputs import Waveform
from serkit.runtime.onnx_file import looks_like_onnx
from serkit.runtime.onnx_model import LOGITS, GraphDescription, OnnxModel, Shapes
from serkit.runtime.prediction import MIN_DURATION_S

Array = NDArray[np.float32]

INPUT = "samples"
DIMENSIONS, EMBEDDINGS = "dimensions", "embeddings"

_SHORTEST = round(MIN_DURATION_S * SAMPLE_RATE)


class OnnxBackend(OnnxModel):
    """A model from samples to logits and embeddings.

    A copy in another process, as of `serkit evaluate --jobs`, reads the file again and uses one
    thread.
    """

    _KIND = Waveform

    def __init__(
        self, path: Path, content: bytes, *, threads: int = 0, providers: Sequence[str] = ()
    ) -> None:
        super().__init__(path, content, threads=threads, providers=providers)
        self._widths = output_widths(self._card, self._graph)
        self._providers = tuple(providers)

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

    @property
    def embedding_width(self) -> int:
        """Width of the embeddings: the input of the last layer."""
        return self._graph.embedding_width

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

    def _inputs(self) -> Shapes:
        return {INPUT: (None, None)}

    def _outputs(self) -> Shapes:
        widths = output_widths(self._card, self._graph)
        return {name: (None, width) for name, width in widths.items()}

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


@lru_cache(maxsize=2)
def _reopened(path: Path, providers: tuple[str, ...], digest: str) -> OnnxBackend:
    backend = OnnxBackend.load(path, threads=1, providers=providers)
    if backend.digest != digest:
        raise ModelError(f"{path}: it has changed since it was loaded; start again")
    return backend
