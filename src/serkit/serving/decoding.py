"""Processes that decode what strangers send.

libsndfile and libav are C libraries: a damaged recording may crash them, or worse. Each recording
is decoded in one of a few processes with a budget of memory and time; one that dies or takes too
long is replaced, and only the request at hand fails. Packets and `.smel` files are decoded by
Python and NumPy, which do not crash, but hold the interpreter lock: they are decoded in the same
processes, so that the server keeps answering and uses another core. Small models run there for the
same reason.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, TooLongError
from serkit.errors import AudioError, ModelError, PacketError
from serkit.features.whisper import N_MELS
from serkit.runtime.backend import Outputs
from serkit.runtime.decoded import DecodedPackets, DecodedSound
from serkit.serving.decoding_worker import CHANNEL, LENGTH
from serkit.serving.messages import Kind, packed, reader, receive, send, unpacked
from serkit.serving.refusals import DeadlineError, RefusedError, overloaded

Array = NDArray[np.float32]

_BYTES_PER_S = 1.1 * 4 * SAMPLE_RATE  # samples; frames take half as much

_SIGKILL = 9
_PATIENCE_S = 1.0  # from the end of its socket to that of a process

_START_S = 60.0  # of a process; a request may have to wait less long

_ERRORS: dict[Kind, type[AudioError | PacketError]] = {
    Kind.AUDIO_ERROR: AudioError,
    Kind.PACKET_ERROR: PacketError,
    Kind.TOO_LONG: TooLongError,
}
_LAST = {*_ERRORS, Kind.MODEL_ERROR}


class Decoders:
    """A pool of decoding processes; it may be used from several threads.

    Args:
        n: Number of processes.
        max_s: Longest recording in seconds.
        memory_mb: Address space of a process in MB.
        most_live: Live recordings at once, each with a process of its own.
        models: Names or paths of the models that the processes load.
        on_death: Called when a process has died or was killed.
    """

    def __init__(
        self,
        n: int,
        *,
        max_s: float,
        memory_mb: int,
        most_live: int = 0,
        models: Sequence[str] = (),
        on_death: Callable[[], object] = lambda: None,
    ) -> None:
        self._decoding = [str(max_s), str(memory_mb)]
        self._arguments = [*self._decoding, *models]
        self._models = models
        self._most_bytes = int(max_s * _BYTES_PER_S) + (8 << 20)
        self._on_death = on_death
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        self._busy: set[_Worker | None] = set()
        self._most_live = most_live
        self._live: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        for _ in range(n):
            self._idle.put(_Worker(self._arguments, self._most_bytes))

    def recording(
        self, content: bytes, *, channel: int | None = None, timeout_s: float
    ) -> DecodedSound | DecodedPackets:
        """Decode a recording.

        Args:
            content: A file of any readable format, or of packets.
            channel: Number of the channel of sound, from 0; None for the mean of all.
            timeout_s: Longest time, with the wait for a process.

        Raises:
            AudioError: As `serkit.audio.stream`.
            PacketError: As `serkit.codec.Decoding`.
            RefusedError: The process died, or did not finish in time.
        """
        request = (CHANNEL.pack(-1 if channel is None else channel), memoryview(content))
        samples: list[Array] = []
        frames: list[tuple[Array, int]] = []
        truncated: str | None = None
        complete = True
        for kind, answer in self._asked(Kind.RECORDING, request, timeout_s):
            match kind:
                case Kind.SAMPLES:
                    samples.append(np.frombuffer(answer, "<f4"))
                case Kind.FRAMES:
                    (concealed,) = LENGTH.unpack_from(answer)
                    frames.append((_frames(answer), concealed))
                case Kind.TRUNCATED:
                    truncated = answer.decode(errors="replace")
                case Kind.DONE:
                    complete = answer == b"\1"
                case _:
                    raise _ERRORS[kind](answer.decode(errors="replace"))
        if samples:
            return DecodedSound(tuple(samples), truncated)
        return DecodedPackets(tuple(frames), complete)

    def payloads(self, packets: Sequence[bytes], *, timeout_s: float) -> list[Array | PacketError]:
        """Decode packets, each on its own.

        Args:
            packets: Packets whose headers have been read.
            timeout_s: As for `recording`.

        Returns:
            For each packet its frames `[80, n]`, or its error.

        Raises:
            RefusedError: As for `recording`.
        """
        parts = [part for packet in packets for part in (LENGTH.pack(len(packet)), packet)]
        found: list[Array | PacketError] = []
        for kind, answer in self._asked(Kind.PAYLOADS, parts, timeout_s):
            if kind is Kind.FRAMES:
                found.append(_frames(answer))
            elif kind is Kind.PACKET_ERROR:
                found.append(PacketError(answer.decode(errors="replace")))
        if len(found) != len(packets):
            raise DiedError()
        return found

    def outputs(self, model: str, windows: Sequence[Array], *, timeout_s: float) -> Outputs:
        """Classify windows by one of the models, as `Classifier.outputs`.

        Raises:
            ModelError: As the model.
            RefusedError: The process died, or did not finish in time.
        """
        request = (LENGTH.pack(self._models.index(model)), *packed(windows))
        try:
            kind, answer = self._asked(Kind.WINDOWS, request, timeout_s)[0]
        except DiedError:  # perhaps it was killed; a window that kills it is not tried for ever
            try:
                kind, answer = self._asked(Kind.WINDOWS, request, timeout_s)[0]
            except DiedError:
                raise KilledError() from None
        if kind is Kind.MODEL_ERROR:
            raise ModelError(answer.decode(errors="replace"))
        logits, embeddings, distances, dimensions = unpacked(answer)
        return Outputs(
            logits,
            embeddings,
            distances if distances.size else None,
            dimensions if dimensions.size else None,
        )

    def live(self, *, timeout_s: float) -> LiveDecoder:
        """A process for one live recording.

        Args:
            timeout_s: Longest time for one chunk.

        Raises:
            RefusedError: There are too many, or the process did not start.
        """
        with self._lock:
            if self._closed or len(self._live) >= self._most_live:
                raise overloaded(f"{len(self._live)} encoded streams are open; try again later", 5)
            worker = _Worker(self._decoding, self._most_bytes)
            self._live.add(worker)
        return LiveDecoder(worker, timeout_s, self._ended)

    def _ended(self, worker: _Worker) -> None:
        with self._lock:
            self._live.discard(worker)
        worker.kill()

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._closed = True
            busy = [*self._busy, *self._live]
        for worker in busy:
            if worker is not None:
                worker.kill()
        with contextlib.suppress(queue.Empty):
            while True:
                worker_or_none = self._idle.get_nowait()
                if worker_or_none is not None:
                    worker_or_none.kill()

    @property
    def process_ids(self) -> list[int]:
        """The processes that wait for work."""
        return [worker.process.pid for worker in list(self._idle.queue) if worker is not None]

    def _asked(
        self, kind: Kind, request: Sequence[bytes | memoryview], timeout_s: float
    ) -> list[tuple[Kind, bytearray]]:
        """The messages that answer a request, by an idle process."""
        latest = time.monotonic() + timeout_s
        try:
            worker = self._idle.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            raise DeadlineError(timeout_s) from None
        good = False
        try:
            if worker is None or worker.process.poll() is not None:
                if worker is not None:  # it died between two requests
                    worker.kill()
                    self._on_death()
                worker = _Worker(self._arguments, self._most_bytes)
            with self._lock:
                if self._closed:
                    worker.kill()
                    raise RefusedError(503, "stopping", "the server is stopping; ask another")
                self._busy.add(worker)
            answers = worker.ask(kind, request, latest)
            good = True
            return answers
        except StartingError:  # on a busy machine; the next request may have more luck with it
            good = True
            raise DeadlineError(timeout_s) from None
        except TimeoutError:
            raise DeadlineError(timeout_s) from None
        except (EOFError, OSError, ValueError, struct.error):
            killed = worker is not None and worker.was_killed
            raise (KilledError() if killed else DiedError()) from None
        finally:
            with self._lock:
                self._busy.discard(worker)
            if not good and worker is not None:
                worker.kill()
                self._on_death()
                worker = None if self._closed else _Worker(self._arguments, self._most_bytes)
            self._idle.put(worker)


class LiveDecoder:
    """A live recording in a process of its own; used by one thread at a time.

    Args:
        worker: The process.
        timeout_s: Longest time for one chunk.
        on_end: Called with the process at the end.
    """

    def __init__(
        self, worker: _Worker, timeout_s: float, on_end: Callable[[_Worker], object]
    ) -> None:
        self._worker = worker
        self._timeout_s = timeout_s
        self._on_end = on_end
        self._begun = False

    def push(self, chunk: bytes) -> list[tuple[Array, int]]:
        """Take the next bytes; the samples that are ready, and their rate.

        Raises:
            AudioError: The recording is damaged, and has ended.
            RefusedError: The process died, or took too long.
        """
        if not self._begun:
            self._begun = True
            self._asked(Kind.LIVE, b"")
        return self._asked(Kind.CHUNK, chunk) if chunk else []

    def finish(self) -> list[tuple[Array, int]]:
        """End the recording; the remaining samples.

        Raises:
            AudioError: As `push`.
            RefusedError: As `push`.
        """
        return self._asked(Kind.END, b"") if self._begun else []

    def close(self) -> None:
        """End the process."""
        self._on_end(self._worker)

    def _asked(self, kind: Kind, content: bytes) -> list[tuple[Array, int]]:
        try:
            answers = self._worker.ask(kind, [content], time.monotonic() + self._timeout_s)
        except TimeoutError:
            raise DeadlineError(self._timeout_s) from None
        except (EOFError, OSError, ValueError):
            raise (KilledError() if self._worker.was_killed else DiedError()) from None
        ready = []
        for answered, content_of in answers:
            if answered is Kind.AUDIO_ERROR:
                raise AudioError(content_of.decode(errors="replace"))
            if answered is Kind.LIVE_SAMPLES:
                (rate,) = LENGTH.unpack_from(content_of)
                ready.append((np.frombuffer(content_of, "<f4", offset=LENGTH.size), rate))
        return ready


class StartingError(TimeoutError):
    """A process was not ready in time, but may be later."""


class _Worker:
    """A decoding process.

    Args:
        arguments: Of its command line.
        most_bytes: It may answer to a request at most.
    """

    def __init__(self, arguments: Sequence[str], most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._started = False
        self._start_until = time.monotonic() + _START_S
        self._socket, theirs = socket.socketpair()
        self._messages = reader(self._socket)
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "serkit.serving.decoding_worker", *arguments],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,  # libraries write there
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the server, which ends its processes
            )

    def ask(
        self, kind: Kind, request: Sequence[bytes | memoryview], latest: float
    ) -> list[tuple[Kind, bytearray]]:
        """The messages that answer a request.

        Args:
            kind: Of the request.
            request: Parts of its content.
            latest: Time on the monotonic clock by which all of it must be there.

        Raises:
            StartingError: The process has not started by then.
            TimeoutError: It is not.
            EOFError: The process died.
            OSError: Likewise.
            ValueError: It sent no message.
        """
        self._wait_for_start(latest)
        self._socket.settimeout(_rest(latest))
        send(self._socket, kind, *request)
        answers, n_bytes = [], 0
        while True:
            self._socket.settimeout(_rest(latest))
            answer = receive(self._messages)
            answers.append(answer)
            n_bytes += len(answer[1])
            if n_bytes > self._most_bytes:
                raise ValueError(f"answers of {n_bytes} bytes")
            if answer[0] is Kind.DONE or (answer[0] in _LAST and kind is not Kind.PAYLOADS):
                return answers

    def _wait_for_start(self, latest: float) -> None:
        if self._started:
            return
        until = min(latest, self._start_until)
        if not select.select([self._socket], [], [], max(0.0, until - time.monotonic()))[0]:
            if until == self._start_until:
                raise TimeoutError
            raise StartingError
        self._socket.settimeout(_rest(latest))
        receive(self._messages)
        self._started = True

    @property
    def was_killed(self) -> bool:
        """Whether another process has ended it, such as the system for want of memory."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_PATIENCE_S)
        return self.process.returncode == -_SIGKILL

    def kill(self) -> None:
        """End the process."""
        self._messages.close()
        self._socket.close()
        self.process.kill()
        self.process.wait()


def _rest(latest: float) -> float:
    rest = latest - time.monotonic()
    if rest <= 0.0:
        raise TimeoutError
    return rest


def _environment() -> dict[str, str]:
    """What a process needs to start, without the settings of the server; it runs on one core."""
    kept = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LANG", "TMPDIR")
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    source = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    return (
        {name: os.environ[name] for name in kept if name in os.environ}
        | threads
        | {"PYTHONPATH": path}
    )


def _frames(answer: bytearray) -> Array:
    return np.frombuffer(answer, "<f4", offset=LENGTH.size).reshape(N_MELS, -1)


class DiedError(RefusedError):
    """A recording ended the process that decoded it."""

    def __init__(
        self,
        status: int = 422,
        code: str = "decoder_died",
        message: str = "the recording ended the process that decoded it, so it is damaged, or too "
        "large; send it in another format",
        *,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(status, code, message, retry_after_s=retry_after_s)


class KilledError(DiedError):
    """A process was killed from outside, which says nothing about the request."""

    def __init__(self) -> None:
        super().__init__(
            503, "worker_died", "a process of the server died; ask again", retry_after_s=1
        )
