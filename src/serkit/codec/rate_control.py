"""Rate control of a live stream."""

from __future__ import annotations

import numpy as np

from serkit.codec.basis import DEFAULT_QUALITY, N_QUALITIES
from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.errors import PacketError

# Rate of typical live speech at the default quality, and increase of the log-rate per quality step:
# close to what benchmarks/rate_distortion.py measures on EmoDB (1.89 kbit/s, 0.17).
_TYPICAL_KBPS = 1.9
_LOG_RATE_PER_QUALITY = 0.165

# Chosen by hand; tests/codec/test_rate_control.py holds what they achieve.
_MEMORY_FRAMES = 640.0  # time constant of the demand: 6.4 s
_MAX_DEMAND = 0.7  # in log-rate: half to twice the typical rate
_FRAMES_PER_QUALITY = 64.0  # a lead of 0.64 s lowers the quality by one step
_MAX_CREDIT = 2.0  # in quality steps: silence saves up at most 1.28 s
_MAX_DEBT = 40.0  # in quality steps: 25.6 s


class RateControl:
    """Chooses the quality of each packet so that a stream keeps to an average rate.

    The quality is the one at which typical speech takes the rate, corrected by how much more or
    less the recent speech takes (*demand*), and by how far the stream exceeds the rate (*debt*).

    Args:
        kbps: Rate to keep, in kbit/s.

    Raises:
        PacketError: The rate is not above 0 and finite.
    """

    def __init__(self, kbps: float) -> None:
        if not 0.0 < kbps < np.inf:
            raise PacketError(f"the rate is {kbps} kbit/s; expected above 0")
        self._kbps = kbps
        self._demand = 0.0
        self._debt = 0.0

    @property
    def quality(self) -> int:
        """Quality of the next packet."""
        corrected = np.log(self._kbps / _TYPICAL_KBPS) - self._demand
        quality = DEFAULT_QUALITY + corrected / _LOG_RATE_PER_QUALITY - self._debt
        return int(np.clip(np.round(quality), 0, N_QUALITIES - 1))

    def update(self, n_bytes: int, n_frames: int) -> None:
        """Account for a packet coded at `quality`.

        Args:
            n_bytes: Size of the packet.
            n_frames: Frames in it.
        """
        kbps = 8e-3 * n_bytes * FRAMES_PER_SECOND / n_frames
        typical = np.log(_TYPICAL_KBPS) + (self.quality - DEFAULT_QUALITY) * _LOG_RATE_PER_QUALITY
        weight = min(1.0, n_frames / _MEMORY_FRAMES)
        demand = (1.0 - weight) * self._demand + weight * (np.log(kbps) - typical)
        lead = (kbps / self._kbps - 1.0) * n_frames / _FRAMES_PER_QUALITY
        self._demand = float(np.clip(demand, -_MAX_DEMAND, _MAX_DEMAND))
        # Without a limit the first word after a long silence would burst.
        self._debt = float(np.clip(self._debt + lead, -_MAX_CREDIT, _MAX_DEBT))
