"""The quality at which a recording keeps to a rate."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import N_QUALITIES, Basis
from serkit.codec.encoder import BlockGroups, Packetiser
from serkit.codec.frontend import too_short

Array = NDArray[np.float32]

# Blocks that a search codes at most: 5.5 minutes (chosen by hand).
_MAX_SAMPLED_BLOCKS = 1024


class PacketSample:
    """Packets spread evenly over a recording, from which the size of the whole is estimated.

    A recording of up to 5.5 minutes is kept whole, and its sizes are exact.

    Args:
        blocks: Samples of the recording in blocks, mono at 16 kHz, float32; read once.
        blocks_per_packet: Blocks of 320 ms per packet.
        basis: The shipped basis if None.

    Attributes:
        n_samples: Length of the recording.

    Raises:
        AudioError: The recording is shorter than a frame.
    """

    def __init__(
        self, blocks: Iterable[Array], blocks_per_packet: int, basis: Basis | None
    ) -> None:
        self.n_samples = 0
        self._basis = basis
        self._kept: list[list[Array]] = []
        self._stride = 1
        self._n_groups = self._n_blocks = 0
        self._sizes: dict[int, float] = {}
        groups = BlockGroups(blocks_per_packet)
        for samples in blocks:
            self.n_samples += len(samples)
            self._keep(groups.push(samples))
        self._keep(groups.flush())
        self._peak = groups.peak
        if not self._kept:
            raise too_short()

    def _keep(self, groups: Iterable[list[Array]]) -> None:
        for group in groups:
            if self._n_groups % self._stride == 0:
                self._kept.append(group)
            self._n_groups += 1
            self._n_blocks += len(group)
            if len(self._kept) * len(group) > _MAX_SAMPLED_BLOCKS:
                self._kept = self._kept[::2]
                self._stride *= 2

    def estimated_bytes(self, quality: int) -> float:
        """Estimated size of all packets at a quality, in bytes."""
        if quality not in self._sizes:
            packets = Packetiser(quality, basis=self._basis).packets(self._kept, peak=self._peak)
            share = sum(map(len, self._kept)) / self._n_blocks
            self._sizes[quality] = sum(map(len, packets)) / share
        return self._sizes[quality]

    def best_quality(self, max_bytes: float) -> int:
        """The highest quality within a size; 0 if none is."""
        low, high = 0, N_QUALITIES - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.estimated_bytes(middle) <= max_bytes:
                low = middle
            else:
                high = middle - 1
        return low
