"""Golden feature vectors: the numbers that `RECIPE_VERSION` stands for, of synthetic sounds."""

import json
from pathlib import Path

import numpy as np

from serkit.features import (
    DESCRIPTOR_NAMES,
    FUNCTIONAL_NAMES,
    RECIPE_VERSION,
    Descriptor,
    FeatureRecipe,
    LogMelRecipe,
)
from serkit.runtime import features_of
from serkit.training import Recipe, load_any_recipe, shipped_recipes

FILE = Path(__file__).with_name("golden.npz")
COMMAND = "python tools/golden_features.py"
RATE = 16_000

_SIZES = {"mfcc": 6, "chroma": 12}

RICH = FeatureRecipe(
    "every descriptor, order and functional",
    tuple(
        Descriptor(name, _SIZES.get(name, 0), order, FUNCTIONAL_NAMES)
        for name in DESCRIPTOR_NAMES
        for order in (0, 1, 2)
    ),
    trim_db=30.0,
    peak=0.95,
    pre_emphasis=0.97,
    n_fft=1024,
    window_length=640,
    window="hamming",
    hop=320,
    n_mels=8,
    f_min=100.0,
    f_max=7000.0,
    gate_db=40.0,
)
SHORT = FeatureRecipe(
    "short rectangular windows",
    (Descriptor("mel", functionals=("mean", "max")), Descriptor("level")),
    n_fft=256,
    window_length=200,
    window="rectangular",
    hop=100,
    n_mels=12,
)
LOG_MEL = LogMelRecipe(
    "every descriptor of log-mel",
    (
        Descriptor("log-mel", functionals=("mean", "std", "p95")),
        Descriptor("mfcc", 6, 1, FUNCTIONAL_NAMES),
        Descriptor("level", order=2, functionals=FUNCTIONAL_NAMES),
    ),
    gate_db=40.0,
)


def recipes():
    """The recipes by a name that does not depend on the version: those that ship, and three."""
    trained = [load_any_recipe(name) for name in shipped_recipes()]
    chosen = [
        recipe.features or recipe.log_mel
        for recipe in trained
        if isinstance(recipe, Recipe) and recipe.text is None
    ]
    return {key_of(recipe): recipe for recipe in [*chosen, RICH, SHORT, LOG_MEL]}


def key_of(recipe):
    """A recipe without its version, as JSON."""
    values = {name: value for name, value in recipe.to_dict().items() if name != "version"}
    return json.dumps(values)


def noise(n):
    """Uniform in -1 to 1, from the high bits of a linear congruential generator."""
    state, values = 1, []
    for _ in range(n):
        state = (1_664_525 * state + 1_013_904_223) % 2**32
        values.append((state >> 8) / 2**23 - 1.0)
    return np.array(values)


def sounds():
    """A second each: a gliding voice in bursts, and noise that swells over a chirp."""
    n = RATE
    t = np.arange(n) / RATE
    phase = 2 * np.pi * (110 * t + 60 * t**2)
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    bursts = 0.05 + np.sin(2 * np.pi * 2.5 * t) ** 2
    hiss = noise(2 * n)
    chirp = np.sin(2 * np.pi * (300 * t + 2500 * t**2))
    return {
        "voice": (0.2 * bursts * voice + 0.01 * hiss[:n]).astype(np.float32),
        "noise": (0.3 * t * hiss[n:] + 0.1 * chirp).astype(np.float32),
    }


def current():
    """The vectors as the code computes them, by recipe, each of shape `[n_sounds, ...]`."""
    heard = sounds().values()
    return {
        key: np.stack([features_of(recipe, samples) for samples in heard])
        for key, recipe in recipes().items()
    }


def stored(path=FILE):
    """The version of the golden vectors, and the vectors."""
    with np.load(path, allow_pickle=False) as arrays:
        keys = arrays["recipes"].tolist()
        return int(arrays["version"]), {key: arrays[f"vectors.{i}"] for i, key in enumerate(keys)}


def write(path=FILE):
    """Store the current vectors.

    Raises:
        ValueError: A recipe gives other numbers than in the file, under the same version.
    """
    vectors = current()
    if path.exists():
        version, before = stored(path)
        if version == RECIPE_VERSION and (key := changed(vectors, before)):
            raise ValueError(advice(key))
    arrays = {f"vectors.{i}": rows for i, rows in enumerate(vectors.values())}
    np.savez_compressed(path, version=RECIPE_VERSION, recipes=list(vectors), **arrays)


def changed(vectors, before):
    """A recipe of both that gives other numbers; None if there is none.

    The tolerance is ten times what other BLAS kernels and instruction sets change.
    """
    return next(
        (
            key
            for key in vectors
            if key in before
            and not (
                vectors[key].shape == before[key].shape
                and np.allclose(vectors[key], before[key], rtol=1e-3, atol=1e-3)
            )
        ),
        None,
    )


def advice(key):
    """What to do where a recipe gives other numbers under the same version."""
    return (
        f"the same recipe gives other numbers: raise RECIPE_VERSION from {RECIPE_VERSION} and "
        f"write the golden vectors anew ({COMMAND}); the recipe is {key}"
    )
