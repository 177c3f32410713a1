"""A speech recogniser in a process of its own, with a deadline; it is restarted if it dies.

The processes exchange bytes and JSON, never pickles: a recogniser that was taken over by a model or
a recording can send wrong text, but run no code in the server.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import AudioError, MissingExtraError, ModelError, TranscriptionError
from serkit.plain import from_json, is_int
from serkit.serving.asr.transcript import (
    MAX_S,
    Asr,
    Transcript,
    TranscriptSegment,
    checked,
    require_language,
)
from serkit.text import one_line, printable, shortened, shown

Array = NDArray[np.float32]

_MAX_ANSWER_BYTES = 8 << 20
_MAX_CHARACTERS = 2000
_MAX_SEGMENTS = 100 * MAX_S
# A process that dies at once, time after time, is started at growing intervals, at most this.
_MAX_WAIT_S = 60.0
_FREE_LOSSES = 2
_PATIENCE_S = 1.0


class AsrProcess:
    """An `Asr` that runs in a process of its own, one recording at a time.

    Whatever a recording does to the recogniser, this process goes on: the request fails with a
    `TranscriptionError`, and a new process is started for the next.

    Args:
        load: Loads the recogniser, in the new process; a function at module level or a `partial` of
            one.
        timeout_s: Longest time for a transcript in seconds, waiting for other requests and for a
            restart included.
        start_timeout_s: Longest time to load the recogniser, in seconds.
        on_death: Called when a process has died or was killed, and another is needed.

    Raises:
        ModelError: The recogniser cannot be loaded, or its process died or took too long.
        MissingExtraError: Its package is not installed.
    """

    def __init__(
        self,
        load: Callable[[], Asr | None],
        *,
        timeout_s: float = 60.0,
        start_timeout_s: float = 300.0,
        on_death: Callable[[], object] = lambda: None,
    ) -> None:
        self._load = load
        self._on_death = on_death
        self._timeout_s = timeout_s
        self._start_timeout_s = start_timeout_s
        self._lock = threading.Lock()
        self._stopping = threading.Lock()
        self._losses = 0
        self._retry_at: float | None = None
        self._closed = False
        self._process, self._connection = self._started()
        self._ready = False
        try:
            description = self._receive(self._load_by)
            _raise_error(description)
            self.name, self.n_mels, self.languages = _description_of(description)
        except (TimeoutError, EOFError, OSError, ValueError) as error:
            self.close()
            if isinstance(error, ModelError):
                raise
            why = f"took more than {start_timeout_s:g} s" * isinstance(error, TimeoutError)
            raise ModelError(
                f"the process of speech recognition {why or 'died'} while it loaded its model"
            ) from error
        except BaseException:
            self.close()
            raise
        self._ready = True

    @property
    def ready(self) -> bool:
        """Whether the next request finds a loaded recogniser, without waiting for a restart.

        To be asked now and then, as by a readiness probe: it starts a process whose time has come.
        """
        if self._closed or not self._lock.acquire(blocking=False):
            return self._ready and not self._closed  # busy: at work, or being restarted
        try:
            with contextlib.suppress(TranscriptionError):
                self._recover(time.monotonic())
        except (EOFError, OSError, ValueError):
            self._lose()
        finally:
            self._lock.release()
        return self._ready

    @property
    def pid(self) -> int | None:
        """Id of the process."""
        return self._process.pid

    def transcribe(self, log_mel: Array, *, language: str | None = None) -> Transcript:
        """As `Asr.transcribe`.

        Args:
            log_mel: As there.
            language: As there.

        Raises:
            AudioError: As there.
            TranscriptionError: As there; or the deadline has passed, or the process died.
        """
        log_mel = checked(log_mel, self.n_mels)
        require_language(language, self.languages, self.name)
        deadline = time.monotonic() + self._timeout_s
        with self._turn(deadline):
            try:
                answer = self._asked(log_mel, language, deadline)
                if "error" not in answer:
                    transcript = _transcript_of(answer)
            except (EOFError, OSError, ValueError) as error:  # TimeoutError is an OSError
                self._lose()
                if time.monotonic() >= deadline:
                    what = f"speech recognition took more than {self._timeout_s:g} s"
                else:
                    what = "the process of speech recognition died"
                raise TranscriptionError(f"{what}; it is restarted") from error
            self._losses = 0
        _raise_error(answer)
        return transcript

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._closed = True
        self._stop()

    def __enter__(self) -> AsrProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        """Wait for the requests before this one."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise TranscriptionError(
                f"speech recognition was busy for {self._timeout_s:g} s; send fewer requests at "
                "once"
            )
        try:
            yield
        finally:
            self._lock.release()

    def _asked(self, log_mel: Array, language: str | None, deadline: float) -> dict[str, Any]:
        """The answer of the process, which is restarted first if need be."""
        if self._closed:
            raise TranscriptionError("speech recognition is closed")
        self._recover(deadline)
        request = {"language": language, "n_frames": log_mel.shape[1]}
        # A pipe has no deadline for writing: a process that does not read is killed.
        watch = threading.Timer(deadline - time.monotonic(), self._process.kill)
        watch.start()
        try:
            self._connection.send_bytes(json.dumps(request).encode())
            self._connection.send_bytes(log_mel.tobytes())
        finally:
            watch.cancel()
        return self._receive(deadline)

    def _recover(self, deadline: float) -> None:
        """Start the process if it has died, and wait until it has loaded.

        Raises:
            TranscriptionError: It is started again later, or still loads.
            EOFError: It died while it loaded; also OSError.
            ValueError: It loaded something else.
        """
        if self._ready and not self._process.is_alive():
            self._lose()  # it died between two requests
        if self._ready:
            return
        if self._retry_at is not None:
            wait_s = self._retry_at - time.monotonic()
            if wait_s > 0.0:
                raise TranscriptionError(
                    f"speech recognition died {self._losses} times in a row; it is started again "
                    f"in {math.ceil(wait_s)} s"
                )
            self._retry_at = None
            self._process, self._connection = self._started()
        if not self._connection.poll(max(0.0, deadline - time.monotonic())):
            if time.monotonic() < self._load_by:
                raise TranscriptionError(
                    f"speech recognition is not restarted after {self._timeout_s:g} s; try again "
                    "later"
                )
            raise TimeoutError
        description = self._receive(deadline)
        if "error" in description:
            raise EOFError
        if _description_of(description)[1] != self.n_mels:
            raise ValueError("another model was loaded")
        self._ready = True

    def _started(self) -> tuple[BaseProcess, Connection]:
        # Spawned: a fork of a process with threads can hang, and would share its memory.
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._load), name="serkit-asr", daemon=True
        )
        process.start()
        theirs.close()
        self._load_by = time.monotonic() + self._start_timeout_s
        return process, ours

    def _receive(self, deadline: float) -> dict[str, Any]:
        """The next message.

        Raises:
            TimeoutError: There is none in time.
            EOFError: The process has gone.
            OSError: The same, or the message is too large.
            ValueError: It is no message.
        """
        if not self._connection.poll(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        message = from_json(self._connection.recv_bytes(_MAX_ANSWER_BYTES))
        if not isinstance(message, dict):
            raise ValueError("not an object")
        return message

    def _lose(self) -> None:
        """Replace the process; after several losses in a row, only later."""
        self._stop()
        self._on_death()
        self._losses += 1
        more = self._losses - _FREE_LOSSES
        if more > 0:
            self._retry_at = time.monotonic() + min(_MAX_WAIT_S, 2.0 ** min(more, 10))
        elif not self._closed:
            self._process, self._connection = self._started()

    def _stop(self) -> None:
        with self._stopping:  # a thread that closes it meets one whose process has died
            self._ready = False
            self._process.kill()
            self._process.join(_PATIENCE_S)
            self._connection.close()


def _serve(connection: Connection, load: Callable[[], Asr | None]) -> None:
    """Load a recogniser, and answer requests until the server goes."""
    # Ctrl-C reaches all processes; the server ends this one once it has drained.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _without_core_dump()

    def send(message: dict[str, Any]) -> None:
        connection.send_bytes(json.dumps(message).encode())

    try:
        try:
            asr = load()
            if asr is None:
                raise ModelError("there is no speech recognition to load")
        except (ModelError, MissingExtraError) as error:
            send(_error(error))
            return
        send({"name": asr.name, "n_mels": asr.n_mels, "languages": list(asr.languages)})
        while True:
            request = json.loads(connection.recv_bytes())
            frames = np.frombuffer(connection.recv_bytes(), np.float32)
            log_mel = frames.reshape(asr.n_mels, request["n_frames"])
            try:
                send(asdict(asr.transcribe(log_mel, language=request["language"])))
            except (AudioError, TranscriptionError) as error:
                send(_error(error))
    except (EOFError, OSError):
        return  # the server has gone
    except Exception as error:
        # Its message may hold what was said. Written before the pipe closes, on which the server
        # kills this process.
        name = type(error).__name__
        print(f"the process of speech recognition fails: {name}", file=sys.stderr, flush=True)
        sys.exit(1)


def _without_core_dump() -> None:
    """A dump would hold what was said."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


_ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (AudioError, ModelError, TranscriptionError)
}


def _error(error: Exception) -> dict[str, Any]:
    message: dict[str, Any] = {"error": type(error).__name__, "message": one_line(error)}
    if isinstance(error, MissingExtraError):
        message["arguments"] = list(error.__reduce__()[1])
    return message


def _raise_error(message: dict[str, Any]) -> None:
    """Raise the error that a message describes, if it does."""
    if "error" not in message:
        return
    arguments = message.get("arguments")
    if isinstance(arguments, list) and len(arguments) == 3 and all(map(_is_text, arguments)):
        raise MissingExtraError(*map(printable, arguments))
    kind = _ERRORS.get(str(message["error"]), TranscriptionError)
    raise kind(shortened(printable(message.get("message", "")), 1000))


def _description_of(message: dict[str, Any]) -> tuple[str, int, tuple[str, ...]]:
    name, n_mels, languages = (message.get(key) for key in ("name", "n_mels", "languages"))
    if (
        not _is_text(name)
        or not is_int(n_mels, 1, 1024)
        or not isinstance(languages, list)
        or not all(map(_is_text, languages))
    ):
        raise ValueError(f"it describes itself as {shown(message)}")
    return printable(name), int(n_mels or 0), tuple(map(printable, languages))


def _transcript_of(message: dict[str, Any]) -> Transcript:
    text, language, segments, warnings = (
        message.get(key) for key in ("text", "language", "segments", "warnings")
    )
    if (
        not isinstance(text, str)
        or not _is_text(language)
        or not isinstance(segments, list)
        or len(segments) > _MAX_SEGMENTS
        or not all(map(_is_segment, segments))
        or not isinstance(warnings, list)
        or not all(map(_is_text, warnings))
    ):
        raise ValueError("it is no transcript")
    return Transcript(
        text,
        printable(language),
        tuple(
            TranscriptSegment(float(part["start_s"]), float(part["end_s"]), part["text"])
            for part in segments
        ),
        tuple(map(printable, warnings)),
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_CHARACTERS


def _is_segment(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("text"), str)
        and all(
            isinstance(value.get(key), int | float)
            and not isinstance(value[key], bool)
            and 0.0 <= value[key] <= MAX_S
            for key in ("start_s", "end_s")
        )
    )
