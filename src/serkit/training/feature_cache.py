"""A cache of features, keyed by the content of a recording and how its features are made."""

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
"""A larger file is computed again."""

_CHECKSUM = 16


@dataclass(frozen=True, slots=True)
class FeatureCache:
    """A folder of extracted features, safe to share among processes.

    A file holds a checksum of 16 bytes, then the arrays as NumPy saves them, one after another.

    Attributes:
        folder: Has one folder per feature recipe, with one file per recording.
    """

    folder: Path

    @classmethod
    def default(cls) -> FeatureCache:
        """The user's: `$XDG_CACHE_HOME/serkit/features`, `~/.cache` if that is not set."""
        root = os.environ.get("XDG_CACHE_HOME")
        return cls((Path(root) if root else Path.home() / ".cache") / "serkit" / "features")

    def get(
        self,
        content: str,
        made_by: Mapping[str, Any],
        compute: Callable[[], list[Array]],
    ) -> list[Array]:
        """Cached features, or newly computed ones, which are then cached.

        A damaged file is computed and written again.

        Args:
            content: `content_hash` of the recording.
            made_by: Everything else that decides the features, versions included, as JSON values.
            compute: Called if nothing is cached.
        """
        key = json.dumps(made_by, sort_keys=True).encode()
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
    """The features in a file; None if there is none, or `get` did not write it."""
    try:
        content = read_bounded(path, MAX_BYTES)
        values = content[_CHECKSUM:]
        if content[:_CHECKSUM] != _checksum(values):
            return None
        file = BytesIO(values)
        features = []
        while file.tell() < len(values):
            features.append(np.lib.format.read_array(file, allow_pickle=False))
    # What a damaged array raises depends on where it is damaged.
    except Exception:
        return None
    if any(one.dtype != np.float32 for one in features):
        return None
    return features or None


def _checksum(values: bytes) -> bytes:
    return hashlib.blake2b(values, digest_size=_CHECKSUM).digest()
