"""The shipped models on real recordings, and on long ones."""

import numpy as np
import pytest
import soundfile

import serkit
from serkit import corpora
from serkit.metrics import confusion, unweighted_average_recall

from command import peak_mb


@pytest.mark.corpora
def test_an_angry_actor(corpora_root):
    path = corpora_root / "ravdess" / "Actor_01" / "03-01-05-02-01-01-01.flac"
    assert serkit.load("tiny")(path).label == "angry"


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("model", "name"), [("tiny", "emodb"), ("emodb7", "emodb"), ("ravdess8", "ravdess")]
)
def test_shipped_models_fit_their_training_data(corpora_root, model, name):
    """On training data: verifies that file, features and labels agree."""
    recognizer = serkit.load(model)
    known = corpora.load(f"{name}={corpora_root / name}").utterances
    utterances = [u for u in known if u.label in recognizer.labels][::5]
    answers = recognizer.predict_many([u.audio for u in utterances])
    labels = recognizer.labels
    predicted = np.array([labels.index(answer.label) for answer in answers])
    truth = np.array([labels.index(u.label) for u in utterances])
    assert unweighted_average_recall(confusion(truth, predicted, len(labels))) > 0.75


def test_the_memory_does_not_grow_with_the_recording(tmp_path):
    """The samples of half an hour would take 115 MB by themselves."""
    minute = 0.1 * np.random.default_rng(0).standard_normal(60 * 16_000)
    peaks = []
    for n_minutes in (1, 30):
        path = tmp_path / f"{n_minutes}.flac"
        with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16") as file:
            for _ in range(n_minutes):
                file.write(minute)
        peaks.append(peak_mb("predict", path))
    assert peaks[1] < peaks[0] + 20
