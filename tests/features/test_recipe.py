import contextlib
import json
import tracemalloc
from dataclasses import replace

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.errors import RecipeError
from serkit.features import (
    DESCRIPTOR_NAMES,
    FUNCTIONAL_NAMES,
    Descriptor,
    FeatureRecipe,
    analysis,
    descriptors,
    extract,
    spectrum,
)
from serkit.features.cost import MAX_BYTES, MAX_OPERATIONS

PAPER = FeatureRecipe(
    "mfcc40+chroma12+mel128",
    (Descriptor("mfcc", 40), Descriptor("chroma", 12), Descriptor("mel")),
)
RICH = FeatureRecipe(
    "rich",
    tuple(
        Descriptor(
            name,
            {"mfcc": 13, "chroma": 12}.get(name, 0),
            order,
            FUNCTIONAL_NAMES,
        )
        for name in DESCRIPTOR_NAMES
        for order in (0, 1, 2)
    ),
    n_fft=1024,
    window_length=640,
    hop=320,
    n_mels=40,
    trim_db=30.0,
    peak=0.95,
    pre_emphasis=0.97,
    gate_db=40.0,
)


def voice(seconds=1.5):
    t = np.arange(round(seconds * 16_000)) / 16_000
    phase = 2 * np.pi * (150 * t + 4 * np.sin(2 * np.pi * 3 * t))
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(t))
    return (sum(np.sin(k * phase) / k for k in range(1, 9)) * 0.2 + noise).astype(np.float32)


def test_recipe_of_the_paper_agrees_with_librosa():
    samples = voice()
    exact = samples.astype(np.float64)
    measures = librosa.feature
    theirs = np.concatenate(
        [
            measures.mfcc(y=exact, sr=16_000, n_mfcc=40).mean(axis=1),
            measures.chroma_stft(y=exact, sr=16_000, tuning=0.0).mean(axis=1),
            measures.melspectrogram(y=exact, sr=16_000).mean(axis=1),
        ]
    )
    ours = extract(PAPER, samples)
    assert ours.shape == (180,)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("recipe", [PAPER, RICH])
@pytest.mark.parametrize("n_samples", [1, 2, 100, 320, 1600, 24_000])
@pytest.mark.parametrize("make", [np.zeros, np.ones, lambda n: voice()[:n]])
def test_features_are_finite_and_of_n_features(recipe, n_samples, make):
    vector = extract(recipe, make(n_samples).astype(np.float32))
    assert vector.shape == (recipe.n_features,)
    assert vector.dtype == np.float32
    assert np.isfinite(vector).all()
    assert len(recipe.feature_names) == len(set(recipe.feature_names)) == recipe.n_features


def test_orders_agree_with_librosa_delta():
    recipe = FeatureRecipe(
        "slopes", tuple(Descriptor("mfcc", 13, o, ("mean", "std")) for o in (0, 1, 2))
    )
    rows = librosa.feature.mfcc(y=voice().astype(np.float64), sr=16_000, n_mfcc=13)
    expected = []
    for _ in range(3):
        expected += [rows.mean(axis=1), rows.std(axis=1)]
        rows = librosa.feature.delta(rows)
    np.testing.assert_allclose(
        extract(recipe, voice()), np.concatenate(expected), rtol=1e-3, atol=1e-3
    )


def test_feature_names():
    vector = dict(zip(RICH.feature_names, extract(RICH, voice()), strict=True))
    semitones = 12 * np.log2(150 / 27.5)
    assert vector["pitch.p50"] == pytest.approx(semitones, abs=1)
    assert vector["voicing.mean"] > 0.9
    assert vector["mfcc[0].min"] <= vector["mfcc[0].mean"] <= vector["mfcc[0].max"]


def test_peak_removes_the_level():
    loud, quiet = extract(RICH, voice()), extract(RICH, voice() * 0.01)
    np.testing.assert_allclose(loud, quiet, rtol=2e-2, atol=2e-2)


def test_frames_and_spectra_are_computed_once(monkeypatch):
    counted = {"power_spectra": 0, "pitch_candidates": 0}

    def count(module, name):
        original = getattr(module, name)

        def counting(*args, **options):
            counted[name] += 1
            return original(*args, **options)

        monkeypatch.setattr(module, name, counting)

    count(analysis, "power_spectra")
    count(descriptors, "pitch_candidates")
    extract(RICH, voice())
    assert counted == {"power_spectra": 1, "pitch_candidates": 1}


