"""The gaps a receiver conceals before it gives a stream up."""

from __future__ import annotations

from dataclasses import dataclass

from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.errors import PacketError

# Limits of docs/packet-format.md: without them a few bytes would claim hours of memory.
_MAX_GAP = 6000
_MAX_MISSING_PER_RECEIVED = 9
# Frames concealed before the first packet, about 10 s; beyond, the stream was joined late.
_MAX_LEAD_IN = 1024


@dataclass(slots=True)
class Extent:
    """The part of a stream that the packets received span.

    Attributes:
        first: Its first frame; None before the first packet.
        latest: The frame after its last.
        received: Frames that arrived.
    """

    first: int | None
    latest: int
    received: int

    def add(self, start: int, n_frames: int, *, late: bool) -> None:
        """Extend it by a packet.

        Args:
            start: First frame of the packet.
            n_frames: Frames in the packet.
            late: The packet lies before what has been decoded already.

        Raises:
            PacketError: Too much is missing before the packet, or of the whole stream.
        """
        if self.first is None:
            self.latest = self.first = start if start > _MAX_LEAD_IN else 0
        gap = start - self.latest
        if gap > _MAX_GAP:
            raise PacketError(
                f"{_seconds(gap):.2f} s are missing before the packet; expected at most "
                f"{_seconds(_MAX_GAP):.0f} s; start a new decoder"
            )
        if not late:
            self.received += n_frames
        self.latest = max(self.latest, start + n_frames)
        missing = self.latest - self.first - self.received
        if missing > _MAX_GAP + _MAX_MISSING_PER_RECEIVED * self.received:
            raise PacketError(
                f"{_seconds(missing):.2f} s of the stream are missing and "
                f"{_seconds(self.received):.2f} s received; expected at most "
                f"{_seconds(_MAX_GAP):.0f} s and {_MAX_MISSING_PER_RECEIVED} times the received "
                "part missing; start a new decoder"
            )


def _seconds(n_frames: int) -> float:
    return n_frames / FRAMES_PER_SECOND
