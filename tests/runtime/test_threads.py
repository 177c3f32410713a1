"""One recognizer in many threads."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import serkit
from serkit.features import Descriptor, FeatureRecipe
from serkit.runtime import (
    LSTM,
    AttentionPooling,
    Convolution,
    Dense,
    MeanPooling,
    Model,
    ModelCard,
    NumpyBackend,
    PackedWeight,
    Recognizer,
)
from serkit.runtime.packing import pack

RATE = 16_000
N_THREADS = 8


def recordings():
    """Noise of other lengths and levels: shorter than a window, longer, and with a silence."""
    rng = np.random.default_rng(3)
    sounds = []
    for i, seconds in enumerate((0.4, 1.3, 9.0, 2.1, 0.8, 11.5, 3.0, 5.2)):
        noise = (0.02 * (i + 1) * rng.standard_normal(round(seconds * RATE))).astype(np.float32)
        if seconds > 10.0:
            noise[: 8 * RATE] = 0.0
        sounds.append((noise, RATE))
    return sounds


def packed(rng, n_rows, n_columns):
    codes = rng.integers(0, 16, n_rows * n_columns, np.uint8)
    scale = rng.uniform(0.02, 0.05, n_rows).astype(np.float32)
    return PackedWeight(pack(codes, 4), 4, (n_rows, n_columns), scale)


def on_frames(family):
    """An untrained model on frames, packed in four bits."""
    rng = np.random.default_rng(4)
    recipe = FeatureRecipe("frames", (Descriptor("mfcc", 10, functionals=()),))
    bias = np.zeros(24, np.float32)
    if family == "cnn":
        first = Convolution(packed(rng, 24, 50), bias, 5, 2)
        layers = (first, MeanPooling(), Dense(packed(rng, 3, 24), bias[:3]))
    else:
        layers = (
            LSTM(packed(rng, 24, 16), bias),
            AttentionPooling(packed(rng, 1, 6)),
            Dense(packed(rng, 3, 6), bias[:3]),
        )
    card = ModelCard(family, ("angry", "happy", "sad"), recipe)
    mean, scale = np.zeros(10, np.float32), np.full(10, 50.0, np.float32)
    return Recognizer(NumpyBackend(Model(card, mean, scale, layers)))


LOADERS = {
    "tiny": lambda: serkit.load("tiny"),
    "tiny-mel": lambda: serkit.load("tiny-mel"),
    "emodb7": lambda: serkit.load("emodb7"),
    "cnn": lambda: on_frames("cnn"),
    "lstm": lambda: on_frames("lstm"),
}


@pytest.mark.parametrize("name", LOADERS)
def test_many_threads_get_the_answers_of_one(name):
    sounds = recordings()

    def answers(recognizer, number):
        whole = recognizer(sounds[number])
        return whole, list(recognizer.windows(sounds[number], hop_s=4.0))

    alone = LOADERS[name]()
    expected = [answers(alone, i) for i in range(len(sounds))]
    assert len({str(answer) for answer in expected}) == len(sounds)

    shared = LOADERS[name]()  # a fresh one, whose weights are unpacked by the first call
    barrier = threading.Barrier(N_THREADS)

    def one_thread(thread):
        barrier.wait()
        order = [(thread + i) % len(sounds) for i in range(len(sounds))]
        return {i: answers(shared, i) for i in order}

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(N_THREADS) as pool:
            found = list(pool.map(one_thread, range(N_THREADS)))
    finally:
        sys.setswitchinterval(interval)
    for by_number in found:
        assert [by_number[i] for i in range(len(sounds))] == expected
