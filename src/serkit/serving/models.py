"""The models of a server, each with the queues in which its work is batched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.codec.packets import FRAMES_PER_SECOND, Packet
from serkit.errors import PacketError, SerkitError
from serkit.runtime import Backend, Recognizer, load_backend
from serkit.runtime.numpy_backend import NumpyBackend
from serkit.serving.batching import BatchedClassifier, Batcher
from serkit.serving.chunks import ChunkQueue
from serkit.serving.decoding import Decoders
from serkit.serving.decoding_worker import n_frames
from serkit.serving.feeds import MAX_CHUNK_S
from serkit.serving.metrics import Metrics
from serkit.serving.settings import Settings
from serkit.text import shown

Array = NDArray[np.float32]

# Of the streams of a large model; each waits for its windows, which are classified together.
_STREAM_THREADS = 16


class Models:
    """The models of sound and of packets; they answer in any number of threads.

    Small models run in the decoding processes, large ones in this process.

    Args:
        loaded: What `load_models` gives.
        decoders: Decode packets and run the small models.
        n_decoders: Number of these processes.
        settings: Of the server.
        metrics: Of the server.

    Attributes:
        recognizers: By name; their windows are classified together.
    """

    def __init__(
        self,
        loaded: dict[str, Backend],
        decoders: Decoders,
        n_decoders: int,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self._decoders = decoders
        self._n_decoders = n_decoders
        self._settings = settings
        self._metrics = metrics
        self._batchers: list[Batcher[Any, Any]] = []
        self._streaming: dict[str, Recognizer] = {}
        self._chunks: dict[str, ChunkQueue] = {}
        self.recognizers: dict[str, Recognizer] = {}
        for name, backend in loaded.items():
            self._serve(name, backend)

    def streaming(self, name: str) -> Recognizer:
        """A model for the threads of its streams."""
        return self._streaming[name]

    def chunks(self, name: str) -> ChunkQueue:
        """The queue of the streams of a model."""
        return self._chunks[name]

    def payloads(self, packets: Sequence[Packet]) -> list[Array | PacketError]:
        """The frames of the packets of some chunks, decoded in parts of bounded length."""
        decoded: list[Array | PacketError] = []
        part: list[bytes] = []
        rest = most = MAX_CHUNK_S * FRAMES_PER_SECOND
        for packet in packets:
            rest -= n_frames(packet)
            if rest < 0:
                decoded += self._decoders.payloads(part, timeout_s=self._settings.deadline_s)
                part, rest = [], most - n_frames(packet)
            part.append(packet.to_bytes())
        return decoded + self._decoders.payloads(part, timeout_s=self._settings.deadline_s)

    def close(self) -> None:
        """Finish what is in the queues."""
        for batcher in self._batchers:
            batcher.close()

    def _serve(self, name: str, backend: Backend) -> None:
        """Make the queues of a model.

        Args:
            name: What the settings call it.
            backend: The model.
        """
        named, small = backend.card.name, is_small(backend)
        timeout_s = self._settings.deadline_s
        n_threads = {"n_threads": self._n_decoders} if small else {}
        batched = BatchedClassifier(
            backend,
            partial(self._decoders.outputs, name, timeout_s=timeout_s) if small else None,
            timeout_s=timeout_s,
            **self._options(named) | n_threads,
        )
        self._add(named, batched.batcher)
        self.recognizers[named] = Recognizer(batched)
        # To a thread that has many chunks anyway, a window is less work than its message.
        self._streaming[named] = Recognizer(backend) if small else self.recognizers[named]
        queue = f"{named} chunks"
        self._chunks[named] = ChunkQueue(
            self.payloads,
            timeout_s=timeout_s,
            **self._options(queue) | {"wait_s": 0.0, "n_threads": _STREAM_THREADS} | n_threads,
        )
        self._add(queue, self._chunks[named].batcher)

    def _options(self, queue: str) -> dict[str, Any]:
        """Of the `Batcher` of a queue."""
        settings = self._settings
        return {
            "name": queue,
            "most": settings.batch_max,
            "wait_s": settings.batch_wait_ms / 1000.0 if settings.batch_max > 1 else 0.0,
            "most_waiting": max(1024, 4 * (settings.max_pending + settings.max_streams)),
            "watch": self._metrics.watch(queue),
        }

    def _add(self, queue: str, batcher: Batcher[Any, Any]) -> None:
        self._batchers.append(batcher)
        self._metrics.watch_depth(queue, lambda: batcher.depth)


def load_models(settings: Settings) -> dict[str, Backend]:
    """The models of a server, by what the settings call them.

    Raises:
        SerkitError: One cannot be loaded, or two have the same name.
    """
    loaded: dict[str, Backend] = {}
    for name in settings.models:
        backend = load_backend(name, threads=settings.threads)
        named = backend.card.name
        if any(named == other.card.name for other in loaded.values()):
            raise SerkitError(f"two models are named {shown(named)}; expected one of each name")
        loaded[name] = backend
    return loaded


def is_small(backend: Backend) -> bool:
    """Whether a model runs in Python and NumPy, which would hold the interpreter lock."""
    return isinstance(backend, NumpyBackend)
