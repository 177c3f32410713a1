"""What the server answers: decoded recordings and streams through models, and perhaps to text."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import AudioError, SerkitError
from serkit.runtime import LiveStream, Prediction, Recognizer, TimelineSettings
from serkit.runtime.card import ModelCard
from serkit.runtime.decoded import DecodedPackets, DecodedSound
from serkit.runtime.timeline_text import prediction_object, timeline_object
from serkit.serving.chunks import ChunkQueue
from serkit.serving.decoding import Decoders, LiveDecoder
from serkit.serving.fusing import MAX_S, Fusion
from serkit.serving.limits import Deadline
from serkit.serving.metrics import Metrics
from serkit.serving.models import Models, is_small, load_models
from serkit.serving.question import Question
from serkit.serving.recordings import content_of, duration_s, log_mel_of
from serkit.serving.refusals import RefusedError
from serkit.serving.settings import Settings
from serkit.serving.transcribing import Coming, Said, Transcribing
from serkit.text import shown

Array = NDArray[np.float32]

MAX_OVERLAP = 50
"""Windows at most that hold the same sound: each is classified."""

# Of the time of a request, kept for what follows when its text is late.
_RESERVE_S = 1.0


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
        loaded = load_models(settings)
        n_decoders = settings.decoders or os.cpu_count() or 1
        self.decoders = Decoders(
            n_decoders,
            max_s=settings.max_duration_s,
            memory_mb=settings.decoder_memory_mb,
            most_live=settings.max_opus_streams,
            models=[name for name, backend in loaded.items() if is_small(backend)],
            on_death=metrics.decoder_deaths.inc,
        )
        self._models = Models(loaded, self.decoders, n_decoders, settings, metrics)
        self.models = self._models.recognizers
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
                "log_mel" if model.card.takes_log_mel else "sound",
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
        log_mel = log_mel_of(recording)

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
            detector=question.voice_detector,
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
            self._models.streaming(name),
            question.settings,
            question.voice_detector,
            tap=tap,
        )

    def chunks(self, name: str) -> ChunkQueue:
        """The queue of the streams of a model."""
        return self._models.chunks(name)

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
            ranked = sorted(self.models.values(), key=lambda one: packets != one.card.takes_log_mel)
        model = ranked[0]
        if packets and not model.card.takes_log_mel:
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
        self._models.close()
        self.decoders.close()

    def _decoded(
        self, content: bytes, question: Question, deadline: Deadline
    ) -> DecodedSound | DecodedPackets:
        with self._metrics.stage("decode"):
            return self.decoders.recording(
                content, channel=question.channel, timeout_s=deadline.rest_s
            )

    def _text(self, recording: DecodedSound | DecodedPackets) -> Coming | None:
        """The text of a recording, which is recognised while it is classified."""
        return (
            None if self.transcribing is None else self.transcribing.submit(content_of(recording))
        )

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
        if duration_s(recording) > MAX_S:
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
    """A prediction and what it was made from, as JSON values."""
    return prediction_object(prediction) | {"modalities": list(modalities)}
