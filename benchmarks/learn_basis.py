"""The codec's basis, learned from corpora.

The shipped one: SERKIT_CORPORA=/folder python benchmarks/learn_basis.py ravdess nemo tess
writes src/serkit/codec/basis.safetensors (another file with -o).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from serkit.codec import BLOCK_FRAMES, Basis, log_mel_of
from serkit.corpora import Utterance, load
from serkit.features.whisper import clamped
from serkit.files import write_atomically
from serkit.training import read_utterance
from serkit.training.codec_basis import learn_basis

SHIPPED = Path(__file__).parents[1] / "src" / "serkit" / "codec" / "basis.safetensors"
MOST = 1500
"""Recordings of a corpus; of a larger one an even selection is taken."""


def blocks_of(utterance: Utterance) -> list[NDArray[np.float32]]:
    """Blocks of a recording, the last filled up, as an encoder would take them."""
    log_mel = log_mel_of(read_utterance(utterance))
    log_mel = clamped(log_mel, float(log_mel.max()))
    short = -log_mel.shape[1] % BLOCK_FRAMES
    filled = np.pad(log_mel, ((0, 0), (0, short)), mode="edge")
    return np.split(filled, filled.shape[1] // BLOCK_FRAMES, axis=1)


def learned_from(corpora: Iterable[str], **options: Any) -> Basis:
    """A basis of some corpora."""
    blocks = []
    for name in corpora:
        utterances = load(name).utterances
        chosen = utterances[:: -(-len(utterances) // MOST)]
        with ProcessPoolExecutor() as pool:
            for found in pool.map(blocks_of, chosen, chunksize=32):
                blocks += found
    return learn_basis(blocks, **options)


def main() -> None:
    """Learn and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("-o", "--out", type=Path, default=SHIPPED)
    asked = parser.parse_args()
    basis = learned_from(asked.corpora)
    content = save(basis.tensors())
    write_atomically(asked.out, content)
    print(f"{asked.out}: {len(content)} bytes, hash {basis.digest.hex()}")


if __name__ == "__main__":
    main()
