import numpy as np
import pytest

from serkit.training.feature_cache import FeatureCache
from serkit.training.speech import load_recordings, make_recordings

from speech_toys import make_speech_recipe


@pytest.fixture(scope="session")
def speech_data(corpora_root, tmp_path_factory):
    """The first statement of six actors of RAVDESS, four emotions."""
    recipe = make_speech_recipe()
    _, utterances = load_recordings(recipe, [f"ravdess={corpora_root / 'ravdess'}"])
    chosen = [u for u in utterances if int(u.speaker) <= 6 and u.audio.stem[13:14] == "1"]
    cache = FeatureCache(tmp_path_factory.mktemp("cache"))
    return make_recordings(recipe, chosen, cache=cache)


@pytest.fixture(scope="session")
def parts(speech_data):
    """Four actors for training, and two for validation."""
    held = np.array([int(u.speaker) > 4 for u in speech_data.utterances])
    return speech_data.rows(np.flatnonzero(~held)), speech_data.rows(np.flatnonzero(held))
