"""A stream of sound or packets -> events, as it arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.audio.reading import mono_samples
from serkit.audio.resampling import Resampler
from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.errors import AudioError
from serkit.features.whisper import normalised, scaled
from serkit.runtime.caution import Caution
from serkit.runtime.events import EndEvent, Event
from serkit.runtime.listener import Listener, detector_named
from serkit.runtime.sound_check import SoundCheck, short
from serkit.runtime.sources import last_missing, lost_frames
from serkit.runtime.timeline import TimelineSettings
from serkit.runtime.tracker import Tracker

if TYPE_CHECKING:
    from serkit.audio.voice import VoiceDetector
    from serkit.codec.packets import Packet
    from serkit.runtime.prediction import Prediction
    from serkit.runtime.recognizer import Recognizer

Array = NDArray[np.float32]

# Samples that are processed at a time, so that memory does not depend on the chunks.
_PIECE = 1 << 16


class LiveStream:
    """Recognises a stream as it arrives, in memory that does not grow.

    A stream is either sound or packets. Events do not depend on how it is chunked, except for the
    call that returns them.

    Args:
        model: The model.
        settings: How to cut, smooth and sum up.
        detector: Detects voice, or its name, see `serkit.audio.voice`; None to classify everything.
            Packets hold no sound to detect voice in, and are classified entirely.
        tap: Told of all content before its events: samples at 16 kHz, shape `[n]`; or frames of
            packets in the units of Whisper's encoder, shape `[80, n]`.

    Raises:
        AudioError: The hop is out of range.
        ModelError: A label is unknown.
    """

    def __init__(
        self,
        model: Recognizer,
        settings: TimelineSettings | None = None,
        detector: VoiceDetector | str | None = "bands",
        *,
        tap: Callable[[Array], object] = lambda content: None,
    ) -> None:
        self._model = model
        self._settings = TimelineSettings() if settings is None else settings
        self._detector = detector_named(detector)
        self._tap = tap
        self._input: _Sound | _Packets | None = None
        self._ended = False
        self._sound()  # refuses settings before the first sample

    def push(self, samples: NDArray[Any], *, rate: int = SAMPLE_RATE) -> list[Event]:
        """Take the next samples.

        Args:
            samples: Shape `[n]` or `[n, n_channels]`, floats or integers, as `serkit.read` takes
                them; n may be 0. Channels are averaged.
            rate: Sampling rate in Hz; it may change within a stream.

        Returns:
            What has happened since the last call, in order of time.

        Raises:
            AudioError: A sample is not finite or too large, the shape, type or rate is impossible,
                the stream has ended, or consists of packets. None of the samples is taken, and the
                stream goes on with the next good ones.
        """
        self._require_open()
        if isinstance(self._input, _Packets):
            raise AudioError("the stream consists of packets; start a new one for sound")
        if self._input is None:
            self._input = self._sound()
        return self._input.push(samples, rate)

    def push_packet(self, packet: bytes) -> list[Event]:
        """Take the next packet of the codec; packets may be lost, late or repeated.

        Args:
            packet: One packet.

        Returns:
            As `push`.

        Raises:
            AudioError: The model takes sound, the stream has ended, or consists of sound.
            PacketError: As `Decoder.push`; the packet is not taken.
        """
        return self._of_packets().push(packet)

    def push_decoded(self, packet: Packet, frames: Array) -> list[Event]:
        """Take a packet whose payload was decoded elsewhere; see `Decoder.extend_decoded`.

        Raises:
            AudioError: As `push_packet`.
            PacketError: As `push_packet`.
        """
        return self._of_packets().push_decoded(packet, frames)

    def finish(self) -> list[Event]:
        """End the stream.

        Returns:
            The remaining events; the last one is an `EndEvent`.

        Raises:
            AudioError: The stream has ended already.
        """
        self._require_open()
        self._ended = True
        if self._input is None:
            self._input = self._sound()
        return self._input.finish()

    def overall(self) -> Prediction:
        """One answer for the windows that were classified so far; the stream goes on."""
        if self._input is None:
            self._input = self._sound()
        return self._input.overall()

    def _sound(self) -> _Sound:
        return _Sound(self._model, self._settings, self._detector, self._tap)

    def _of_packets(self) -> _Packets:
        self._require_open()
        if isinstance(self._input, _Sound):
            raise AudioError("the stream consists of sound; start a new one for packets")
        if not self._model.card.takes_log_mel:
            raise AudioError(
                f"{self._model.name} takes sound; choose a model that takes log-mel for packets"
            )
        if self._input is None:
            self._input = _Packets(self._model, self._settings, self._tap)
        return self._input

    def _require_open(self) -> None:
        if self._ended:
            raise AudioError("the stream has ended; start a new one")


class _Sound:
    """Samples -> events."""

    def __init__(
        self,
        model: Recognizer,
        settings: TimelineSettings,
        detector: VoiceDetector | None,
        tap: Callable[[Array], object],
    ) -> None:
        from serkit.codec import LogMelStream

        self._tap = tap

        takes_log_mel = model.card.takes_log_mel
        self._frames = LogMelStream() if takes_log_mel else None
        self._listener = Listener(detector)
        self._tracker = Tracker(
            model,
            settings,
            FRAMES_PER_SECOND if takes_log_mel else SAMPLE_RATE,
            voice=detector is not None,
        )
        # A tracker checks windows of samples itself.
        self._check = SoundCheck() if takes_log_mel else None
        self._resampler = Resampler(SAMPLE_RATE)
        self._position_s = 0.0

    def push(self, samples: NDArray[Any], rate: int) -> list[Event]:
        checked = mono_samples(samples, rate, start_s=self._position_s)
        if not len(checked):
            return []
        events: list[Event] = []
        if rate != self._resampler.rate:
            events += self._take(self._resampler.flush())
            self._resampler = Resampler(rate)
        for start in range(0, len(checked), _PIECE):
            events += self._take(self._resampler.push(checked[start : start + _PIECE]))
        self._position_s += len(checked) / rate
        return events

    def finish(self) -> list[Event]:
        events = self._take(self._resampler.flush())
        if self._frames is not None:
            for block in self._frames.flush():
                events += self._tracker.push(scaled(block), **self._listener.heard())
        events += self._tracker.finish(self._listener.finish())
        return [*events, EndEvent(self.overall())]

    def overall(self) -> Prediction:
        return self._tracker.overall(() if self._check is None else self._check.cautions())

    def _take(self, samples: Array) -> list[Event]:
        if self._check is not None:
            self._check.add(samples)
        self._tap(samples)
        self._listener.push(samples)
        if self._frames is None:
            return self._tracker.push(samples, **self._listener.heard())
        events: list[Event] = []
        for block in self._frames.push(samples):
            events += self._tracker.push(scaled(block), **self._listener.heard())
        return events


class _Packets:
    """Packets -> events."""

    def __init__(
        self, model: Recognizer, settings: TimelineSettings, tap: Callable[[Array], object]
    ) -> None:
        from serkit.codec import Decoder

        self._tap = tap
        self._decoder = Decoder()
        self._tracker = Tracker(
            model, settings, FRAMES_PER_SECOND, voice=False, losses=self._losses
        )
        self._n_frames = self._n_reported = 0

    def push(self, packet: bytes) -> list[Event]:
        return self._take(self._decoder.push(packet))

    def push_decoded(self, packet: Packet, frames: Array) -> list[Event]:
        return self._take(self._decoder.extend_decoded([packet], [frames]))

    def finish(self) -> list[Event]:
        events = [*self._take(self._decoder.flush()), *self._tracker.finish()]
        return [*events, EndEvent(self.overall())]

    def overall(self) -> Prediction:
        lost = lost_frames(self._decoder.concealed, self._n_frames)
        cautions = lost or last_missing(self._decoder.peak is not None)
        cautions += short(self._n_frames / FRAMES_PER_SECOND)
        return self._tracker.overall(cautions)

    def _take(self, frames: Array) -> list[Event]:
        self._n_frames += frames.shape[1]
        content = normalised(frames, peak=self._decoder.running_peak)
        self._tap(content)
        return self._tracker.push(content)

    def _losses(self) -> tuple[Caution, ...]:
        new, self._n_reported = (
            self._decoder.concealed - self._n_reported,
            self._decoder.concealed,
        )
        return lost_frames(new, self._n_frames)
