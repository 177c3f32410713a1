"""Text for answers and streams: one queue in front of the recogniser of speech.

Text is an addition: an answer goes out without it, and says why, where it is late, the queue is
full, or the recogniser fails or is being restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.features import whisper_log_mel
from serkit.features.whisper import N_MELS
from serkit.runtime.prediction import MIN_DURATION_S
from serkit.serving.asr import MAX_S, Asr, AsrProcess, Transcript
from serkit.serving.batching import Batcher
from serkit.serving.cutting import parts_of
from serkit.serving.metrics import Metrics
from serkit.serving.refusals import RefusedError

Array = NDArray[np.float32]

NoText = Literal["late", "busy", "failed", "restarting", "too_long", "unsupported"]
"""Why there is no text: it is not there in time; too much waits already; the recogniser failed, or
is being restarted; the recording is too long for it; or it takes other frames than packets have."""

Coming = Future[Transcript] | NoText
"""A text that is waited for, or why there will be none."""

_MOST_WAITING = 1024
_QUEUE = "text"


@dataclass(frozen=True, slots=True)
class Said:
    """What was said in a recording, or why that is not known.

    Attributes:
        transcript: The text; None if there is none.
        reason: Why there is none; None if there is one.
    """

    transcript: Transcript | None = None
    reason: NoText | None = None

    def to_dict(self, start_s: float = 0.0) -> dict[str, Any]:
        """As JSON values.

        Args:
            start_s: Start of the recording in a longer one, which is added to all times.
        """
        if self.transcript is None:
            return {"text": None, "language": None, "text_reason": self.reason}
        transcript = _later(self.transcript, start_s)
        return {
            "text": transcript.text,
            "language": transcript.language,
            "text_segments": [asdict(part) for part in transcript.segments],
            "text_warnings": list(transcript.warnings),
        }


class Transcribing:
    """A recogniser of speech for all requests and streams, in one queue.

    A long recording is transcribed in parts of at most 30 s, so that what nobody waits for any more
    takes no more time, and no part takes too long.

    Args:
        asr: The recogniser; it is closed with this if it is a process.
        metrics: Of the server.
        queue_s: Sound that waits for text at most, in seconds.
        timeout_s: Longest wait for a text, in seconds.
        at_once: Recordings that the recogniser takes at once.

    Attributes:
        timeout_s: As given.
    """

    def __init__(
        self, asr: Asr, metrics: Metrics, *, queue_s: float, timeout_s: float, at_once: int = 1
    ) -> None:
        self._asr = asr
        self._metrics = metrics
        self._most_waiting = round(queue_s * FRAMES_PER_SECOND)
        self.timeout_s = timeout_s
        self._n_waiting = 0  # in frames of 10 ms
        self._lock = threading.Lock()
        self._batcher: Batcher[Array, Transcript] = Batcher(
            self._transcribed,
            name=_QUEUE,
            most=1,
            n_threads=at_once,
            wait_s=0.0,
            most_waiting=_MOST_WAITING,
            watch=metrics.watch(_QUEUE),
        )
        metrics.watch_depth(_QUEUE, lambda: self._batcher.depth)
        metrics.asr_ready.set_function(lambda: float(self.ready))

    @property
    def name(self) -> str:
        """Backend and model."""
        return self._asr.name

    @property
    def ready(self) -> bool:
        """Whether the recogniser works; asking restarts it if it has died."""
        return not isinstance(self._asr, AsrProcess) or self._asr.ready

    def takes(self, *, packets: bool) -> bool:
        """Whether the recogniser can transcribe packets, or sound."""
        return not packets or self._asr.n_mels == N_MELS

    def submit(self, content: Array) -> Coming:
        """Put a recording into the queue.

        Args:
            content: Samples, mono at 16 kHz, shape `[n]`; or frames of packets in the units of
                Whisper's encoder, shape `[80, n_frames]`.

        Returns:
            Its text to come; or why there will be none.
        """
        is_sound = content.ndim == 1
        rate = SAMPLE_RATE if is_sound else FRAMES_PER_SECOND
        n_frames = content.shape[-1] * FRAMES_PER_SECOND // rate
        if not self.takes(packets=not is_sound):
            return "unsupported"
        if n_frames > MAX_S * FRAMES_PER_SECOND:
            return "too_long"
        if not self.ready:
            return "restarting"
        with self._lock:
            if self._n_waiting and self._n_waiting + n_frames > self._most_waiting:
                return "busy"
            self._n_waiting += n_frames
        parts = parts_of(content, rate)
        try:
            futures = self._batcher.submit(parts)
        except RefusedError:
            self._left(n_frames)
            return "busy"
        starts_s = np.cumsum([0, *(part.shape[-1] for part in parts[:-1])]) / rate
        whole = _joined(futures, starts_s.tolist())
        whole.add_done_callback(lambda _: self._left(n_frames))
        return whole

    async def wait(self, coming: Coming, timeout_s: float) -> Said:
        """Wait for what `submit` has promised.

        Args:
            coming: What it returned.
            timeout_s: Longest wait, if it is shorter than the usual one; then it is given up.
        """
        if isinstance(coming, Future):
            there = asyncio.Event()
            when_done(coming, asyncio.get_running_loop(), there.set)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(timeout_s, self.timeout_s)):
                    await there.wait()
        return self.said(coming)

    def said(self, coming: Coming) -> Said:
        """What `submit` has promised, if it is there; it is given up otherwise.

        Args:
            coming: What it returned.
        """
        if isinstance(coming, Future):
            try:
                said = Said(coming.result(0.0))
            except (FutureTimeoutError, CancelledError):
                coming.cancel()
                said = Said(reason="late")
            except Exception:  # of the recogniser, whatever it is: its message may hold the text
                said = Said(reason="failed")
        else:
            said = Said(reason=coming)
        self._metrics.texts.labels(said.reason or "text").inc()
        return said

    def close(self) -> None:
        """End the recogniser; texts that are waited for fail."""
        if isinstance(self._asr, AsrProcess):
            self._asr.close()
        self._batcher.close()

    def _left(self, n_frames: int) -> None:
        with self._lock:
            self._n_waiting -= n_frames

    def _log_mel(self, content: Array) -> Array:
        if content.ndim == 2:
            return content
        least = round(MIN_DURATION_S * SAMPLE_RATE)
        samples = np.pad(content, (0, max(0, least - len(content))))
        return whisper_log_mel(samples, n_mels=self._asr.n_mels)

    def _transcribed(self, recordings: list[Array]) -> Sequence[Transcript]:
        return [self._asr.transcribe(self._log_mel(content)) for content in recordings]


def _joined(futures: Sequence[Future[Transcript]], starts_s: Sequence[float]) -> Future[Transcript]:
    """The transcript of a recording from those of its parts; cancelled, it cancels theirs."""
    whole: Future[Transcript] = Future()
    lock = threading.RLock()  # to set a result is to cancel what is left
    n_left = len(futures)

    def done(part: Future[Transcript]) -> None:
        nonlocal n_left
        with lock:
            n_left -= 1
            failed = part.cancelled() or part.exception() is not None
            if whole.done() or (n_left and not failed):
                return
            if not whole.set_running_or_notify_cancel():
                return
            if part.cancelled():
                whole.set_exception(CancelledError())
            elif failed:
                whole.set_exception(part.exception())
            else:
                found = [future.result() for future in futures]
                whole.set_result(_concatenated(found, starts_s))

    def ended(_: Future[Transcript]) -> None:
        for future in futures:
            future.cancel()

    whole.add_done_callback(ended)
    for future in futures:
        future.add_done_callback(done)
    return whole


def _concatenated(parts: Sequence[Transcript], starts_s: Sequence[float]) -> Transcript:
    later = [_later(part, start_s) for part, start_s in zip(parts, starts_s, strict=True)]
    return Transcript(
        " ".join(part.text for part in later if part.text),
        next((part.language for part in later if part.text), later[0].language),
        tuple(segment for part in later for segment in part.segments),
        tuple(warning for part in later for warning in part.warnings),
    )


def _later(transcript: Transcript, start_s: float) -> Transcript:
    """The transcript of a part, with times from the start of the whole; warnings name theirs."""
    if not start_s:
        return transcript
    return replace(
        transcript,
        segments=tuple(
            replace(
                one, start_s=round(one.start_s + start_s, 3), end_s=round(one.end_s + start_s, 3)
            )
            for one in transcript.segments
        ),
        warnings=tuple(f"from {start_s:.3f} s on: {one}" for one in transcript.warnings),
    )


def when_done(
    future: Future[Any], loop: asyncio.AbstractEventLoop, call: Callable[[], object]
) -> None:
    """Call a function in an event loop, as soon as a future of a thread is done."""

    def done(_: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(call)

    future.add_done_callback(done)
