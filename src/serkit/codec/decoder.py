"""Packets -> log-mel frames, as they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import Basis
from serkit.codec.gaps import Extent
from serkit.codec.packet_order import PacketOrder
from serkit.codec.packets import Packet, read_packet
from serkit.codec.payloads import decode_payloads
from serkit.features.whisper import N_MELS

Array = NDArray[np.float32]


class Decoder:
    """Reorders packets, decodes them and conceals lost ones.

    Late and repeated packets are dropped. A missing packet is waited for until `reorder` later
    ones have arrived; then its frames are interpolated between their neighbours, as are up to 10 s
    before the first packet. A stream joined later than that starts at the first packet received.
    At most 60 s plus nine times the received part may be missing, so that few packets cannot claim
    hours.

    Args:
        basis: The shipped basis if None.
        reorder: Number of later packets to wait for a missing one.

    Attributes:
        concealed: Frames interpolated so far.
        peak: Largest log-mel value of the stream according to its sender; None until the last
            packet has arrived.
    """

    def __init__(
        self,
        *,
        basis: Basis | None = None,
        reorder: int = 4,
    ) -> None:
        self._basis = basis
        self._reorder = reorder
        self._waiting: dict[int, Array] = {}
        self._order = PacketOrder()
        self._first: int | None = None
        self._next = 0
        self._received = 0
        self._largest = -np.inf
        self._last_frame: Array | None = None
        self.concealed = 0
        self.peak: float | None = None

    @property
    def first_frame(self) -> int | None:
        """Position of the first decoded frame in the sender's stream; 0 if joined at its beginning.

        None until a packet with a start time has arrived.
        """
        offset = self._order.offset
        return None if self._first is None or offset is None else self._first + offset

    @property
    def running_peak(self) -> float:
        """Largest log-mel value received so far; `peak` once that is known, -inf before any packet.

        The peak by which a live receiver normalises, see `normalised`. It does not depend on how
        packets are batched.
        """
        return self._largest if self.peak is None else self.peak

    def push(self, packet: bytes) -> Array:
        """Take a packet and return the frames that are ready.

        Args:
            packet: One packet.

        Returns:
            `log10` mel energies that continue those returned before, shape `[80, n]`; n may be 0.

        Raises:
            PacketError: The packet is damaged or of another basis; or more than 60 s are missing
                before it, or more of the stream than 60 s plus nine times the received part, after
                which a new decoder is needed. The decoder's state is as before the packet.
        """
        return self.extend([packet])

    def extend(self, packets: Iterable[bytes]) -> Array:
        """`push` for several packets, which is faster.

        Raises:
            PacketError: As `push`, for any of the packets; none of them is taken.
        """
        read = [read_packet(packet) for packet in packets]
        return self.extend_decoded(read, decode_payloads(read, self._basis))

    def extend_decoded(self, packets: Sequence[Packet], decoded: Sequence[Array]) -> Array:
        """`extend` for packets whose payloads were decoded elsewhere, as with other streams'.

        Args:
            packets: The packets.
            decoded: Their frames, each `[80, n]`; see `decode_payloads`.

        Raises:
            PacketError: As `push`, for any of the packets; none of them is taken.
        """
        starts = self._place(packets, decoded)
        ready: list[Array] = []
        for start, packet, frames in zip(starts, packets, decoded, strict=True):
            self._largest = max(self._largest, float(frames.max()))
            if packet.peak is not None:
                self.peak = packet.peak
            if start + frames.shape[1] > self._next:
                self._waiting.setdefault(start, frames)
            ready += self._ready(patient=True)
        return _joined(ready)

    def flush(self) -> Array:
        """End the stream and return the remaining frames."""
        return _joined(self._ready(patient=False))

    def _place(self, packets: Sequence[Packet], decoded: Sequence[Array]) -> list[int]:
        """The start of each packet; the state changes only if all are accepted."""
        order = self._order
        ends = [start + frames.shape[1] for start, frames in self._waiting.items()]
        extent = Extent(self._first, max([self._next, *ends]), self._received)
        starts = []
        for packet, frames in zip(packets, decoded, strict=True):
            start, order = order.place(packet)
            n_frames = frames.shape[1]
            extent.add(start, n_frames, late=start + n_frames <= self._next)
            starts.append(start)
        if self._first is None and extent.first is not None:
            self._first = self._next = extent.first
        self._order, self._received = order, extent.received
        return starts

    def _ready(self, *, patient: bool) -> list[Array]:
        """Frames that can be returned; if not patient, missing packets are no longer waited for."""
        ready = []
        while self._waiting:
            first = min(self._waiting)
            if first > self._next:
                if patient and len(self._waiting) <= self._reorder:
                    break
                ready.append(self._concealment(first))
                self._next = first
            frames = self._waiting.pop(first)
            # Packets of one stream never overlap; of foreign ones the earlier packet wins.
            frames = frames[:, max(0, self._next - first) :]
            if frames.shape[1]:
                ready.append(frames)
                self._last_frame = frames[:, -1]
                self._next += frames.shape[1]
        return ready

    def _concealment(self, first: int) -> Array:
        """Frames interpolated from the last one returned to the waiting packet at `first`."""
        after = self._waiting[first][:, 0]
        before = after if self._last_frame is None else self._last_frame
        n_missing = first - self._next
        self.concealed += n_missing
        weights = np.arange(1, n_missing + 1, dtype=np.float32) / np.float32(n_missing + 1)
        frames: Array = before[:, None] + (after - before)[:, None] * weights
        return frames


def _joined(parts: list[Array]) -> Array:
    return np.concatenate(parts, axis=1) if parts else np.empty((N_MELS, 0), np.float32)
