"""A name for what a recording sounds like, whatever file it is stored in."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def content_hash(samples: NDArray[np.float32]) -> str:
    """Hash decoded samples, so that a WAV and a FLAC of the same audio agree.

    BLAKE2b with a 16-byte digest over the samples as little-endian float32; negative zero
    counts as zero.

    Args:
        samples: Mono samples at 16 kHz as from `serkit.audio.read`, shape `[n_samples]`.

    Returns:
        32 hexadecimal digits.
    """
    plain = np.ascontiguousarray(samples, dtype="<f4") + np.float32(0.0)
    return hashlib.blake2b(plain.tobytes(), digest_size=16).hexdigest()
