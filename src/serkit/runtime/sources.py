"""Recordings as the input of a model: blocks of samples or of log-mel frames."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, Source, stream
from serkit.codec.packets import FIRST_BYTES, FRAMES_PER_SECOND, StoredBytes
from serkit.errors import AudioError
from serkit.features.whisper import scaled
from serkit.files import open_file
from serkit.runtime.card import ModelCard
from serkit.runtime.caution import Caution
from serkit.runtime.decoded import DecodedPackets, DecodedSound, Recording
from serkit.runtime.sound_check import SoundCheck, short

Array = NDArray[np.float32]

# Samples within one step of 16-bit audio are digital silence.
_SILENT_RANGE = 2.0 / 32768.0
# The mel energies of their rounding noise are below 10^-7.4. They do not change over time if a
# decoder has clamped them 8 decades below the loudest frame, or if the samples are constant.
_SILENT_LOG_MEL = float(scaled(np.array([-7.4], np.float32))[0])
_SILENT_CHANGE = 0.05


@dataclass(frozen=True, slots=True)
class Stream:
    """An open recording.

    Attributes:
        blocks: Consecutive parts, shape `[n]` (samples) or `[80, n]` (log-mel frames), float32.
        rate: Samples or frames per second.
        cautions: Returns the cautions for the blocks read so far.
        losses: Returns what has been missing since its last call: the file is truncated, or frames
            were interpolated.
        is_sound: Whether the recording is sound, not packets.
    """

    blocks: Iterator[Array]
    rate: int
    cautions: Callable[[], tuple[Caution, ...]]
    losses: Callable[[], tuple[Caution, ...]]
    is_sound: bool = True

    def watched(self, watch: Callable[[Array], object]) -> Stream:
        """The same recording; each block is given to a function as it is read."""

        def blocks() -> Iterator[Array]:
            for block in self.blocks:
                watch(block)
                yield block

        return replace(self, blocks=blocks())


@contextmanager
def opened(
    source: Recording,
    card: ModelCard,
    *,
    hear: Callable[[Array], object] | None = None,
    check: bool = True,
    channel: int | None = None,
) -> Iterator[Stream]:
    """Open a recording, either sound or packets of the codec, as the input of a model.

    Args:
        source: A path, the bytes of a file, a binary file, `(array, rate)`, or what one of them
            was decoded to.
        card: The card of the model, which takes sound or log-mel.
        hear: Called with each block of 16 kHz samples before what is made of it; packets hold none.
        check: Whether the cautions tell the quality of sound; it takes as long as the model.
        channel: Number of the channel of the sound, from 0; None for the mean of all.

    Raises:
        AudioError: The recording holds packets, but the model takes sound. Errors of the recording
            itself are raised as its blocks are read.
        PacketError: The packets belong to several streams.
    """
    takes_log_mel = card.takes_log_mel
    with ExitStack() as resources:
        if isinstance(source, DecodedPackets):
            packets: StoredBytes | DecodedPackets = source
        else:
            stored = _packets(source, resources)
            if stored is None:
                sound = _sound(source, check=check, channel=channel)
                if hear is not None:
                    sound = sound.watched(hear)
                yield _as_log_mel(sound) if takes_log_mel else sound
                return
            packets = stored
        if not takes_log_mel:
            raise AudioError(
                f"the recording holds packets of serkit's codec, but {card.name} takes sound; "
                "choose a model that takes log-mel"
            )
        yield _frames(packets)


def is_packets(source: Recording) -> bool:
    """Whether a recording begins as a packet of the codec does, damaged or not."""
    if isinstance(source, DecodedPackets):
        return True
    with ExitStack() as resources:
        return _packets(source, resources) is not None


def is_silent(window: Array) -> bool:
    """Whether a window of samples or log-mel frames is digital silence."""
    if window.ndim == 1:
        return bool(np.ptp(window) < _SILENT_RANGE)
    changes = np.ptp(window, axis=1).max()
    return bool(window.max() <= _SILENT_LOG_MEL or changes < _SILENT_CHANGE)


def window_cautions(window: Array) -> tuple[Caution, ...]:
    """Cautions for a window of samples; none for log-mel frames, which cannot be checked."""
    check = window_check(window)
    return () if check is None else check.cautions()


def window_check(window: Array) -> SoundCheck | None:
    """The closed check of a window of samples; None for log-mel frames."""
    if window.ndim > 1:
        return None
    check = SoundCheck()
    check.add(window)
    check.close()
    return check


def _packets(source: Source | DecodedSound, resources: ExitStack) -> StoredBytes | None:
    """The content of a source whose first byte is that of a packet, as of no audio format."""
    file: BinaryIO
    if isinstance(source, str | os.PathLike):
        try:
            file = resources.enter_context(open_file(Path(source)))
        except (OSError, ValueError):  # the audio reader reports the reason
            return None
    elif isinstance(source, bytes | bytearray | memoryview):
        file = io.BytesIO(source)
    elif isinstance(source, tuple | DecodedSound) or not hasattr(source, "seek"):
        return None
    else:
        file = source
    try:
        content = StoredBytes(file)
        first = content[:1]
    except (OSError, TypeError, ValueError):  # likewise
        return None
    return content if first in FIRST_BYTES else None


def _sound(source: Source | DecodedSound, *, check: bool, channel: int | None) -> Stream:
    truncated: list[Caution] = []
    quality = SoundCheck()
    reported = 0

    def on_truncated(line: str) -> None:
        truncated.append(Caution("truncated", line))

    def losses() -> tuple[Caution, ...]:
        nonlocal reported
        new = tuple(truncated[reported:])
        reported = len(truncated)
        return new

    if isinstance(source, DecodedSound):
        blocks = source.blocks(on_truncated)
    else:
        blocks = stream(source, on_truncated=on_truncated, channel=channel)
    if not check:
        return Stream(blocks, SAMPLE_RATE, lambda: tuple(truncated), losses)
    return Stream(
        quality.watch(blocks), SAMPLE_RATE, lambda: (*truncated, *quality.cautions()), losses
    )


def _as_log_mel(sound: Stream) -> Stream:
    from serkit.codec.frontend import log_mel_blocks

    blocks = (scaled(block) for block in log_mel_blocks(sound.blocks))
    return replace(sound, blocks=blocks, rate=FRAMES_PER_SECOND)


def _frames(packets: StoredBytes | DecodedPackets) -> Stream:
    from serkit.codec.decoding import Decoding

    decoding = packets if isinstance(packets, DecodedPackets) else Decoding(packets)
    n_frames = n_reported = 0

    def blocks() -> Iterator[Array]:
        nonlocal n_frames
        for block in decoding.blocks():
            n_frames += block.shape[1]
            yield block

    def cautions() -> tuple[Caution, ...]:
        lost = lost_frames(decoding.concealed, n_frames) or last_missing(decoding.complete)
        return lost + short(n_frames / FRAMES_PER_SECOND)

    def losses() -> tuple[Caution, ...]:
        nonlocal n_reported
        new, n_reported = decoding.concealed - n_reported, decoding.concealed
        return lost_frames(new, n_frames)

    return Stream(blocks(), FRAMES_PER_SECOND, cautions, losses, is_sound=False)


def last_missing(complete: bool) -> tuple[Caution, ...]:
    """The caution for a stream of packets without its last one."""
    if complete:
        return ()
    return (Caution("lost-packets", "the last packet of the stream is missing"),)


def lost_frames(n_concealed: int, n_frames: int) -> tuple[Caution, ...]:
    """The caution for frames that were interpolated, of a number of frames; empty for none."""
    if not n_concealed:
        return ()
    seconds = n_concealed / FRAMES_PER_SECOND
    line = f"{seconds:.2f} s of {n_frames / FRAMES_PER_SECOND:.2f} s were lost and interpolated"
    return (Caution("lost-packets", line),)
