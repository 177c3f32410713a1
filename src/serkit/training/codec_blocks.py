"""Log-mel blocks of corpora, to train the codec's basis on."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from serkit.codec import BLOCK_FRAMES, log_mel_of
from serkit.corpora import Utterance, load
from serkit.features.whisper import clamped
from serkit.training.data import read_utterance
from serkit.training.workers import worker_pool

MAX_RECORDINGS = 1500
"""Recordings per corpus; larger corpora are subsampled evenly."""


def utterance_blocks(utterance: Utterance) -> list[NDArray[np.float32]]:
    """Blocks of a recording, clamped and padded as by the encoder.

    Args:
        utterance: The recording.

    Returns:
        Arrays of shape `[80, 32]`; the last repeats its final frame.

    Raises:
        CorpusError: The recording cannot be read.
    """
    log_mel = log_mel_of(read_utterance(utterance))
    log_mel = clamped(log_mel, float(log_mel.max()))
    n_missing = -log_mel.shape[1] % BLOCK_FRAMES
    padded = np.pad(log_mel, ((0, 0), (0, n_missing)), mode="edge")
    return np.split(padded, padded.shape[1] // BLOCK_FRAMES, axis=1)


def corpus_blocks(corpora: Iterable[str]) -> list[NDArray[np.float32]]:
    """Blocks of up to 1500 recordings of each corpus, in parallel.

    Args:
        corpora: Names as `serkit.corpora.load` takes them.

    Returns:
        Arrays of shape `[80, 32]`.

    Raises:
        CorpusError: A corpus or a recording cannot be read.
    """
    blocks = []
    with worker_pool(os.cpu_count() or 1) as pool:
        for name in corpora:
            utterances = load(name).utterances
            chosen = utterances[:: -(-len(utterances) // MAX_RECORDINGS)]
            for of_utterance in pool.map(utterance_blocks, chosen, chunksize=32):
                blocks += of_utterance
    return blocks
