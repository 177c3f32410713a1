"""Any recording -> mono float32 at 16 kHz, as one array or as a stream of blocks."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from serkit.errors import AudioError, MissingExtraError

SAMPLE_RATE = 16_000
"""Sampling rate of everything inside serkit, in Hz."""

MIN_RATE, MAX_RATE = 4_000, 384_000
"""Sampling rates accepted from outside, in Hz."""

MAX_CHANNELS = 1024
"""libsndfile's own limit; an array with more is a transposed one."""

BLOCK_FRAMES = 1 << 16
"""Frames decoded at a time."""

Samples = NDArray[np.float32]
Source = str | os.PathLike[str] | bytes | BinaryIO | tuple[NDArray[Any], int]
"""What the user may hand in: a path, the bytes of a file, an open binary file, or (array, rate)."""

# First bytes of containers with codecs that libsndfile lacks and FFmpeg has: (offset, bytes, name).
# Nothing else goes to FFmpeg: it would take a text for a playlist and open the files it names.
_FFMPEG_MAGIC = (
    (4, b"ftyp", "MP4/M4A"),
    (0, b"\x1a\x45\xdf\xa3", "WebM/Matroska"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
    (0, b"\x30\x26\xb2\x75", "WMA/ASF"),
    (0, b"#!AMR", "AMR"),
    (0, b"OggS", "Ogg"),
    (0, b"RIFF", "WAV"),
    (0, b"ID3", "tagged"),
)

# Integers read as floats stay below it; the squares of larger ones would not be finite any more.
_LOUDEST = 1e12


def read(source: Source) -> Samples:
    """Read a whole recording.

    Args:
        source: A path, the bytes of a file, a binary file object (left open), or a pair
            `(array, rate)` with an array of shape `[n_samples]` or `[n_samples, n_channels]`;
            integer arrays are scaled by their full scale.

    Returns:
        Mono samples at 16 kHz, float32, shape `[n_samples]`. Channels are averaged;
        other rates are resampled by soxr at its quality VHQ.

    Raises:
        AudioError: The source is missing, empty, damaged, not audio, or holds samples that
            are not finite or beyond all measure; or its rate lies outside 4-384 kHz.
    """
    return np.concatenate(list(stream(source)))


def stream(source: Source) -> Iterator[Samples]:
    """Read a recording block by block, in memory that does not grow with its length.

    Args:
        source: As for `read`.

    Yields:
        Consecutive stretches of the recording, mono float32 at 16 kHz; together exactly
        what `read` returns.

    Raises:
        AudioError: As `read`; damage late in a file is reported when it is reached.
    """
    rate, blocks = _open(source)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"the sampling rate is {rate} Hz; expected {MIN_RATE} to {MAX_RATE} Hz")
    empty = True
    for block in _resampled(_checked(blocks, rate), rate):
        empty = False
        yield block
    if empty:
        raise AudioError("the recording holds no samples, or too few to make one at 16 kHz")


def _open(source: Source) -> tuple[int, Iterator[Samples]]:
    """The rate of a source and the iterator over its mono blocks at that rate."""
    if isinstance(source, tuple):
        return _open_array(*source)
    if isinstance(source, bytes | bytearray | memoryview):
        return _open_file(io.BytesIO(source), bytes(source[:16]))
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return _open_file(str(path), _head_of(path))
    if hasattr(source, "read") and hasattr(source, "seek"):
        start = source.tell()
        head = source.read(16)
        source.seek(start)
        return _open_file(source, head)
    raise AudioError(
        f"cannot read audio from a {type(source).__name__}; "
        "expected a path, bytes, a binary file or (array, rate)"
    )


