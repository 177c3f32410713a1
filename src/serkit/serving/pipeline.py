"""What the server answers: decoded recordings and streams through models, and perhaps to text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from serkit.codec.frontend import log_mel_of
from serkit.codec.packets import Packet
from serkit.errors import PacketError, SerkitError
from serkit.features import LogMelRecipe
from serkit.features.whisper import scaled
from serkit.runtime import Backend, LiveStream, Recognizer, TimelineSettings, load_backend
from serkit.runtime.decoded import DecodedPackets, DecodedSound
from serkit.runtime.numpy_backend import NumpyBackend
from serkit.runtime.timeline_text import overall_object, timeline_object
from serkit.serving.batching import BatchedClassifier, Batcher
from serkit.serving.chunks import ChunkQueue
from serkit.serving.decoding import Decoders, LiveDecoder
from serkit.serving.limits import Deadline
from serkit.serving.metrics import Metrics
from serkit.serving.refusals import RefusedError
from serkit.serving.settings import Settings
from serkit.text import shown

Array = NDArray[np.float32]

# Of the streams of a large model; each waits for its windows, which are classified together.
_STREAM_THREADS = 16

OFF = "off"
"""Name of the detector that classifies everything."""


class Transcript(Protocol):
    """The text of a recording."""

    @property
    def text(self) -> str:
        """What was said."""

    @property
    def language(self) -> str | None:
        """Its language, as ISO 639-1; None if unknown."""


class Transcriber(Protocol):
    """A recogniser of speech."""

    def transcribe(self, log_mel: Array) -> Transcript:
        """The text of a recording, from its log-mel in Whisper's scale, `[80, n_frames]`."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about a recording.

    Attributes:
        model: Name of the model; None for the first that takes the input.
        labels: Restrict the answer to these labels; None for all.
        min_confidence: Give no label below this probability.
        channel: Number of the channel, from 0; None for the mean of all.
        detector: Of voice, for a timeline: `bands`, `silero` or `off`.
        settings: Of a timeline.
    """

    model: str | None = None
    labels: tuple[str, ...] | None = None
    min_confidence: float | None = None
    channel: int | None = None
    detector: str = "bands"
    settings: TimelineSettings = field(default_factory=TimelineSettings)


class Pipeline:
    """Models, decoding processes and queues; it answers in any number of threads.

    Args:
        settings: Of the server.
        metrics: Of the server.
        transcriber: Gives the text too; None for the sound alone.

    Raises:
        SerkitError: A model cannot be loaded, or two have the same name.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, *, transcriber: Transcriber | None = None
    ) -> None:
        self._metrics = metrics
        self._transcriber = transcriber
        self._timeout_s = settings.deadline_s
        self._batchers: list[Batcher[Any, Any]] = []
        self._streaming: dict[str, Recognizer] = {}
        self._chunks: dict[str, ChunkQueue] = {}
        self.transcriber_problem: str | None = None
        loaded = _loaded(settings)
        n_decoders = settings.decoders or os.cpu_count() or 1
        self.decoders = Decoders(
            n_decoders,
            max_s=settings.max_duration_s,
            memory_mb=settings.decoder_memory_mb,
            most_live=settings.max_opus_streams,
            models=[name for name, backend in loaded.items() if _small(backend)],
            on_death=metrics.decoder_deaths.inc,
        )
        self.models: dict[str, Recognizer] = {}
        for name, backend in loaded.items():
            self._serve(name, backend, n_decoders, settings)

    @property
    def modalities(self) -> list[str]:
        """What the answers are made from."""
        return ["acoustic"] if self._transcriber is None else ["acoustic", "text"]

    def recognize(self, content: bytes, question: Question, deadline: Deadline) -> dict[str, Any]:
        """One answer for a recording, as JSON values.

        Raises:
            SerkitError: The recording or the question is wrong, or the time is over.
        """
        recording = self._decoded(content, question, deadline)
        model = self.model_for(question.model, packets=isinstance(recording, DecodedPackets))
        prediction = model(
            recording,
            labels=question.labels,
            min_confidence=question.min_confidence,
            on_seconds=deadline.check,
        )
        answer = {
            **overall_object(prediction),
            "duration_s": round(prediction.duration_s, 6),
            "model": prediction.model,
        }
        return answer | self._text(recording)

    def timeline(self, content: bytes, question: Question, deadline: Deadline) -> dict[str, Any]:
        """Emotion over time in a recording, as JSON values.

        Raises:
            SerkitError: As `recognize`.
        """
        recording = self._decoded(content, question, deadline)
        model = self.model_for(question.model, packets=isinstance(recording, DecodedPackets))
        timeline = model.timeline(
            recording,
            question.settings,
            detector=None if question.detector == OFF else question.detector,
            on_seconds=deadline.check,
        )
        return timeline_object(timeline) | self._text(recording)

    def stream(self, question: Question, *, packets: bool) -> LiveStream:
        """A new stream of sound or packets.

        Raises:
            SerkitError: The question is wrong.
        """
        name = self.model_for(question.model, packets=packets).name
        return LiveStream(
            self._streaming[name],
            question.settings,
            None if question.detector == OFF else question.detector,
        )

    def chunks(self, name: str) -> ChunkQueue:
        """The queue of the streams of a model."""
        return self._chunks[name]

    def live_decoder(self) -> LiveDecoder:
        """A process that decodes a live recording.

        Raises:
            RefusedError: There are too many.
        """
        return self.decoders.live(timeout_s=self._timeout_s)

    def model_for(self, name: str | None, *, packets: bool) -> Recognizer:
        """A model by name, or the first for an input.

        Raises:
            RefusedError: There is none.
        """
        if name is not None:
            if name not in self.models:
                raise RefusedError(
                    404,
                    "model_unknown",
                    f"no model {shown(name, 80)}; expected one of {', '.join(self.models)}",
                )
            ranked = [self.models[name]]
        else:
            ranked = sorted(self.models.values(), key=lambda one: packets != takes_log_mel(one))
        model = ranked[0]
        if packets and not takes_log_mel(model):
            raise RefusedError(
                422,
                "model",
                f"{model.name} takes sound; choose a model that takes log-mel for packets",
            )
        return model

    def close(self) -> None:
        """Finish what is in the queues, and end the decoding processes."""
        for batcher in self._batchers:
            batcher.close()
        self.decoders.close()

    def _decoded(
        self, content: bytes, question: Question, deadline: Deadline
    ) -> DecodedSound | DecodedPackets:
        with self._metrics.stage("decode"):
            return self.decoders.recording(
                content, channel=question.channel, timeout_s=deadline.rest_s
            )

    def _payloads(self, packets: Sequence[Packet]) -> list[Array | PacketError]:
        coded = [packet.to_bytes() for packet in packets]
        return self.decoders.payloads(coded, timeout_s=self._timeout_s)

    def _text(self, recording: DecodedSound | DecodedPackets) -> dict[str, Any]:
        """The text of a recording, and what the answer is made from.

        A recogniser that fails costs the text; the answer from the sound goes out.
        """
        if self._transcriber is None:
            return {"modalities": ["acoustic"]}
        try:
            with self._metrics.stage("text"):
                found = self._transcriber.transcribe(_log_mel(recording))
        except Exception as error:
            self.transcriber_problem = type(error).__name__
            return {"modalities": ["acoustic"], "text": None, "language": None}
        self.transcriber_problem = None
        return {"modalities": self.modalities, "text": found.text, "language": found.language}

    def _serve(self, name: str, backend: Backend, n_decoders: int, settings: Settings) -> None:
        """Make the queues of a model."""
        named, small = backend.card.name, _small(backend)
        n_threads = {"n_threads": n_decoders} if small else {}
        batched = BatchedClassifier(
            backend,
            partial(self.decoders.outputs, name, timeout_s=self._timeout_s) if small else None,
            timeout_s=self._timeout_s,
            **self._options(named, settings) | n_threads,
        )
        self._add(named, batched.batcher)
        self.models[named] = Recognizer(batched)
        # To a thread that has many chunks anyway, a window is less work than its message.
        self._streaming[named] = Recognizer(backend) if small else self.models[named]
        queue = f"{named} chunks"
        self._chunks[named] = ChunkQueue(
            self._payloads,
            timeout_s=self._timeout_s,
            **self._options(queue, settings)
            | {"wait_s": 0.0, "n_threads": _STREAM_THREADS}
            | n_threads,
        )
        self._add(queue, self._chunks[named].batcher)

    def _options(self, queue: str, settings: Settings) -> dict[str, Any]:
        """Of the `Batcher` of a queue."""
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


def _loaded(settings: Settings) -> dict[str, Backend]:
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


def _small(backend: Backend) -> bool:
    """Whether a model runs in Python and NumPy, which would hold the interpreter lock."""
    return isinstance(backend, NumpyBackend)


def takes_log_mel(model: Recognizer) -> bool:
    """Whether a model can answer to packets."""
    return isinstance(model.card.input, LogMelRecipe)


def _log_mel(recording: DecodedSound | DecodedPackets) -> Array:
    """Log-mel in Whisper's scale, `[80, n_frames]`."""
    if isinstance(recording, DecodedPackets):
        return np.concatenate([frames for frames, _ in recording.parts], axis=1)
    return scaled(log_mel_of(np.concatenate(recording.parts)))