def test_features_do_not_depend_on_the_block_size(monkeypatch):
    """With silence at the end: the gate depends on the whole recording."""
    samples = np.concatenate((voice(3.0), np.zeros(16_000, np.float32), 0.001 * voice(2.0)))
    whole = extract(RICH, samples)
    monkeypatch.setattr(spectrum, "_MOST_HELD", 50 * 513)
    np.testing.assert_allclose(extract(RICH, samples), whole, rtol=2e-4, atol=2e-4)


def test_a_long_recording_takes_little_memory():
    """The spectra of ten minutes alone would take 123 MB."""
    samples = np.tile(voice(60.0), 10)
    extract(RICH, samples[:160_000])
    tracemalloc.start()
    extract(replace(RICH, trim_db=None), samples)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * samples.nbytes + RICH.cost.bytes * 600


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_fft": 65536, "window_length": 2048, "hop": 16}, "million operations per second"),
        ({"n_fft": 2048, "hop": 16, "n_mels": 1024}, "million operations per second"),
        ({"hop": 16, "n_mels": 1024, "n_fft": 64, "window_length": 64}, "MB per second of sound"),
        ({"n_fft": 65536, "hop": 65536, "n_mels": 1024}, "filter banks of the recipe take"),
        (
            {"descriptors": (Descriptor("chroma", 120),), "n_fft": 65536, "hop": 65536},
            "less chroma",
        ),
        ({"descriptors": (Descriptor("level"),) * 65}, "65 descriptors; expected 1 to 64"),
    ],
)
def test_a_recipe_has_a_budget(change, message):
    with pytest.raises(RecipeError, match=message):
        replace(PAPER, **change)


def test_cost_is_near_the_measured_memory():
    for recipe in (PAPER, RICH):
        assert recipe.cost.operations < MAX_OPERATIONS / 10
        assert recipe.cost.bytes < MAX_BYTES / 4


@pytest.mark.parametrize("recipe", [PAPER, RICH])
def test_recipe_as_json(recipe):
    assert FeatureRecipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 99}, "version 99"),
        ({"n_fft": 7}, "n_fft"),
        ({"n_fft": 10**9}, "n_fft"),
        ({"n_fft": 1025}, "even"),
        ({"window_length": 4096}, "window_length"),
        ({"hop": 0}, "hop"),
        ({"hop": 1.5}, "hop"),
        ({"n_mels": -1}, "n_mels"),
        ({"window": "kaiser"}, "hann, hamming"),
        ({"mel_scale": "bark"}, "slaney, htk"),
        ({"f_max": 9000.0}, "filter bank"),
        ({"f_min": float("nan")}, "filter bank"),
        ({"trim_db": 0}, "trim_db"),
        ({"peak": 2.0}, "peak"),
        ({"name": ""}, "name"),
        ({"descriptors": ()}, "has 0 descriptors; expected 1 to 64"),
        ({"descriptors": (Descriptor("formants"),)}, "unknown descriptor 'formants'"),
        ({"descriptors": (Descriptor("mfcc"),)}, "size of mfcc"),
        ({"descriptors": (Descriptor("mel", 4),)}, "size of mel is fixed"),
        ({"descriptors": (Descriptor("mel", 0, 3),)}, "order"),
        ({"descriptors": (Descriptor("mel", 0, 0, ("mode",)),)}, "unknown functionals 'mode'"),
        ({"descriptors": (Descriptor("mel"), Descriptor("mel", 0, 0, ()))}, "has no functionals"),
        ({"descriptors": (Descriptor("mel", 0, 0, ()), Descriptor("mel"))}, "has functionals"),
        ({"descriptors": (Descriptor("mel", 0, 0, ()),), "gate_db": 40.0}, "use trim_db instead"),
        ({"descriptors": (Descriptor("mel", 0, 0, ("max", "max")),)}, "twice"),
        ({"descriptors": (Descriptor("pitch"),)}, "pitch needs a window"),
    ],
)
def test_an_impossible_recipe_is_refused(change, message):
    with pytest.raises(RecipeError, match=message):
        replace(PAPER, **change)


@pytest.mark.parametrize(
    "values",
    [
        [],
        {},
        {"name": "x"},
        {"name": "x", "descriptors": "mfcc"},
        {"name": "x", "descriptors": [{}]},
        {"name": "x", "descriptors": [3]},
        {"name": "x", "descriptors": [{"name": "mel", "functionals": "mean"}]},
        {"name": "x", "descriptors": [{"name": "mel"}], "colour": 3},
    ],
)
def test_a_malformed_recipe_is_refused(values):
    with pytest.raises(RecipeError):
        FeatureRecipe.from_dict(values)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["name", "descriptors", "n_fft", "hop", "functionals", "x"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_gives_a_recipe_or_a_recipe_error(values):
    with contextlib.suppress(RecipeError):
        FeatureRecipe.from_dict(values)
