"""The position of each packet in its stream."""

from __future__ import annotations

from dataclasses import dataclass, replace

from serkit.codec.frontend import BLOCK_FRAMES
from serkit.codec.packets import COMPACT_SEQUENCES, SEQUENCES, Mode, Packet


@dataclass(frozen=True, slots=True)
class PacketOrder:
    """Places packets on a receiver's frame axis by their start times and sequence numbers.

    The axis is the sender's, unless the stream was joined between timed packets: sequence numbers
    alone do not determine how often they have wrapped around.

    Attributes:
        sequence: Sequence number of the latest packet placed; None before the first.
        frame: Start of that packet on the receiver's axis.
        offset: Sender's frame number less the receiver's; None before the first start time.
        compact: Whether `sequence` is known only modulo `COMPACT_SEQUENCES`, as in a stream joined
            at a compact packet.
    """

    sequence: int | None = None
    frame: int = 0
    offset: int | None = None
    compact: bool = False

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
            return start, self.after(packet, start, next_offset)
        return start, replace(self, offset=next_offset)

    def after(self, packet: Packet, start: int, offset: int | None) -> PacketOrder:
        """The order with a packet as the latest."""
        if packet.compact and self.sequence is not None:
            sequence = (self.sequence + self._ahead(packet, self.sequence)) % SEQUENCES
            return PacketOrder(sequence, start, offset, self.compact)
        return PacketOrder(packet.sequence, start, offset, packet.compact)

    def _predicted(self, packet: Packet) -> int:
        """The start according to the sequence number, unwrapped around the latest packet."""
        if self.sequence is None:
            if packet.start_frame is not None:
                return packet.start_frame
            return packet.sequence * BLOCK_FRAMES
        return self.frame + self._ahead(packet, self.sequence) * BLOCK_FRAMES

    def _ahead(self, packet: Packet, sequence: int) -> int:
        """Blocks from one with this sequence number to the packet."""
        count = COMPACT_SEQUENCES if packet.compact or self.compact else SEQUENCES
        return (packet.sequence - sequence + count // 2) % count - count // 2
