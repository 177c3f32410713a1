"""What the client answers: a result, where it comes from, and what it cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from serkit.runtime import Prediction, Timeline
from serkit.serving.asr.transcript import TranscriptSegment
from serkit.serving.client.energy import CPU_WATTS, Radio

Way = Literal["device", "server"]
Result = TypeVar("Result", bound=Prediction | Timeline)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way to an answer cost.

    Attributes:
        way: Where the answer was computed.
        seconds: Time from the question to the answer, or to the failure.
        cpu_s: Time of the processor for coding the recording, or for the model on the device.
        bytes_sent: To the server, all attempts together: messages with their headers, without those
            of TLS, TCP and IP.
        attempts: Requests or connections; 0 on the device.
        joules: Energy by the model of `serkit.serving.client.energy`, without the tail of LTE.
    """

    way: Way
    seconds: float
    cpu_s: float
    bytes_sent: int
    attempts: int
    joules: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "way": self.way,
            "seconds": round(self.seconds, 6),
            "cpu_s": round(self.cpu_s, 6),
            "bytes_sent": self.bytes_sent,
            "attempts": self.attempts,
            "joules": round(self.joules, 6),
        }


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """An answer.

    Attributes:
        result: The `Prediction` or the `Timeline`.
        source: `server` or `device`.
        reason: Why the device answered: it was sure, or what is wrong with the server; None for an
            answer of the server.
        costs: Of each way that was tried, in order.
        modalities: What the answer is made from.
        text: What was said; None if it was not recognised.
        language: Of the text, as ISO 639-1; None if unknown.
        text_reason: Why the server gave no text, such as `late`; None if it gave one, or recognises
            no speech.
        text_segments: The text in parts, with their times.
    """

    result: Result
    source: Way
    reason: str | None
    costs: tuple[Cost, ...]
    modalities: tuple[str, ...] = ("acoustic",)
    text: str | None = None
    language: str | None = None
    text_reason: str | None = None
    text_segments: tuple[TranscriptSegment, ...] = ()


class Meter:
    """Measures one way to an answer.

    Args:
        way: Which.
        radio: Of the device; unused on the device itself.

    Attributes:
        bytes_sent: So far.
        attempts: So far.
        cpu_s: So far.
    """

    def __init__(self, way: Way, radio: Radio) -> None:
        self._way = way
        self._radio = radio
        self._begun = time.monotonic()
        self.bytes_sent = 0
        self.attempts = 0
        self.cpu_s = 0.0

    def restart(self) -> None:
        """Begin to measure the time now."""
        self._begun = time.monotonic()

    def cost(self) -> Cost:
        """What it cost until now."""
        seconds = time.monotonic() - self._begun
        joules = self.cpu_s * CPU_WATTS
        if self._way == "server":
            joules += self._radio.joules(self.bytes_sent, max(0.0, seconds - self.cpu_s))
        return Cost(self._way, seconds, self.cpu_s, self.bytes_sent, self.attempts, joules)
