"""A detector of voice that was told where voice is."""

from types import SimpleNamespace

RATE = 16_000


class Scripted:
    """Knows the voiced stretches, each some time after it has heard them."""

    def __init__(self, *stretches, lag_s=0.3):
        self.stretches = [SimpleNamespace(start_s=start, end_s=end) for start, end in stretches]
        self.lag_s = lag_s

    def start(self):
        return _Stream(self.stretches, self.lag_s)


class _Stream:
    def __init__(self, stretches, lag_s):
        self._coming, self._lag_s, self._n = list(stretches), lag_s, 0

    @property
    def decided_s(self):
        return max(0.0, self._n / RATE - self._lag_s)

    @property
    def open_since_s(self):
        if self._coming and self._coming[0].start_s < self.decided_s:
            return self._coming[0].start_s
        return None

    def push(self, samples):
        self._n += len(samples)
        ended = [one for one in self._coming if one.end_s <= self.decided_s]
        self._coming = self._coming[len(ended) :]
        return ended

    def finish(self):
        return [one for one in self._coming if one.start_s < self._n / RATE]
