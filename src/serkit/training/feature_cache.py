"""A cache of features on disk, keyed by the content of a recording and the extraction settings."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.files import read_bounded, write_atomically

Array = NDArray[np.float32]

MAX_BYTES = 1 << 30
"""Size of a cached file, at most; larger ones are computed again."""

_CHECKSUM = 16


@dataclass(frozen=True, slots=True)
class FeatureCache:
    """A folder of extracted features, safe for concurrent processes.

    A file holds a checksum of 16 bytes, followed by the arrays in NumPy's `.npy` format.

    Attributes:
        folder: The root, with one folder per extraction settings and one file per recording.
    """

    folder: Path

    @classmethod
    def default(cls) -> FeatureCache:
        """The user's cache, `$XDG_CACHE_HOME/serkit/features`, by default below `~/.cache`."""
        root = os.environ.get("XDG_CACHE_HOME")
        return cls((Path(root) if root else Path.home() / ".cache") / "serkit" / "features")

    def get(
        self,
        content: str,
        settings: Mapping[str, Any],
        compute: Callable[[], list[Array]],
    ) -> list[Array]:
        """Return cached features, or compute and cache them.

        A damaged file is computed and written again.

        Args:
            content: `content_hash` of the recording.
            settings: Everything else that determines the features, including versions, as JSON
                values.
            compute: Called if nothing is cached.
        """
        key = json.dumps(settings, sort_keys=True).encode()
        name = hashlib.blake2b(key, digest_size=12).hexdigest()
        path = self.folder / name / content[:2] / f"{content}.npy"
        cached = _cached(path)
        if cached is not None:
            return cached
        features = compute()
        buffer = BytesIO()
        for one in features:
            np.save(buffer, one, allow_pickle=False)
        write_atomically(path, _checksum(buffer.getvalue()) + buffer.getvalue())
        return features


def _cached(path: Path) -> list[Array] | None:
    """The features in a file; None if it is missing, damaged or not written by `get`."""
    try:
        content = read_bounded(path, MAX_BYTES)
        values = content[_CHECKSUM:]
        if content[:_CHECKSUM] != _checksum(values):
            return None
        file = BytesIO(values)
        features = []
        while file.tell() < len(values):
            # Unlike np.load, it reads no archives, which would not advance the file.
            features.append(np.lib.format.read_array(file, allow_pickle=False))
    # Damaged arrays raise errors of many types.
    except Exception:
        return None
    if not all(one.dtype == np.float32 for one in features):
        return None
    return features or None


def _checksum(values: bytes) -> bytes:
    return hashlib.blake2b(values, digest_size=_CHECKSUM).digest()
