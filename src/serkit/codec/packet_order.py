"""The position of each packet in its stream."""

from __future__ import annotations

from dataclasses import dataclass, replace

from serkit.codec.frontend import BLOCK_FRAMES
from serkit.codec.packets import SEQUENCES, Mode, Packet


@dataclass(frozen=True, slots=True)
class PacketOrder:
    """Places packets on a receiver's frame axis by their start times and sequence numbers.

    The axis is the sender's, but for a stream joined late in which no packet has given its start
    yet: sequence numbers alone do not tell how often they have wrapped around.

    Attributes:
        sequence: Sequence number of the latest packet placed; None before the first.
        frame: Start of that packet on the receiver's axis.
        offset: Sender's frame number less the receiver's; None before the first start time.
    """

    sequence: int | None = None
    frame: int = 0
    offset: int | None = None

    def place(self, packet: Packet) -> tuple[int, PacketOrder]:
        """The packet's first frame on the receiver's axis, and the order that includes it."""
        if packet.mode is not Mode.BASIS and packet.start_frame is not None:
            offset = self.offset or 0
            return packet.start_frame - offset, replace(self, offset=offset)
        start, next_offset = self._predicted(packet), self.offset
        if packet.start_frame is not None:
            if next_offset is None:
                next_offset = packet.start_frame - start
            # The start time decides, as a gap may exceed the range of sequence numbers.
            start = packet.start_frame - next_offset
        if self.sequence is None or start > self.frame:
            return start, PacketOrder(packet.sequence, start, next_offset)
        return start, replace(self, offset=next_offset)

    def _predicted(self, packet: Packet) -> int:
        """The start according to the sequence number, unwrapped around the latest packet."""
        if self.sequence is None:
            if packet.start_frame is not None:
                return packet.start_frame
            return packet.sequence * BLOCK_FRAMES
        half = SEQUENCES // 2
        ahead = (packet.sequence - self.sequence + half) % SEQUENCES - half
        return self.frame + ahead * BLOCK_FRAMES
