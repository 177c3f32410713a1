from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

WriteClips = Callable[..., Path]


@pytest.fixture
def clips(tmp_path: Path) -> WriteClips:
    """Writes 50 ms clips, each with a sound of its own, at paths relative to a folder."""
    rng = np.random.default_rng(7)

    def write(*names: str, rate: int = 16_000, channels: int = 1) -> Path:
        root = tmp_path / "corpus"
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = rng.uniform(-0.5, 0.5, (rate // 20, channels))
            soundfile.write(path, noise, rate)
        return root

    return write
