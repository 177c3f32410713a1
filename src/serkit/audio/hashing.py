"""Hashes of decoded audio, independent of the file format."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class ContentHash:
    """`content_hash` of a recording in blocks of any length."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def update(self, samples: Samples) -> None:
        """Add the next samples.

        Args:
            samples: Mono at 16 kHz, shape `[n_samples]`.
        """
        # Adding zero turns negative zero into zero.
        plain = np.ascontiguousarray(samples, dtype="<f4") + np.float32(0.0)
        self._hash.update(plain.tobytes())

    def hexdigest(self) -> str:
        """The hash of all samples so far, 32 hexadecimal digits."""
        return self._hash.hexdigest()


def content_hash(samples: Samples) -> str:
    """Hash decoded samples; a WAV and a FLAC of the same audio have the same hash.

    BLAKE2b with a 16-byte digest over the samples as little-endian float32, negative zero as zero.

    Args:
        samples: Mono samples at 16 kHz as from `serkit.audio.read`, shape `[n_samples]`.

    Returns:
        32 hexadecimal digits.
    """
    running = ContentHash()
    running.update(samples)
    return running.hexdigest()
