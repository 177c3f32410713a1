"""Sound as it comes: from a microphone, or from a file as if live."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import AudioError, MissingExtraError
from serkit.text import one_line

Chunk = tuple[NDArray[np.float32], int]
"""Samples `[n]` and their rate in Hz."""

CHUNK_S = 0.1
"""Length of a chunk in seconds."""

_MOST_WAITING = 100
_SILENT_S = 5.0
_POLL_S = 0.5


def microphone(device: str | None = None) -> Iterator[Chunk]:
    """Chunks of a microphone, until it is unplugged.

    Args:
        device: Name or number of an input device; None for the default one.

    Raises:
        MissingExtraError: sounddevice is not installed.
        AudioError: There is no such device, it stopped, or chunks were not taken in time.
    """
    sounddevice = _sounddevice()
    waiting: queue.Queue[NDArray[np.float32]] = queue.Queue(_MOST_WAITING)
    lost = False

    def on_samples(samples: NDArray[np.float32], *_: object) -> None:
        nonlocal lost
        try:
            waiting.put_nowait(samples[:, 0].copy())
        except queue.Full:
            lost = True

    chosen = int(device) if device is not None and device.isdecimal() else device
    try:
        found = sounddevice.query_devices(chosen, "input")
        rate = int(found["default_samplerate"])
        opened = sounddevice.InputStream(
            samplerate=rate,
            blocksize=round(CHUNK_S * rate),
            device=chosen,
            channels=1,
            dtype="float32",
            callback=on_samples,
        )
    except (ValueError, sounddevice.PortAudioError) as error:
        raise AudioError(f"the microphone cannot be opened: {one_line(error)}") from error
    with opened:
        latest = time.monotonic()
        while True:
            try:
                chunk = waiting.get(timeout=_POLL_S)
            except queue.Empty:
                if not opened.active or time.monotonic() - latest > _SILENT_S:
                    raise AudioError("the microphone stopped; is it still plugged in?") from None
                continue
            latest = time.monotonic()
            yield chunk, rate
            if lost:
                raise AudioError(
                    f"this computer is too slow: {CHUNK_S * _MOST_WAITING:.0f} s of sound were "
                    "waiting; choose a smaller model or a longer --hop"
                )


def as_if_live(file: str, speed: float) -> Iterator[Chunk]:
    """Chunks of a file, each when its last sample would have been heard.

    Args:
        file: The recording.
        speed: 1 for real time, 2 for twice as fast; 0 for as fast as possible.

    Raises:
        AudioError: As `serkit.read`, with the name of the file; or it holds packets.
    """
    from serkit.audio import SAMPLE_RATE, stream
    from serkit.runtime.sources import is_packets

    if is_packets(file):
        raise AudioError(f"{file}: holds packets, not sound; use serkit timeline")
    n_chunk = round(CHUNK_S * SAMPLE_RATE)
    started, n_played = time.monotonic(), 0
    for block in _blocks(stream(file), file):
        for start in range(0, len(block), n_chunk):
            chunk = block[start : start + n_chunk]
            n_played += len(chunk)
            if speed > 0.0:
                due = started + n_played / SAMPLE_RATE / speed
                time.sleep(max(0.0, due - time.monotonic()))
            yield chunk, SAMPLE_RATE


def _blocks(blocks: Iterator[NDArray[np.float32]], file: str) -> Iterator[NDArray[np.float32]]:
    """The blocks; errors name the file."""
    try:
        yield from blocks
    except AudioError as error:
        raise AudioError(f"{file}: {error}") from error


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise MissingExtraError("sounddevice", "mic", "listening to a microphone") from None
    except OSError as error:
        raise AudioError(
            f"sound cannot be recorded here: {one_line(error)}; install PortAudio, or use --input"
        ) from error
    return sounddevice