def _head_of(path: Path) -> bytes:
    """The first bytes of a file, with every reason it cannot be opened put into words."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            # A pipe could block for ever, and cannot be searched; its bytes can be handed in.
            raise AudioError("is a pipe or a device; expected a file")
        with path.open("rb") as file:
            return file.read(16)
    except FileNotFoundError:
        raise AudioError("no such file") from None
    except IsADirectoryError:
        raise AudioError("is a directory; expected an audio file") from None
    except PermissionError:
        raise AudioError("permission denied; make the file readable") from None
    except AudioError:
        raise
    except (OSError, ValueError) as error:
        raise AudioError(f"cannot be opened: {error}") from error


def _open_array(array: NDArray[Any], rate: int) -> tuple[int, Iterator[Samples]]:
    array = np.asarray(array)
    if array.ndim not in (1, 2):
        raise AudioError(
            f"the array has shape {list(array.shape)}; "
            "expected [n_samples] or [n_samples, n_channels]"
        )
    if array.ndim == 2 and not 1 <= array.shape[1] <= MAX_CHANNELS:
        raise AudioError(
            f"the array has shape {list(array.shape)}, that is {array.shape[1]} channels; "
            "expected [n_samples, n_channels]: transpose it"
        )
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise AudioError(f"the array has dtype {array.dtype}; expected integers or floats")
    if array.dtype.kind in "iu" and array.dtype.itemsize > 4:
        raise AudioError(
            f"the array has dtype {array.dtype}, whose full scale is unknown; "
            "expected at most 32-bit integers, or floats in [-1, 1]"
        )
    if isinstance(rate, bool) or rate != int(rate):
        raise AudioError(f"the sampling rate is {rate!r}; expected a whole number of Hz")

    def blocks() -> Iterator[Samples]:
        for start in range(0, len(array), BLOCK_FRAMES):
            yield _mono(_to_float(array[start : start + BLOCK_FRAMES]))

    return int(rate), blocks()


def _to_float(block: NDArray[Any]) -> Samples:
    """Integers to [-1, 1) by their full scale; floats as they are."""
    if block.dtype.kind == "f":
        with np.errstate(over="ignore"):  # too large for float32 is reported as infinite
            return block.astype(np.float32, copy=False)
    half = float(1 << (8 * block.dtype.itemsize - 1))
    offset = half if block.dtype.kind == "u" else 0.0
    return ((block.astype(np.float64) - offset) / half).astype(np.float32)


def _mono(block: Samples) -> Samples:
    if block.ndim == 1:
        return block
    if block.shape[1] == 1:
        return block[:, 0]
    mixed: Samples = block.mean(axis=1, dtype=np.float32)
    return mixed


def _open_file(file: str | BinaryIO, head: bytes) -> tuple[int, Iterator[Samples]]:
    import soundfile

    if not head:
        raise AudioError("the file is empty (0 bytes)")
    try:
        sound = soundfile.SoundFile(file)
    except soundfile.LibsndfileError as error:
        return _open_with_ffmpeg(file, head, reason=error.error_string.rstrip("."))
    except TypeError as error:  # a name that promises headerless samples, such as .raw
        return _open_with_ffmpeg(file, head, reason=str(error))

    def blocks() -> Iterator[Samples]:
        done = 0
        with sound:
            while True:
                try:
                    block = sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
                except soundfile.LibsndfileError as error:
                    raise _damaged(done, sound, error.error_string) from error
                if not len(block):
                    break
                done += len(block)
                yield _mono(block)
            if done < sound.frames < _UNKNOWN_LENGTH:
                raise _damaged(done, sound, "the data end early")

    return sound.samplerate, blocks()


# libsndfile reports this many frames where a header leaves the length open.
_UNKNOWN_LENGTH = (1 << 63) - 1


def _damaged(done: int, sound: Any, reason: str) -> AudioError:
    rate = sound.samplerate
    announced = f" of the {sound.frames / rate:.2f} s announced" if sound.frames else ""
    return AudioError(
        f"the file is truncated or damaged: {done / rate:.2f} s{announced} could be read "
        f"({reason.rstrip('.')})"
    )


def _open_with_ffmpeg(
    file: str | BinaryIO, head: bytes, reason: str
) -> tuple[int, Iterator[Samples]]:
    """The containers libsndfile does not know (m4a, webm, aac, ...), through PyAV."""
    container = next(
        (name for at, magic, name in _FFMPEG_MAGIC if head[at : at + len(magic)] == magic), None
    )
    if container is None:
        raise AudioError(f"not recognised as audio ({reason})")
    try:
        import av
    except ImportError:
        missing = MissingExtraError("av", "av", f"reading this {container} audio")
        raise AudioError(f"{missing} ({reason})") from None
    if not isinstance(file, str):
        file.seek(0)
    try:
        opened = av.open(file, mode="r")
    except (av.FFmpegError, OSError) as error:
        raise AudioError(f"not recognised as audio ({reason})") from error
    if not opened.streams.audio:
        opened.close()
        raise AudioError("the file holds no audio track")
    track = opened.streams.audio[0]
    rate = int(track.rate or 0)

    def blocks() -> Iterator[Samples]:
        planar = av.AudioResampler(format="fltp")
        try:
            with opened:
                for frame in opened.decode(track):
                    for converted in planar.resample(frame):
                        yield _mono(np.ascontiguousarray(converted.to_ndarray().T))
        except av.FFmpegError as error:
            raise AudioError(f"the file is damaged: {error}") from error

    return rate, blocks()


def _checked(blocks: Iterator[Samples], rate: int) -> Iterator[Samples]:
    """Pass blocks on as long as every sample can be computed with."""
    position = 0
    for block in blocks:
        sound = np.abs(block) <= _LOUDEST
        if not sound.all():
            first = int(np.argmin(sound))
            found = (
                "not finite numbers (NaN or infinite)"
                if not np.isfinite(block[first])
                else f"as large as {block[first]:.3g}, expected -1 to 1"
            )
            raise AudioError(
                f"the recording holds samples that are {found}, the first at "
                f"{(position + first) / rate:.3f} s"
            )
        position += len(block)
        yield block


def _resampled(blocks: Iterator[Samples], rate: int) -> Iterator[Samples]:
    if rate == SAMPLE_RATE:
        yield from blocks
        return
    import soxr

    resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="VHQ")
    for block in blocks:
        converted = resampler.resample_chunk(block)
        if len(converted):
            yield converted
    tail = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
    if len(tail):
        yield tail
