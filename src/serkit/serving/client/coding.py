"""What the device sends: recordings and streams, coded."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, Source, stream
from serkit.audio.reading import mono_samples
from serkit.audio.resampling import Resampler
from serkit.codec import DEFAULT_QUALITY, RATIOS, Encoder, write_basis, write_low_rank
from serkit.errors import AudioError, SerkitError
from serkit.files import read_bounded
from serkit.runtime.sources import is_packets

Mode = Literal["file", "wav", "opus", "svd", "basis"]
"""How a recording is sent: the file as it is; 16-bit WAV or Opus, mono at 16 kHz; or packets."""

MODES: tuple[Mode, ...] = get_args(Mode)
STREAM_MODES: tuple[Mode, ...] = ("basis", "wav")
"""Modes that can be sent while the recording is made."""

_MAX_BYTES = 1 << 30
_FULL_SCALE = 32767.0


def checked_mode(mode: str, among: tuple[Mode, ...] = MODES) -> Mode:
    """A mode by name.

    Raises:
        SerkitError: There is none.
    """
    for known in among:
        if mode == known:
            return known
    raise SerkitError(f"the mode is {mode!r}; expected one of {', '.join(among)}")


def body_of(source: Source, mode: Mode) -> bytes:
    """A recording as the body of a request; packets (`.smel`) are sent as they are.

    Args:
        source: As for `serkit.read`.
        mode: How to code it; `file` sends an array as WAV.

    Raises:
        AudioError: The recording cannot be read.
        OSError: Likewise.
    """
    if is_packets(source) or (mode == "file" and not isinstance(source, tuple)):
        return content_of(source)
    out = io.BytesIO()
    if mode == "basis":
        write_basis(out, lambda: stream(source), DEFAULT_QUALITY)
    elif mode == "svd":
        held = list(stream(source))  # it is read twice, and a file may be one that cannot be
        write_low_rank(out, lambda: held, ratio=RATIOS[0])
    else:
        _write_sound(out, source, "OGG" if mode == "opus" else "WAV")
    return out.getvalue()


def content_of(source: Any) -> bytes:
    """The content of a file, by its path, its bytes or open.

    Raises:
        AudioError: It is too large.
        OSError: It cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        return read_bounded(Path(source), _MAX_BYTES)
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    content: bytes = source.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise AudioError(
            f"the recording has more than {_MAX_BYTES:,} bytes; expected a shorter one"
        )
    return content


def _write_sound(out: io.BytesIO, source: Source, form: str) -> None:
    import soundfile

    kind = "OPUS" if form == "OGG" else "PCM_16"
    with soundfile.SoundFile(out, "w", SAMPLE_RATE, 1, kind, format=form) as file:
        for block in stream(source):
            file.write(np.clip(block, -1.0, 1.0))


class StreamCoder(Protocol):
    """Samples -> chunks of a stream, as they come."""

    @property
    def start(self) -> dict[str, Any]:
        """What the first message says of them."""

    def push(self, samples: NDArray[Any], rate: int) -> list[bytes]:
        """Take samples, and give the chunks that they complete.

        Raises:
            AudioError: As `LiveStream.push`.
        """

    def flush(self) -> list[bytes]:
        """End the stream, and give the chunks that remain."""


class _Coder:
    """Resamples what it codes.

    Args:
        encode: Codes samples.
        flush: Gives what remains.
    """

    def __init__(
        self,
        start: dict[str, Any],
        encode: Callable[[NDArray[np.float32]], list[bytes]],
        flush: Callable[[], list[bytes]],
    ) -> None:
        self.start = start
        self._encode = encode
        self._flush = flush
        self._resampler = Resampler(SAMPLE_RATE)
        self._position_s = 0.0

    def push(self, samples: NDArray[Any], rate: int) -> list[bytes]:
        checked = mono_samples(samples, rate, start_s=self._position_s)
        self._position_s += len(checked) / rate
        chunks: list[bytes] = []
        if rate != self._resampler.rate:
            chunks += self._encode(self._resampler.flush())
            self._resampler = Resampler(rate)
        return chunks + self._encode(self._resampler.push(checked))

    def flush(self) -> list[bytes]:
        return self._encode(self._resampler.flush()) + self._flush()


# Samples of a chunk of PCM at most: 200 KB, below the server's limit.
_CHUNK = 100_000


def stream_coder(mode: Mode) -> StreamCoder:
    """A coder for a stream.

    Args:
        mode: `basis` for packets, `wav` for 16-bit samples.
    """
    if mode == "basis":
        encoder = Encoder()
        return _Coder({"input": "packets"}, encoder.push, encoder.flush)

    def pcm(samples: NDArray[np.float32]) -> list[bytes]:
        scaled = np.rint(np.clip(samples, -1.0, 1.0) * _FULL_SCALE).astype("<i2")
        return [scaled[i : i + _CHUNK].tobytes() for i in range(0, len(scaled), _CHUNK)]

    return _Coder({"input": "pcm", "encoding": "s16le", "rate": SAMPLE_RATE}, pcm, list)
