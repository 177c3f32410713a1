import numpy as np
import pytest

from codec.voices import VOICE, voice
from serkit.codec import Encoder


def test_a_stream_keeps_its_rate():
    """Within 3 % over a minute, and never more than two seconds above it."""
    sound = voice(60.0)
    for kbps in (1.0, 2.0, 4.0):
        encoder = Encoder(kbps=kbps)
        sizes = [len(packet) for packet in encoder.push(sound) + encoder.flush()]
        assert 8e-3 * sum(sizes) / 60.0 == pytest.approx(kbps, rel=0.03)
        lead = np.cumsum(sizes) - kbps * 125.0 * 0.32 * np.arange(1, len(sizes) + 1)
        assert lead.max() < kbps * 125.0 * 2.0


def test_little_rate_is_saved_up_in_silence():
    encoder = Encoder(kbps=2.0)
    encoder.push(np.zeros(16_000 * 120, np.float32))
    sizes = [len(packet) for packet in encoder.push(VOICE)]
    assert 8e-3 * sum(sizes) / 6.0 < 2.5
