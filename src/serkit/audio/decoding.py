"""Decode an open audio file at its own rate, by libsndfile or FFmpeg.

Both libraries read from an open file and never get a file name, so that no path or URL, of the file
or inside it, is opened. FFmpeg decodes what libsndfile does not support, with the one demuxer that
the file's first bytes select.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from serkit.audio.formats import (
    AAC,
    HEAD_BYTES,
    MATROSKA,
    MP3,
    OGG,
    WAV,
    Container,
    container_of,
    tag_length,
)
from serkit.audio.lengths import chunks_fit, present_share
from serkit.errors import AudioError, MissingExtraError
from serkit.text import one_line, shown

Samples = NDArray[np.float32]

BLOCK_FRAMES = 1 << 16
"""Frames decoded at a time, for up to 16 channels; fewer for more channels, to bound memory."""

_MOST_BLOCK_CHANNELS = 16

# Number of frames that libsndfile reports if the header does not say.
_UNKNOWN_LENGTH = (1 << 63) - 1

# Reads per block: a read that meets damage returns nothing, so reads are short.
_PIECES = 16

# Encoders pad and round lengths: a file is truncated only if it is shorter by more than this.
_TOLERATED_S, _TOLERATED_SHARE = 0.1, 0.02

# Audio codecs of the containers that FFmpeg reads here. Other streams, such as pictures and video,
# are not decoded.
_CODECS = (
    "aac", "aac_latm", "ac3", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "alac", "amrnb", "amrwb",
    "eac3", "flac", "g722", "gsm", "gsm_ms", "libgsm", "libgsm_ms", "libopus", "libspeex",
    "libvorbis", "mp2", "mp2float", "mp3", "mp3float", "opus", "pcm_alaw", "pcm_f32be",
    "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16le", "pcm_s24be",
    "pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_s8", "pcm_u8", "speex", "truespeech", "vorbis",
    "wmav1", "wmav2", "wmavoice",
)  # fmt: skip


class TruncatedError(AudioError):
    """A file is shorter than its headers say; raised after its last block, and only in `audio`."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """An open recording.

    Attributes:
        rate: Sampling rate in Hz.
        n_channels: Channels of the recording.
        blocks: Consecutive mono blocks at that rate, float32, shape `[n_samples]`. Raises
            `TruncatedError` after the last block of a truncated file.
        announced_s: Duration according to the headers, in seconds; 0 if they do not say.
    """

    rate: int
    n_channels: int
    blocks: Iterator[Samples]
    announced_s: float = 0.0


def decode(file: BinaryIO, resources: ExitStack, channel: int | None = None) -> Decoded:
    """Open a recording.

    Args:
        file: Seekable, open for reading, at its beginning.
        resources: Takes the resources that must be closed after the last block.
        channel: As for `mono`.

    Raises:
        AudioError: The file is empty, not audio, or of a format that needs an extra; or, as its
            blocks are read, there is no such channel.
    """
    head = file.read(HEAD_BYTES)
    if not head:
        raise AudioError("the file is empty (0 bytes)")
    container = _container_behind_tag(file, head)
    share = present_share(file, container)
    file.seek(0)
    try:
        return _by_libsndfile(file, share, resources, channel)
    except _NotKnownError as error:
        reason = str(error)
    # FFmpeg allocates the announced size of a WAV chunk before it reads the chunk.
    if container is None or (container is WAV and not chunks_fit(file)):
        raise AudioError(f"not recognised as audio ({reason})")
    file.seek(0)
    return _by_ffmpeg(_Nameless(file), container, share, reason, resources, channel)


def mono(block: Samples, channel: int | None = None) -> Samples:
    """One channel of a block.

    Args:
        block: Shape `[n_samples]` or `[n_samples, n_channels]`.
        channel: Number of the channel, from 0; None for the mean of all.

    Raises:
        AudioError: There is no such channel.
    """
    n_channels = 1 if block.ndim == 1 else block.shape[1]
    if channel is not None and not 0 <= channel < n_channels:
        raise AudioError(f"channel {channel + 1} was asked for; the recording has {n_channels}")
    if block.ndim == 1:
        return block
    if n_channels == 1 or channel is not None:
        return block[:, channel or 0]
    mixed: Samples = block.mean(axis=1, dtype=np.float32)
    return mixed


class _NotKnownError(Exception):
    """libsndfile does not support the file; the message is its reason."""


def _container_behind_tag(file: BinaryIO, head: bytes) -> Container | None:
    """The container format, after an ID3 tag if there is one."""
    length = tag_length(head)
    if not length:
        return container_of(head)
    file.seek(length)
    return container_of(file.read(HEAD_BYTES)) or MP3


def _by_libsndfile(
    file: BinaryIO, share: float, resources: ExitStack, channel: int | None
) -> Decoded:
    import soundfile

    try:
        sound = resources.enter_context(soundfile.SoundFile(_unnamed(file), closefd=False))
    except soundfile.LibsndfileError as error:
        raise _NotKnownError(error.error_string.rstrip(".")) from error
    n_frames = BLOCK_FRAMES * _MOST_BLOCK_CHANNELS // max(_MOST_BLOCK_CHANNELS, sound.channels)
    announced = 0 if sound.frames >= _UNKNOWN_LENGTH else sound.frames

    def blocks() -> Iterator[Samples]:
        done, reason = 0, ""
        while not reason:
            pieces = []
            try:
                for _ in range(_PIECES):
                    piece = sound.read(n_frames // _PIECES, dtype="float32", always_2d=True)
                    if not len(piece):
                        break
                    pieces.append(piece)
            except soundfile.LibsndfileError as error:
                reason = error.error_string.rstrip(".")
            if not pieces:
                break
            block = mono(np.concatenate(pieces), channel)
            done += len(block)
            yield block
        done_s, announced_s = done / sound.samplerate, announced / sound.samplerate
        _require_whole(done_s, announced_s, share, reason, tolerated_s=_TOLERATED_S)

    return Decoded(sound.samplerate, sound.channels, blocks(), announced / sound.samplerate)


def _unnamed(file: BinaryIO) -> Any:
    """The file for libsndfile: its descriptor, which is fast, or a wrapper without a name."""
    return file.fileno() if isinstance(file, io.FileIO) else _Nameless(file)


def _require_whole(
    done_s: float, announced_s: float, share: float, reason: str, *, tolerated_s: float
) -> None:
    """Raise an error if a recording is incomplete.

    Args:
        done_s: Decoded duration in seconds.
        announced_s: Duration by the decoder, in seconds; 0 if unknown.
        share: Share of the announced bytes that the file holds; see `present_share`.
        reason: Why the decoder stopped; empty if it reached the end.
        tolerated_s: Difference to `announced_s` that is ignored, in seconds.

    Raises:
        TruncatedError: The recording is shorter than announced, or decoding failed.
    """
    if not reason and share < 1.0:
        announced_s, reason = done_s / share, "the file is shorter than its headers say"
    if not reason and done_s < announced_s - tolerated_s:
        reason = "the data end early"
    if reason:
        announced = f" of the {announced_s:.2f} s announced" if announced_s > 1.01 * done_s else ""
        raise TruncatedError(
            f"the file is truncated or damaged: {done_s:.2f} s{announced} could be read ({reason})"
        )


class _Nameless:
    """A file without its name, which PyAV would pass to FFmpeg.

    An invalid seek, as damaged files cause, leaves the position unchanged.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position, or stay if it is invalid; returns the position."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return self._file.tell()

    def tell(self) -> int:
        """The current position."""
        return self._file.tell()


