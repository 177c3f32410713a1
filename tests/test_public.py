import pickle
import subprocess
import sys

import pytest

import serkit


def test_the_public_surface():
    assert sorted(serkit.__all__) == [
        "AsyncClient",
        "AudioError",
        "Caution",
        "Client",
        "CorpusError",
        "FeatureRecipe",
        "MissingExtraError",
        "ModelError",
        "PacketError",
        "Prediction",
        "Profile",
        "ProfileError",
        "ProtocolError",
        "RecipeError",
        "Recognizer",
        "Segment",
        "SerkitError",
        "ServerError",
        "Timeline",
        "TimelineSettings",
        "TranscriptionError",
        "Window",
        "available_models",
        "load",
        "read",
    ]
    assert all(getattr(serkit, name).__name__ == name for name in serkit.__all__)
    with pytest.raises(AttributeError):
        _ = serkit.nothing


def test_rooms_are_there_without_a_further_import():
    code = "import serkit; serkit.codec.Encoder, serkit.audio.read, serkit.evaluation.compare"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "room",
    [
        "serkit",
        "serkit.adaptation",
        "serkit.codec",
        "serkit.evaluation",
        "serkit.serving.asr",
        "serkit.serving.client",
        "serkit.training",
        "serkit.training.speech",
    ],
)
def test_a_lazy_package_has_every_name_it_lists(room):
    """In a process of its own, as modules imported before would be found all the same."""
    code = (
        f"import importlib; room = importlib.import_module({room!r})\n"
        "listed = [name for names in room._EXPORTS.values() for name in names]\n"
        "assert sorted(listed) == sorted(room.__all__), set(listed) ^ set(room.__all__)\n"
        "for name in listed: assert getattr(room, name) is not None\n"
        "for module, names in room._EXPORTS.items():\n"
        "    for name in names: assert getattr(importlib.import_module(module), name) is "
        "getattr(room, name), name"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_errors_are_below_one_root_and_their_builtin():
    for name in serkit.__all__:
        if name.endswith("Error"):
            assert issubclass(getattr(serkit, name), serkit.SerkitError)
    assert issubclass(serkit.AudioError, ValueError)
    assert issubclass(serkit.MissingExtraError, ImportError)


def test_every_error_travels_between_processes():
    for name in serkit.__all__:
        if name.endswith("Error"):
            kind = getattr(serkit, name)
            error = kind("torch", "train", "training") if name == "MissingExtraError" else kind("x")
            again = pickle.loads(pickle.dumps(error))
            assert (type(again), str(again)) == (kind, str(error))


# Blocks every package that the core must do without, then uses the core.
_CORE_ALONE = """
import sys
for name in ("torch", "scipy", "sklearn", "librosa", "transformers", "pydantic", "yaml", "av",
             "onnxruntime", "huggingface_hub", "pandas", "matplotlib"):
    sys.modules[name] = None
import serkit, serkit.corpora
import numpy as np
answer = serkit.load("tiny")((np.random.default_rng(0).standard_normal(16000), 16000))
assert answer.label in serkit.load("tiny").labels
"""


def test_the_core_needs_none_of_the_heavy_packages():
    subprocess.run([sys.executable, "-c", _CORE_ALONE], check=True)


def test_importing_serkit_imports_nothing_else():
    code = "import sys, serkit; assert 'numpy' not in sys.modules, 'numpy was imported'"
    subprocess.run([sys.executable, "-c", code], check=True)
