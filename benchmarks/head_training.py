"""Training time of the heads: the linear classifier and OS-ELM.

Claim: 100 epochs of `Linear` take no longer than those of scikit-learn's `SGDClassifier`.

Pandelea et al. (2021), Tables 10 and 11: 100 epochs of SGD for 32 to 512 features and 200 to 1300
samples, mean over 30 random draws of the samples. Here the vectors are random, seven Gaussian
clouds, and everything runs on one core. The systems train on the same draws in turn:

- `Linear`: softmax, steps of 64 samples as in the paper, learning rate 0.01.
- `MLPClassifier` of scikit-learn without hidden layers: the same model, batches and learning rate.
- `SGDClassifier(max_iter=100, tol=None, loss="log_loss")`: one binary classifier per class, steps
  of one sample, compiled; the same learning rate, without the default penalty, which takes time.

OS-ELM: one sample is learned, then a prediction (which solves for the new weights), another
prediction, and the sample is forgotten.

python benchmarks/head_training.py
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

from serkit.adaptation import OSELM, Linear
from serkit.adaptation.gradient import BATCH_SIZE

from harness import machine, versions, write_result

FEATURES = (32, 64, 128, 512)
SAMPLES = (200, 500, 1300)
CLASSES = 7
EPOCHS = 100
RATE = 0.01
DRAWS = 30

HIDDEN = (50, 100, 200, 500)
OSELM_FEATURES = 128
LEARNED = 1300
UPDATES = 300

PAPER = {
    "Jetson Nano, 5W": [
        [44.4, 103.8, 328.2],
        [53.4, 149.9, 475.5],
        [47.2, 227.8, 799.3],
        [78.4, 264.5, 1909.6],
    ],
    "Jetson Nano, Max-N": [
        [28.3, 69.8, 199.8],
        [33.3, 96.7, 304.4],
        [31.5, 145.7, 525.4],
        [52.5, 179.6, 1284.3],
    ],
    "Snapdragon 765G": [
        [291.4, 749.5, 1847.4],
        [255.1, 760.9, 1964.8],
        [331.5, 766.5, 2119.8],
        [447.2, 1376.2, 2596.8],
    ],
    "Kirin 655": [
        [378.27, 943.8, 2461.4],
        [413.8, 1033.8, 2723.3],
        [488.1, 1224.9, 3230.9],
        [1103.1, 2778.9, 7250.3],
    ],
}
"""Milliseconds, a row for each number of features, a column for each number of samples."""

Vectors = NDArray[np.float64]
Labels = list[str]


def linear(vectors: Vectors, labels: Labels) -> Callable[[], Any]:
    """Training of `Linear`; the call gives its predictions."""
    head = Linear(vectors.shape[1], optimiser="sgd", learning_rate=RATE, epochs=EPOCHS)
    head.fit(vectors, labels)
    return lambda: np.array(head.classes)[head.predict_proba(vectors).argmax(axis=1)]


def perceptron(vectors: Vectors, labels: Labels) -> Callable[[], Any]:
    """The same algorithm in scikit-learn."""
    network = MLPClassifier(
        (),
        solver="sgd",
        alpha=0.0,
        batch_size=BATCH_SIZE,
        learning_rate_init=RATE,
        momentum=0.0,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
    )
    network.fit(vectors, labels)
    return lambda: network.predict(vectors)


def one_against_rest(vectors: Vectors, labels: Labels) -> Callable[[], Any]:
    """scikit-learn's linear classifier by SGD."""
    classifier = SGDClassifier(
        loss="log_loss",
        penalty=None,
        max_iter=EPOCHS,
        tol=None,
        learning_rate="constant",
        eta0=RATE,
    )
    classifier.fit(vectors, labels)
    return lambda: classifier.predict(vectors)


SYSTEMS = {
    "serkit Linear": linear,
    "scikit-learn MLPClassifier": perceptron,
    "scikit-learn SGDClassifier": one_against_rest,
}


def clouds(rng: np.random.Generator, n: int, n_features: int) -> tuple[Vectors, Labels]:
    """Vectors of seven overlapping Gaussian clouds, and their classes."""
    targets = rng.integers(CLASSES, size=n)
    centres = 0.25 * rng.standard_normal((CLASSES, n_features))
    return centres[targets] + rng.standard_normal((n, n_features)), [str(i) for i in targets]


def trained(n_features: int, n_samples: int) -> dict[str, Any]:
    """Times of all systems on the same draws; ratios are taken within a draw."""
    rng = np.random.default_rng([n_features, n_samples])
    times: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    right: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    for draw in range(DRAWS + 1):
        vectors, labels = clouds(rng, n_samples, n_features)
        for name in list(SYSTEMS) if draw % 2 else reversed(SYSTEMS):
            start = time.perf_counter()
            predict = SYSTEMS[name](vectors, labels)
            taken = time.perf_counter() - start
            if draw:  # the first is the warm-up
                times[name].append(1e3 * taken)
                right[name].append(float(np.mean(predict() == np.array(labels))))
    ours = times["serkit Linear"]
    return {
        "features": n_features,
        "samples": n_samples,
        "systems": {
            name: {
                "median_ms": statistics.median(of),
                "sd_ms": statistics.stdev(of),
                "training_accuracy": statistics.mean(right[name]),
                "ratio": statistics.median(a / b for a, b in zip(ours, of, strict=True)),
            }
            for name, of in times.items()
        },
    }


def updated(n_hidden: int) -> dict[str, Any]:
    """Times of one-sample updates of an OS-ELM, in microseconds."""
    vectors, labels = clouds(np.random.default_rng(n_hidden), LEARNED + UPDATES, OSELM_FEATURES)
    head = OSELM(OSELM_FEATURES, n_hidden=n_hidden).fit(vectors[:LEARNED], labels[:LEARNED])
    work: dict[str, Callable[[int], object]] = {
        "learn": lambda i: head.partial_fit(vectors[i : i + 1], labels[i : i + 1]),
        "predict_after_update": lambda i: head.predict_proba(vectors[:1]),
        "predict": lambda i: head.predict_proba(vectors[:1]),
        "forget": lambda i: head.forget(vectors[i : i + 1], labels[i : i + 1]),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for i in range(LEARNED, LEARNED + UPDATES):
        for name, call in work.items():
            start = time.perf_counter()
            call(i)
            times[name].append(1e6 * (time.perf_counter() - start))
    return {"hidden": n_hidden} | {
        name: {"median_us": statistics.median(of), "p90_us": float(np.percentile(of, 90))}
        for name, of in times.items()
    }


def main() -> None:
    """Time all systems on one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore", ConvergenceWarning)  # all epochs are wanted
    settings = [(d, n) for d in FEATURES for n in SAMPLES]
    rows = [trained(d, n) for d, n in track(settings, "linear classifiers")]
    write_result(
        "head_training",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "scikit-learn"]),
            "threads": 1,
            "draws": DRAWS,
            "epochs": EPOCHS,
            "batch": BATCH_SIZE,
            "learning_rate": RATE,
            "classes": CLASSES,
            "rows": rows,
            "oselm": {
                "features": OSELM_FEATURES,
                "learned": LEARNED,
                "updates": UPDATES,
                "rows": [updated(n_hidden) for n_hidden in track(HIDDEN, "OS-ELM")],
            },
            "paper": {"features": FEATURES, "samples": SAMPLES, "ms": PAPER},
        },
    )


if __name__ == "__main__":
    main()
