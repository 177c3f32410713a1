"""The payloads of packets of any mode -> log-mel frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import Basis
from serkit.codec.basis_file import shipped_basis
from serkit.codec.blocks import decode_blocks
from serkit.codec.frontend import BLOCK_FRAMES
from serkit.codec.packets import MAX_FRAMES, Mode, Packet
from serkit.codec.svd import decode_svd, decode_svdq
from serkit.errors import PacketError

Array = NDArray[np.float32]

# The range of a packet's peak, a signed 16-bit number of 256ths (docs/packet-format.md).
_MAX_LOG_MEL = 128.0


def decode_payloads(packets: Sequence[Packet], basis: Basis | None = None) -> list[Array]:
    """Decode packets, each on its own.

    Args:
        packets: Packets of any modes.
        basis: Basis of the packets in mode `basis`; the shipped one if None.

    Returns:
        For each packet its frames, `log10` mel energies of shape `[80, n_frames]`.

    Raises:
        PacketError: A payload is damaged, was coded with another basis, lacks the start that its
            mode requires, or decodes to values no sound has.
    """
    in_blocks = [packet for packet in packets if packet.mode is Mode.BASIS]
    from_blocks = iter(_decode_basis(in_blocks, basis or shipped_basis()) if in_blocks else ())
    frames = [
        next(from_blocks) if packet.mode is Mode.BASIS else _decode_low_rank(packet)
        for packet in packets
    ]
    for log_mel in frames:
        # A peak could not express them, and a preview would overflow.
        if not np.abs(log_mel).max() <= _MAX_LOG_MEL:
            raise PacketError(f"a packet has log-mel values beyond {_MAX_LOG_MEL:.0f}")
    return frames


def _decode_basis(packets: Sequence[Packet], basis: Basis) -> list[Array]:
    for packet in packets:
        if packet.basis and packet.basis != basis.digest:
            raise PacketError(
                f"the packet's basis is {packet.basis.hex()}, the decoder's "
                f"{basis.digest.hex()}; install the version of serkit that sent it"
            )
    sizes = [_n_frames(packet, BLOCK_FRAMES) for packet in packets]
    n_blocks = [-(-size // BLOCK_FRAMES) for size in sizes]
    decoded = decode_blocks(basis, [packet.payload for packet in packets], n_blocks)
    frames = []
    for log_mel, size in zip(decoded, sizes, strict=True):
        if isinstance(log_mel, PacketError):
            raise log_mel
        frames.append(log_mel[:, :size])
    return frames


def _decode_low_rank(packet: Packet) -> Array:
    if packet.start_frame is None:
        raise PacketError(f"a packet in mode {packet.mode.name.lower()} lacks its start")
    decode = decode_svd if packet.mode is Mode.SVD else decode_svdq
    return decode(packet.payload, _n_frames(packet, 0))


def _n_frames(packet: Packet, default: int) -> int:
    n_frames = default if packet.n_frames is None else packet.n_frames
    if not 1 <= n_frames <= MAX_FRAMES:
        raise PacketError(f"the packet has {n_frames} frames; expected 1 to {MAX_FRAMES}")
    return n_frames
