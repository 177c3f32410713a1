"""A toy recipe and toy data that several tests share."""

import os
import signal
from pathlib import Path

import numpy as np

from serkit.corpora import Utterance
from serkit.features import Descriptor, FeatureRecipe
from serkit.training import Dataset, Network, Optimiser, Recipe

LABELS = ("angry", "sad", "happy")


def make_recipe(**changes):
    values = {
        "name": "toy",
        "corpora": ("toys",),
        "labels": LABELS,
        "features": FeatureRecipe("mfcc6", (Descriptor("mfcc", 6),)),
        "network": Network(hidden=(16,)),
        "optimiser": Optimiser(max_epochs=30, learning_rate=0.01),
        "validation_share": 0.25,
    }
    return Recipe(**(values | changes))


def make_data(n_speakers=8, per_class=12, corpora=("toys",), seed=0, spread=1.0):
    """Three clouds around different centres; every speaker a little off."""
    rng = np.random.default_rng(seed)
    centres = 2.0 * rng.standard_normal((3, 6))
    rows, targets, utterances = [], [], []
    for corpus in corpora:
        for speaker in range(n_speakers):
            shift = 0.3 * rng.standard_normal(6)
            for target in range(3):
                for i in range(per_class):
                    rows.append(centres[target] + shift + spread * rng.standard_normal(6))
                    targets.append(target)
                    path = Path(f"{corpus}-{speaker}-{target}-{i}.wav")
                    utterances.append(Utterance(path, LABELS[target], str(speaker), corpus))
    features = np.array(rows, np.float32)
    return Dataset(features, features[None][:0], np.array(targets), tuple(utterances))


def square_or_die_once(task):
    """Square a number; the first worker that meets a missing flag writes it and is killed."""
    number, flag = task
    if flag is not None and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def always_die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
