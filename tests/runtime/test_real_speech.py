"""The shipped models on real recordings, and on long ones."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

import serkit
from serkit import corpora
from serkit.metrics import confusion, unweighted_average_recall


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


def test_three_hours_in_bounded_memory(tmp_path):
    path = tmp_path / "long.flac"
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16") as file:
        minute = 0.1 * rng.standard_normal(60 * 16_000)
        for _ in range(180):
            file.write(minute)
    # The high-water mark of the process itself; getrusage would count what it was forked from.
    code = (
        "import sys, serkit\n"
        "p = serkit.load('tiny')(sys.argv[1])\n"
        "assert p.duration_s == 3 * 3600 and p.label, p\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "print(next(line.split()[1] for line in lines if line.startswith('VmHWM')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) * 1024 < 300e6
