"""Detectors of voice activity, and the state of one recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serkit.audio.reading import SAMPLE_RATE
from serkit.audio.voice.options import VoiceOptions
from serkit.audio.voice.segments import Segmenter, VoiceSegment
from serkit.errors import AudioError

Samples = NDArray[np.float32]

# As in `serkit.audio.reading`: power spectra of larger samples overflow float32.
_MAX_SAMPLE = 1e12


class FrameScorer(Protocol):
    """Probability of speech per frame of one recording; the state is kept between calls.

    Attributes:
        hop: Samples per frame; frame `i` stands for samples `i * hop` to `(i + 1) * hop`.
    """

    hop: int

    def push(self, samples: Samples) -> NDArray[np.float32]:
        """Take samples at 16 kHz, shape `[n]`; the frames that can be decided, `[n_frames]`."""
        ...

    def finish(self) -> NDArray[np.float32]:
        """End the recording; the remaining frames, so that all samples are covered."""
        ...


class VoiceDetector(Protocol):
    """A detector; immutable, for any number of recordings at once.

    Attributes:
        name: Name of the method, such as `bands`.
        options: How frame probabilities become stretches.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described above

    @property
    def options(self) -> VoiceOptions: ...  # noqa: D102

    def start(self) -> VoiceStream:
        """The state of a new recording."""
        ...


class VoiceStream:
    """Voice activity of one recording; memory does not grow with its length.

    The segments are exactly the same whatever the lengths of the chunks. A stream is not safe for
    use by several threads at once.

    Args:
        scorer: Probability of speech per frame.
        options: How probabilities become stretches.
    """

    def __init__(self, scorer: FrameScorer, options: VoiceOptions) -> None:
        self._scorer = scorer
        self._segmenter = Segmenter(options, scorer.hop)
        self._n_samples = 0
        self._finished = False

    def push(self, samples: Samples) -> list[VoiceSegment]:
        """Take the next samples.

        Args:
            samples: Mono at 16 kHz, shape `[n]`, `n >= 0`.

        Returns:
            The segments that are now final, in order.

        Raises:
            AudioError: The samples have another shape or are not finite, or the stream is
                finished; the stream is as it was before.
        """
        self._refuse_finished()
        samples = np.ascontiguousarray(samples, np.float32)
        if samples.ndim != 1:
            raise AudioError(f"the samples have shape {list(samples.shape)}; expected [n_samples]")
        self._refuse_invalid(samples)
        self._n_samples += len(samples)
        return self._segmenter.push(self._scorer.push(samples))

    def finish(self) -> list[VoiceSegment]:
        """End the recording; the remaining segments.

        Raises:
            AudioError: The stream is finished.
        """
        self._refuse_finished()
        self._finished = True
        segments = self._segmenter.push(self._scorer.finish())
        return segments + self._segmenter.finish(self._n_samples)

    @property
    def position_s(self) -> float:
        """End of the samples taken so far, in seconds."""
        return self._n_samples / SAMPLE_RATE

    @property
    def decided_s(self) -> float:
        """Time before which nothing changes, in seconds.

        All segments that end before it were returned; one that has not ended is `open_since_s`.
        """
        return self.position_s if self._finished else self._segmenter.decided_s

    @property
    def open_since_s(self) -> float | None:
        """Start in seconds of the segment that has not ended; None if there is none.

        A segment counts from the moment it is long enough not to be dropped.
        """
        return self._segmenter.open_since_s

    def _refuse_finished(self) -> None:
        if self._finished:
            raise AudioError("the voice stream is finished; start another one")

    def _refuse_invalid(self, samples: Samples) -> None:
        # The energy is not finite if any sample is not; it is much faster than a test of each.
        with np.errstate(over="ignore", invalid="ignore"):
            energy = np.dot(samples, samples)
        if energy <= _MAX_SAMPLE**2:
            return
        valid = np.abs(samples) <= _MAX_SAMPLE
        if valid.all():
            return
        first = int(np.argmin(valid))
        at = (self._n_samples + first) / SAMPLE_RATE
        raise AudioError(
            f"the sample at {at:.3f} s is {samples[first]:.3g}; expected a finite number, -1 to 1"
        )


def voice_segments(
    blocks: Iterable[Samples], detector: VoiceDetector | None = None
) -> Iterator[VoiceSegment]:
    """Stretches of speech in a recording, in constant memory.

    Args:
        blocks: Consecutive samples at 16 kHz, as from `serkit.audio.stream`.
        detector: The detector; None for `BandDetector` with its default options.

    Yields:
        The segments in order, each as soon as it is final.

    Raises:
        AudioError: As `VoiceStream.push`.
    """
    if detector is None:
        from serkit.audio.voice.bands import BandDetector

        detector = BandDetector()
    stream = detector.start()
    for block in blocks:
        yield from stream.push(block)
    yield from stream.finish()
