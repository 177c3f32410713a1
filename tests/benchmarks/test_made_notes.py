"""Notes with known emotions, and what measures them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import serkit
from serkit.audio import SAMPLE_RATE
from serkit.metrics import label_changes

from long_notes import Heard, Remembering, statistic, values
from made_notes import BRIDGED_S, note

LABELS = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A note of tones, a pitch for each emotion, with silence around and within each clip."""
    folder = tmp_path_factory.mktemp("clips")
    clips: dict[str, list[Path]] = {}
    for i, label in enumerate(LABELS):
        for j in range(3):
            t = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
            tone = 0.3 * np.sin(2 * np.pi * 200 * (i + 1) * t)
            tone[: SAMPLE_RATE // 2] = tone[-SAMPLE_RATE // 2 :] = 0.0
            tone[SAMPLE_RATE : SAMPLE_RATE + 8000] = 0.0
            clips.setdefault(label, []).append(folder / f"{label}{j}.wav")
            soundfile.write(clips[label][-1], tone, SAMPLE_RATE)
    return note("me", clips, "sad", "pink", [], np.random.default_rng(0), seconds=60.0)


def test_the_truth_is_where_the_speech_is(made):
    assert len({label for *_, label in made.truth}) >= 2
    share = sum(end - start for start, end, label in made.truth if label == "sad")
    assert share > 0.5 * sum(end - start for start, end, _ in made.truth)
    assert made.truth[0][2] == made.truth[-1][2] == "sad" and made.seconds >= 60.0
    heard = np.zeros(len(made.samples), bool)
    for start, end, label in made.truth:
        part = made.samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
        hz = np.abs(np.fft.rfft(part)).argmax() * SAMPLE_RATE / len(part)
        assert hz == pytest.approx(200 * (LABELS.index(label) + 1), abs=10)
        heard[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = True
    assert not made.samples[~heard].any()
    for (_, end, label), (start, _, following) in zip(made.truth, made.truth[1:], strict=False):
        assert start - end >= (BRIDGED_S if label == following else 0.0)
    assert len(label_changes(made.truth)) >= 2


def test_noise_is_below_speech_by_the_ratio(made):
    noise = made.at(10.0) - made.samples
    level = 10 * np.log10(np.mean(np.square(noise, dtype=np.float64)))
    assert made.level_dbfs - level == pytest.approx(10.0, abs=0.01)


@pytest.mark.parametrize("detector", ["bands", "silero"])
def test_a_timeline_is_the_same_from_memory(made, detector):
    samples = made.at(20.0)
    tiny = serkit.load("tiny")
    remembering = serkit.Recognizer(Remembering(tiny.backend))
    truth = tiny.timeline((samples, SAMPLE_RATE), detector=detector)
    for _ in range(2):
        heard = Heard(detector, samples)
        assert remembering.timeline((samples, SAMPLE_RATE), detector=heard) == truth


def test_figures_of_a_hand_made_timeline():
    times = [[3, 0, 1, 0, 0], [0, 2, 1, 0, 1], [0, 0, 1, 0, 1], [1, 0, 0, 3, 0], [0, 0, 2, 0, 2]]
    rows = [{"times": (0.5 * np.array(times)).tolist(), "right": right} for right in (True, False)]
    found = values(statistic(rows), LABELS)
    # Emotional speech of 12 s, of which 2 s are called neutral; 14 s of speech, 4 s of pauses.
    expected = [0.625, 0.5, 0.2, 2 / 12, 7 / 14, 4 / 14, 2 / 14, 1 / 14, 0.5, 0.5]
    assert found == pytest.approx(expected)
