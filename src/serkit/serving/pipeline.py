"""What the server answers: decoded recordings and streams through models, and perhaps to text."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.codec.packets import FRAMES_PER_SECOND, Packet
from serkit.errors import AudioError, PacketError, SerkitError
from serkit.features import LogMelRecipe, whisper_log_mel
from serkit.runtime import (
    Backend,
    LiveStream,
    Prediction,
    Recognizer,
    TimelineSettings,
    load_backend,
)
from serkit.runtime.card import ModelCard
from serkit.runtime.decoded import DecodedPackets, DecodedSound
from serkit.runtime.numpy_backend import NumpyBackend
from serkit.runtime.timeline_text import overall_object, timeline_object
from serkit.serving.batching import BatchedClassifier, Batcher
from serkit.serving.chunks import ChunkQueue
from serkit.serving.decoding import Decoders, LiveDecoder
from serkit.serving.decoding_worker import n_frames
from serkit.serving.feeds import MAX_CHUNK_S
from serkit.serving.fusing import MAX_S, Fusion
from serkit.serving.limits import Deadline
from serkit.serving.metrics import Metrics
from serkit.serving.refusals import RefusedError
from serkit.serving.settings import Settings
from serkit.serving.transcribing import Coming, Said, Transcribing
from serkit.text import shown

Array = NDArray[np.float32]

# Of the streams of a large model; each waits for its windows, which are classified together.
_STREAM_THREADS = 16

OFF = "off"
"""Name of the detector that classifies everything."""


MAX_OVERLAP = 50
"""Windows at most that hold the same sound: each is classified."""

# Of the time of a request, kept for what follows when its text is late.
_RESERVE_S = 1.0


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


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """An answer from the sound alone, to be completed by its text.

    Attributes:
        values: JSON values.
        text: The text to come; None without a recogniser of speech.
        fuse: Answers from speech and text instead, as JSON values; None if that is not asked for.
    """

    values: dict[str, Any]
    text: Coming | None
    fuse: Callable[[str | None], dict[str, Any]] | None = None


class Pipeline:
    """Models, decoding processes and queues; it answers in any number of threads.

    Args:
        settings: Of the server.
        metrics: Of the server.
        transcribing: Gives the text too; None for the sound alone.
        fusion: The model of speech and text; None for that of the settings.

    Attributes:
        models: Models of sound and of packets, by name.
        fusion: The model of speech and text; None without one.
        transcribing: As given.
        decoders: Processes that decode.

    Raises:
        SerkitError: A model cannot be loaded, or two have the same name.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        transcribing: Transcribing | None = None,
        fusion: Fusion | None = None,
    ) -> None:
        self._metrics = metrics
        self.transcribing = transcribing
        self._timeout_s = settings.deadline_s
        self._batchers: list[Batcher[Any, Any]] = []
        self._streaming: dict[str, Recognizer] = {}
        self._chunks: dict[str, ChunkQueue] = {}
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
        self.fusion = self._fusion(settings, fusion)

    @property
    def modalities(self) -> list[str]:
        """What the answers can be made from."""
        fuses = self.fusion is not None and self.fusion.takes_text
        return ["acoustic", "text"] if fuses and self.transcribing is not None else ["acoustic"]

    def described(self) -> list[dict[str, Any]]:
        """The models as JSON values."""
        models = [
            _model_object(
                model.card,
                "log_mel" if takes_log_mel(model) else "sound",
                model.backend.digest,
                window_s=model.card.window_s,
            )
            for model in self.models.values()
        ]
        if self.fusion is None:
            return models
        kind = "log_mel_and_text" if self.fusion.takes_text else "log_mel"
        fusion = _model_object(self.fusion.card, kind, self.fusion.digest, window_s=MAX_S)
        return [*models, fusion]

    @property
    def names(self) -> list[str]:
        """Of all models."""
        return [*self.models, *(() if self.fusion is None else (self.fusion.name,))]

    @property
    def asr_name(self) -> str | None:
        """The recogniser of speech; None without one."""
        return None if self.transcribing is None else self.transcribing.name

    @property
    def asr_state(self) -> str:
        """`ready` or `restarting`; `none` without a recogniser of speech."""
        if self.transcribing is None:
            return "none"
        return "ready" if self.transcribing.ready else "restarting"

    def recognize(self, content: bytes, question: Question, deadline: Deadline) -> Draft:
        """One answer for a recording.

        Raises:
            SerkitError: The recording or the question is wrong, or the time is over.
        """
        recording = self._decoded(content, question, deadline)
        fusion = self._fusion_for(question, recording)
        name = question.model if fusion is None else None
        model = self.model_for(name, packets=isinstance(recording, DecodedPackets))
        text = self._text(recording)
        if fusion is None:
            prediction = model(
                recording,
                labels=question.labels,
                min_confidence=question.min_confidence,
                on_seconds=deadline.check,
            )
            return Draft(_answer(prediction), text)
        prediction = model(recording, on_seconds=deadline.check)
        if not prediction.scores:  # silence
            return Draft(_answer(prediction), text)
        log_mel = _log_mel(recording)

        def fuse(said: str | None) -> dict[str, Any]:
            with self._metrics.stage("fusion"):
                fused, modalities = fusion(
                    log_mel,
                    said,
                    prediction,
                    labels=question.labels,
                    min_confidence=question.min_confidence,
                )
            return _answer(fused, modalities)

        return Draft(_answer(prediction), text, fuse)

    def timeline(self, content: bytes, question: Question, deadline: Deadline) -> Draft:
        """Emotion over time in a recording.

        Raises:
            SerkitError: As `recognize`.
        """
        recording = self._decoded(content, question, deadline)
        model = self.model_for(question.model, packets=isinstance(recording, DecodedPackets))
        _check_overlap(model, question.settings)
        text = self._text(recording)
        timeline = model.timeline(
            recording,
            question.settings,
            detector=None if question.detector == OFF else question.detector,
            on_seconds=deadline.check,
        )
        return Draft(timeline_object(timeline) | {"modalities": ["acoustic"]}, text)

    async def said(self, draft: Draft, deadline: Deadline) -> Said | None:
        """The text of an answer, or why there is none; None without a recogniser of speech.

        Raises:
            RefusedError: There is no time left.
        """
        if self.transcribing is None or draft.text is None:
            return None
        return await self.transcribing.wait(draft.text, max(0.0, deadline.rest_s - _RESERVE_S))

    def stream(
        self, question: Question, *, packets: bool, tap: Callable[[Array], object]
    ) -> LiveStream:
        """A new stream of sound or packets.

        Args:
            question: What is asked about it.
            packets: Whether it consists of packets.
            tap: As for `LiveStream`.

        Raises:
            SerkitError: The question is wrong.
        """
        model = self.model_for(question.model, packets=packets)
        _check_overlap(model, question.settings)
        name = model.name
        return LiveStream(
            self._streaming[name],
            question.settings,
            None if question.detector == OFF else question.detector,
            tap=tap,
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
            if self.fusion is not None and name == self.fusion.name:
                raise RefusedError(
                    422, "model", f"{name} takes whole recordings; ask /v1/recognize, or leave out "
                    "the model"
                )  # fmt: skip
            if name not in self.models:
                raise RefusedError(
                    404,
                    "model_unknown",
                    f"no model {shown(name, 80)}; expected one of {', '.join(self.names)}",
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
        if self.transcribing is not None:
            self.transcribing.close()
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
        """The frames of the packets of some chunks, decoded in parts of bounded length."""
        decoded: list[Array | PacketError] = []
        part: list[bytes] = []
        rest = most = MAX_CHUNK_S * FRAMES_PER_SECOND
        for packet in packets:
            rest -= n_frames(packet)
            if rest < 0:
                decoded += self.decoders.payloads(part, timeout_s=self._timeout_s)
                part, rest = [], most - n_frames(packet)
            part.append(packet.to_bytes())
        return decoded + self.decoders.payloads(part, timeout_s=self._timeout_s)

    def _text(self, recording: DecodedSound | DecodedPackets) -> Coming | None:
        """The text of a recording, which is recognised while it is classified."""
        return None if self.transcribing is None else self.transcribing.submit(_heard(recording))

    def _fusion_for(
        self, question: Question, recording: DecodedSound | DecodedPackets
    ) -> Fusion | None:
        """The model of speech and text, if it is asked for or nothing else is, and can answer.

        Raises:
            AudioError: It is asked for, and the recording is too long for it.
            ModelError: It is to answer, and has no such labels.
        """
        fusion = self.fusion
        if fusion is None or question.model not in (None, fusion.name):
            return None
        if _seconds(recording) > MAX_S:
            if question.model is None:
                return None
            raise AudioError(
                f"the recording lasts more than {MAX_S:g} s, which {fusion.name} does not take; "
                "leave out the model, or ask /v1/timeline"
            )
        fusion.check(question.labels, question.min_confidence)
        return fusion

    def _fusion(self, settings: Settings, fusion: Fusion | None) -> Fusion | None:
        if settings.fusion is None:
            return None
        if fusion is None:
            fusion = Fusion(settings.fusion, settings.encoder, threads=settings.threads)
        if fusion.name in self.models:
            raise SerkitError(
                f"two models are named {shown(fusion.name)}; expected one of each name"
            )
        return fusion

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


def _check_overlap(model: Recognizer, settings: TimelineSettings) -> None:
    """Refuse windows that would keep the server busy without end.

    Raises:
        AudioError: They overlap too much.
    """
    window_s, hop_s = settings.lengths(model.card.window_s)
    if hop_s * MAX_OVERLAP < window_s:
        raise AudioError(
            f"the hop is {hop_s:g} s; expected at least {window_s / MAX_OVERLAP:g} s for windows "
            f"of {window_s:g} s"
        )


def _model_object(
    card: ModelCard, kind: str, digest: str, *, window_s: float | None
) -> dict[str, Any]:
    return {
        "name": card.name,
        "labels": list(card.labels),
        "dimensions": list(card.dimensions),
        "input": kind,
        "takes_packets": kind != "sound",
        "window_s": window_s,
        "digest": digest,
        "commercial_use": all(corpus.commercial_use for corpus in card.corpora),
    }


def _answer(prediction: Prediction, modalities: Sequence[str] = ("acoustic",)) -> dict[str, Any]:
    """A prediction as JSON values."""
    return {
        **overall_object(prediction),
        "duration_s": round(prediction.duration_s, 6),
        "model": prediction.model,
        "modalities": list(modalities),
    }


def _seconds(recording: DecodedSound | DecodedPackets) -> float:
    if isinstance(recording, DecodedPackets):
        return float(sum(part.shape[1] for part, _ in recording.parts)) / FRAMES_PER_SECOND
    return float(sum(map(len, recording.parts))) / SAMPLE_RATE


def _log_mel(recording: DecodedSound | DecodedPackets) -> Array:
    """In the units of Whisper's encoder, `[80, n_frames]`."""
    heard = _heard(recording)
    return heard if heard.ndim == 2 else whisper_log_mel(heard)


def _heard(recording: DecodedSound | DecodedPackets) -> Array:
    """All samples `[n]` of a recording, or all frames `[80, n_frames]`."""
    if isinstance(recording, DecodedPackets):
        return np.concatenate([frames for frames, _ in recording.parts], axis=1)
    return np.concatenate(recording.parts)
