"""A file of packets, read in the order of their stream."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from serkit.codec.packet_order import PacketOrder
from serkit.codec.packets import Content, Mode, read_packet, split
from serkit.errors import PacketError

MAX_UNORDERED = 1 << 20
"""Packets of a file that are sorted, at most: 93 h of single blocks, sorted in 50 MB of memory."""


class PacketFile:
    """The packets of a file, sorted by their start in the stream.

    A packet without a start time is placed by its sequence number, unwrapped around the packet
    before it in the file. So any order of up to 21 minutes can be sorted, and any order of a longer
    stream where neighbours in the file are not further apart. Of packets with the same start, the
    one that comes first in the file stays first. A file that is in order may be of any length.

    Args:
        stream: Packets of one stream in any order.

    Attributes:
        n_packets: Number of packets.
        peak: Largest log-mel value of the stream according to its last packet; None if that is
            missing.

    Raises:
        PacketError: A packet is damaged; the file holds the ends of several streams; or more than
            `MAX_UNORDERED` packets are out of order.
    """

    def __init__(self, stream: Content) -> None:
        self._stream = stream
        self.n_packets = 0
        places, starts = array("q"), array("q")
        place, latest, in_order = 0, -np.inf, True
        order = _anchor(stream)
        ends = set()
        for content in split(stream):
            packet = read_packet(content)
            if packet.peak is not None:
                ends.add((content, packet.peak))
            start, _ = order.place(packet)
            if packet.mode is Mode.BASIS:
                order = order.after(packet, start, 0)
            in_order &= start >= latest
            latest = start
            if self.n_packets < MAX_UNORDERED:
                places.append(place)
                starts.append(start)
            place += len(content)
            self.n_packets += 1
        if len(ends) > 1:
            raise PacketError(
                f"the file holds the ends of {len(ends)} streams; decode one stream at a time"
            )
        if not in_order and self.n_packets > MAX_UNORDERED:
            raise PacketError(
                f"the file holds {self.n_packets} packets out of order; expected at most "
                f"{MAX_UNORDERED}"
            )
        self.peak = next(iter(ends))[1] if ends else None
        self._spans: NDArray[np.int64] | None = None
        if not in_order:
            spans = np.stack((places, np.append(places[1:], place)), axis=1)
            self._spans = spans[np.argsort(np.array(starts), kind="stable")]

    def __iter__(self) -> Iterator[bytes]:
        if self._spans is None:
            yield from split(self._stream)
            return
        for start, stop in self._spans:
            yield self._stream[int(start) : int(stop)]


def _anchor(stream: Content) -> PacketOrder:
    """The order by which the file's first packet is placed: that of its first start time."""
    for packet in map(read_packet, split(stream)):
        if packet.mode is Mode.BASIS and packet.start_frame is not None:
            return PacketOrder(packet.sequence, packet.start_frame, 0)
    return PacketOrder(offset=0)