class _Live:
    """A stream without a name that is read once, behind bytes that were read from it."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head = head
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """The next bytes; the head alone at first."""
        head, self._head = self._head, b""
        return head or self._file.read(size)


def decode_live(file: BinaryIO, resources: ExitStack) -> Decoded:
    """Open a recording that is still being made, by FFmpeg.

    Args:
        file: An Ogg or WebM stream, at its beginning; `read` waits for what has not arrived. It is
            asked for more only when nothing can be decoded from what it gave.
        resources: As for `decode`.

    Raises:
        AudioError: The stream is not one of these, or has no audio; or, as its blocks are read, it
            is damaged.
        MissingExtraError: FFmpeg's library is not installed.
    """
    head = file.read(HEAD_BYTES)
    container = container_of(head)
    if container not in (OGG, MATROSKA):
        raise AudioError(f"a stream that begins with {shown(head[:4])}; expected Ogg or WebM")
    return _by_ffmpeg(_Live(head, file), container, 1.0, "live", resources, None)


def _by_ffmpeg(
    file: _Nameless | _Live,
    container: Container,
    share: float,
    reason: str,
    resources: ExitStack,
    channel: int | None,
) -> Decoded:
    try:
        import av
    except ImportError:
        missing = MissingExtraError("av", "av", f"reading this {container.name} audio")
        raise AudioError(f"{missing} ({reason})") from None
    try:
        opened = resources.enter_context(
            av.open(
                file,
                mode="r",
                format=container.demuxer,
                metadata_errors="replace",
                options={
                    "protocol_whitelist": "",
                    "format_whitelist": container.demuxer,
                    "codec_whitelist": ",".join(_CODECS),
                },
            )
        )
    except Exception as error:
        raise AudioError(
            f"not readable as {container.name}, perhaps truncated or damaged: {one_line(error)}"
        ) from error
    if not opened.streams.audio:
        raise AudioError("the file holds no audio track")
    track = opened.streams.audio[0]
    if track.codec_context is None or track.codec_context.codec.name not in _CODECS:
        raise AudioError(f"the codec of this {container.name} audio is unknown or not supported")
    rate = int(track.rate or 0)
    announced_s = _announced_s(container, opened, track)

    def blocks() -> Iterator[Samples]:
        # Interleaved: for planes beyond the eighth, PyAV 18 reads out of bounds.
        interleaved = av.AudioResampler(format="flt")
        done, cause = 0, ""
        frames = opened.decode(track)
        while True:
            try:
                frame = next(frames, None)
            except av.FFmpegError as error:
                cause = one_line(error)
                break
            if frame is None:
                break
            if frame.sample_rate != rate:
                raise AudioError(f"the sampling rate changes from {rate} to {frame.sample_rate} Hz")
            for converted in interleaved.resample(frame):
                done += converted.samples
                samples = np.asarray(converted.to_ndarray(), np.float32)
                yield mono(samples.reshape(converted.samples, -1), channel)
        tolerated_s = _TOLERATED_S + _TOLERATED_SHARE * announced_s
        _require_whole(done / rate, announced_s, share, cause, tolerated_s=tolerated_s)

    return Decoded(rate, track.codec_context.channels, blocks(), announced_s)


def _announced_s(container: Container, opened: Any, track: Any) -> float:
    """Announced duration of a track; 0 for formats where FFmpeg only estimates it from the size."""
    if container in (AAC, MP3, OGG):
        return 0.0
    if track.duration and track.time_base is not None:
        return float(track.duration * track.time_base)
    return (opened.duration or 0) / 1e6
