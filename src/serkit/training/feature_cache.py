"""Features once: kept by what a recording sounds like and how they are made."""

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

    A file holds a checksum of 16 bytes, then the array as NumPy saves it.

    Attributes:
        folder: Holds a folder for each way features are made, and in it a file a recording.
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
        compute: Callable[[], Array],
    ) -> Array:
        """The features kept, or those computed now, which are then kept.

        A file that is damaged is computed and written again.

        Args:
            content: `content_hash` of the recording.
            made_by: All that decides the features besides, with its version, as JSON values.
            compute: Called where nothing is kept.
        """
        way = json.dumps(made_by, sort_keys=True).encode()
        name = hashlib.blake2b(way, digest_size=12).hexdigest()
        path = self.folder / name / content[:2] / f"{content}.npy"
        found = _kept(path)
        if found is not None:
            return found
        features = compute()
        buffer = BytesIO()
        np.save(buffer, features, allow_pickle=False)
        write_atomically(path, _checksum(buffer.getvalue()) + buffer.getvalue())
        return features


def _kept(path: Path) -> Array | None:
    """The features in a file; None if there is none, or it is not what `get` wrote."""
    try:
        content = read_bounded(path, MAX_BYTES)
        values = content[_CHECKSUM:]
        if content[:_CHECKSUM] != _checksum(values):
            return None
        found = np.load(BytesIO(values), allow_pickle=False)
    # What a damaged array raises depends on where it is damaged.
    except Exception:
        return None
    # An archive of arrays is none of ours.
    return found if isinstance(found, np.ndarray) and found.dtype == np.float32 else None


def _checksum(values: bytes) -> bytes:
    return hashlib.blake2b(values, digest_size=_CHECKSUM).digest()
