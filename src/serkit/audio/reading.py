"""Read recordings as mono float32 at 16 kHz, whole or block by block."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from serkit.audio.decoding import BLOCK_FRAMES, Decoded, TruncatedError, decode, mono
from serkit.audio.resampling import SAMPLE_RATE as SAMPLE_RATE
from serkit.audio.resampling import resampled
from serkit.errors import AudioError
from serkit.files import NotAFileError, open_file
from serkit.text import one_line, shown

MIN_RATE, MAX_RATE = 4_000, 384_000
"""Sampling rates accepted as input, in Hz."""

MAX_CHANNELS = 1024
"""Channels of an array at most, as in libsndfile; an array with more is probably transposed."""

Samples = NDArray[np.float32]
Source = str | os.PathLike[str] | bytes | BinaryIO | tuple[NDArray[Any], int]
"""A recording: a path, the bytes of a file, an open binary file, or `(array, rate)`."""

# Above any integer format read as floats; power spectra of larger values overflow float32.
_MAX_SAMPLE = 1e12


OnTruncated = Callable[[str], object]
"""Called with one line that says how much of a recording could be read."""


class TooLongError(AudioError):
    """A recording is longer than the caller allows."""


def read(source: Source, *, on_truncated: OnTruncated | None = None) -> Samples:
    """Read a whole recording.

    Args:
        source: A path, the bytes of a file, a binary file (read from its beginning and left
            open), or a pair `(array, rate)` with an array of shape `[n_samples]` or `[n_samples,
            n_channels]`; integer arrays are scaled by their full scale.
        on_truncated: Called if the file is shorter than its headers say or cannot be decoded to
            its end; the samples before that are returned. None raises an error instead.

    Returns:
        Mono samples at 16 kHz, float32, shape `[n_samples]`. Channels are averaged;
        other rates are resampled by soxr at quality VHQ.

    Raises:
        AudioError: The source is missing, empty, damaged, truncated, not audio, or holds samples
            that are not finite or beyond 1e12; or its rate is outside 4-384 kHz.
    """
    return np.concatenate(list(stream(source, on_truncated=on_truncated)))


def stream(
    source: Source,
    *,
    on_truncated: OnTruncated | None = None,
    channel: int | None = None,
    max_s: float | None = None,
) -> Iterator[Samples]:
    """Read a recording block by block, in memory that does not grow with its length.

    Args:
        source: As for `read`.
        on_truncated: As for `read`.
        channel: Number of the channel to read, from 0; None for the mean of all.
        max_s: Longest recording in seconds; None for any. A longer one is refused by its headers,
            or else when so much of it has been read.

    Yields:
        Consecutive blocks, mono float32 at 16 kHz; concatenated, exactly the result of `read`.

    Raises:
        AudioError: As `read`; damage is reported when it is reached. Or there is no such channel.
        TooLongError: The recording is longer than `max_s`.
    """
    n_samples = 0
    with ExitStack() as resources:
        decoded = _open(source, resources, channel)
        _check_rate(decoded.rate)
        blocks = _checked(_up_to_damage(decoded.blocks, on_truncated), decoded.rate)
        _refuse_long(decoded.announced_s, max_s)
        for block in resampled(blocks, decoded.rate):
            n_samples += len(block)
            _refuse_long(n_samples / SAMPLE_RATE, max_s)
            yield block
    if not n_samples:
        raise AudioError("the recording holds no samples, or too few for one at 16 kHz")


def channel_count(source: Source) -> int:
    """Number of channels of a recording.

    Args:
        source: As for `read`.

    Raises:
        AudioError: The source is missing, empty or not audio.
    """
    with ExitStack() as resources:
        return _open(source, resources, None).n_channels


def mono_samples(array: NDArray[Any], rate: int, *, start_s: float = 0.0) -> Samples:
    """A chunk of a live stream as mono samples at its own rate.

    Args:
        array: Shape `[n_samples]` or `[n_samples, n_channels]`, as for `read`; n may be 0.
        rate: Sampling rate in Hz.
        start_s: Its time in the stream in seconds, for messages.

    Returns:
        Shape `[n_samples]`, float32.

    Raises:
        AudioError: As `read`.
    """
    decoded = _open_array(array, rate)
    _check_rate(decoded.rate)
    parts = list(_checked(decoded.blocks, decoded.rate, start_s))
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _refuse_long(seconds: float, max_s: float | None) -> None:
    if max_s is not None and seconds > max_s:
        raise TooLongError(
            f"the recording lasts {seconds:,.1f} s or more; expected at most {max_s:g} s"
        )


def _check_rate(rate: int) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"the sampling rate is {rate} Hz; expected {MIN_RATE} to {MAX_RATE} Hz")


def _up_to_damage(blocks: Iterator[Samples], on_truncated: OnTruncated | None) -> Iterator[Samples]:
    """Pass blocks on; errors of libraries become `AudioError`, truncation may end the stream."""
    while True:
        try:
            block = next(blocks, None)
        except TruncatedError as error:
            if on_truncated is None:
                raise AudioError(str(error)) from error
            on_truncated(str(error))
            return
        except AudioError:
            raise
        except Exception as error:
            raise AudioError(f"cannot be decoded: {one_line(error)}") from error
        if block is None:
            return
        yield block


def _open(source: Source, resources: ExitStack, channel: int | None) -> Decoded:
    """Open a source of any type."""
    if isinstance(source, tuple):
        if len(source) != 2:
            raise AudioError(f"the tuple has {len(source)} elements; expected (array, rate)")
        return _open_array(*source, channel)
    if isinstance(source, bytes | bytearray | memoryview):
        file: BinaryIO = io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        file = resources.enter_context(_opened(Path(source)))
    elif hasattr(source, "read") and hasattr(source, "seek"):
        file = source
        if isinstance(file, io.TextIOBase):
            raise AudioError("the file is open as text; open it in binary mode")
    else:
        raise AudioError(
            f"cannot read audio from a {type(source).__name__}; "
            "expected a path, bytes, a binary file or (array, rate)"
        )
    try:
        file.seek(0)
        return decode(file, resources, channel)
    except AudioError:
        raise
    except Exception as error:  # libraries raise errors of any type on damaged files
        raise AudioError(f"cannot be read: {one_line(error)}") from error


def _opened(path: Path) -> BinaryIO:
    """Open a file; failures become an `AudioError` without the path, which the caller adds."""
    try:
        return open_file(path, buffered=False)
    except FileNotFoundError:
        raise AudioError("no such file") from None
    except IsADirectoryError:
        raise AudioError("is a directory; expected an audio file") from None
    except PermissionError:
        raise AudioError("permission denied; make the file readable") from None
    except NotAFileError as error:
        raise AudioError(str(error.strerror)) from None
    except (OSError, ValueError) as error:
        raise AudioError(f"cannot be opened: {one_line(error)}") from error


def _open_array(array: NDArray[Any], rate: int, channel: int | None = None) -> Decoded:
    array = np.asarray(array)
    if array.ndim not in (1, 2):
        raise AudioError(
            f"the array has shape {list(array.shape)}; "
            "expected [n_samples] or [n_samples, n_channels]"
        )
    if array.ndim == 2 and not 1 <= array.shape[1] <= MAX_CHANNELS:
        raise AudioError(
            f"the array has shape {list(array.shape)}, which means {array.shape[1]} channels; "
            "expected [n_samples, n_channels]: transpose it"
        )
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise AudioError(f"the array has dtype {array.dtype}; expected integers or floats")
    if array.dtype.kind in "iu" and array.dtype.itemsize > 4:
        raise AudioError(
            f"the array has dtype {array.dtype}, whose full scale is unknown; "
            "expected at most 32-bit integers, or floats in [-1, 1]"
        )
    try:
        whole = not isinstance(rate, bool) and rate == int(rate)
    except (TypeError, ValueError, OverflowError):  # such as NaN
        whole = False
    if not whole:
        raise AudioError(f"the sampling rate is {shown(rate)}; expected a whole number of Hz")

    def blocks() -> Iterator[Samples]:
        for start in range(0, len(array), BLOCK_FRAMES):
            yield mono(_to_float(array[start : start + BLOCK_FRAMES]), channel)

    return Decoded(int(rate), 1 if array.ndim == 1 else array.shape[1], blocks())


def _to_float(block: NDArray[Any]) -> Samples:
    """Integers scaled to [-1, 1) by their full scale; floats unchanged."""
    if block.dtype.kind == "f":
        with np.errstate(over="ignore"):  # `_checked` reports overflow as infinite
            return block.astype(np.float32, copy=False)
    half = float(1 << (8 * block.dtype.itemsize - 1))
    offset = half if block.dtype.kind == "u" else 0.0
    return ((block.astype(np.float64) - offset) / half).astype(np.float32)


def _checked(blocks: Iterator[Samples], rate: int, start_s: float = 0.0) -> Iterator[Samples]:
    """Pass blocks on if all samples are finite and at most `_MAX_SAMPLE`."""
    position = 0
    for block in blocks:
        valid = np.abs(block) <= _MAX_SAMPLE
        if not valid.all():
            first = int(np.argmin(valid))
            problem = (
                "not finite (NaN or infinite)"
                if not np.isfinite(block[first])
                else f"{block[first]:.3g}; expected -1 to 1"
            )
            time_s = start_s + (position + first) / rate
            raise AudioError(f"the sample at {time_s:.3f} s is {problem}")
        position += len(block)
        yield block
