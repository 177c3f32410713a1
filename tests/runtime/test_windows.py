"""The windows of a recording, one by one."""

import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.adaptation import softmax
from serkit.errors import AudioError, ModelError
from serkit.features import extract
from serkit.runtime import NumpyBackend, Recognizer, Typical
from serkit.runtime.typical import as_text

RATE = 16_000


def noise(seconds, seed=0, level=0.1):
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (level * samples).astype(np.float32)


@pytest.fixture(scope="module")
def recognizer(model):
    return Recognizer(NumpyBackend(model.with_card(window_s=2.0)))


def probabilities(recognizer, samples):
    """The scores of a window, from the network itself."""
    model = recognizer.backend.model
    return softmax(model.logits(extract(model.card.input, samples)[None])[0])


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1600, 12 * RATE), hop_s=st.sampled_from([None, 2.0, 1.0, 0.7, 0.25]))
def test_windows_cover_the_recording(recognizer, n, hop_s):
    samples = noise(12)[:n]
    windows = list(recognizer.windows((samples, RATE), hop_s=hop_s))
    hop = 2.0 if hop_s is None else hop_s
    assert windows[0].start_s == 0.0
    assert windows[-1].end_s == n / RATE
    starts = [window.start_s for window in windows]
    assert starts == pytest.approx([i * hop for i in range(len(windows))])
    lengths = [window.end_s - window.start_s for window in windows]
    assert lengths[:-1] == pytest.approx([2.0] * (len(windows) - 1))
    assert len(windows) == 1 or 0.4999 < lengths[-1] < 2.5
    first, last = windows[0], windows[-1]
    for window in {first.start_s: first, last.start_s: last}.values():
        part = samples[round(window.start_s * RATE) : round(window.end_s * RATE)]
        np.testing.assert_allclose(
            list(window.scores.values()), probabilities(recognizer, part), rtol=1e-5
        )


@pytest.mark.parametrize("seconds", [0.1, 1.9, 2.5, 7.3])
@pytest.mark.parametrize("labels", [None, ["sad", "angry"]])
def test_a_call_is_their_mean_weighted_by_length(recognizer, seconds, labels):
    parts = [noise(1, i, 0.05 * (i + 1) ** 2) for i in range(8)]
    samples = np.concatenate(parts)[: round(seconds * RATE)]
    answer = recognizer((samples, RATE), labels=labels)
    windows = list(recognizer.windows((samples, RATE), labels=labels))
    lengths = [window.end_s - window.start_s for window in windows]
    for label in answer.scores:
        expected = np.average([window.scores[label] for window in windows], weights=lengths)
        assert answer.scores[label] == pytest.approx(expected, rel=1e-5)
    assert sum(lengths) == pytest.approx(answer.duration_s)
    assert list(windows[0].scores) == list(answer.scores)
    if labels:
        assert list(answer.scores) == ["angry", "sad"]
        assert sum(windows[0].scores.values()) == pytest.approx(1.0)


def test_the_warnings_are_those_of_the_window(recognizer):
    """Two seconds each: clean, clipped, silent, too quiet, then half a second."""
    clipped = np.clip(noise(2, level=0.6), -0.5, 0.5)
    quiet = noise(2, level=1e-4)
    samples = np.concatenate((noise(2), clipped, np.zeros(2 * RATE), quiet, noise(0.5)))
    windows = list(recognizer.windows((samples.astype(np.float32), RATE)))
    codes = [[caution.code for caution in window.warnings] for window in windows]
    assert codes == [[], ["clipped"], [], ["too-quiet"], ["short"]]
    assert [bool(window.scores) for window in windows] == [True, True, False, True, True]


def test_a_window_far_from_the_training_data_says_so(model):
    typical = Typical(0.99, 1.0, as_text(np.eye(8)))
    known = model.with_card(window_s=2.0, typical=typical)
    tone = (0.3 * np.sin(np.arange(2 * RATE) / 9)).astype(np.float32)
    vectors = np.stack([extract(known.card.input, part) for part in (tone, noise(2))])
    near, far = known.distances(vectors)
    assert near < 0.95 * far
    held = known.with_card(typical=Typical(0.99, float(near + far) / 2, typical.whitening))
    found = Recognizer(NumpyBackend(held)).windows((np.concatenate((tone, noise(2))), RATE))
    codes = [[caution.code for caution in window.warnings] for window in found]
    assert codes == [["narrowband"], ["far-from-training"]]


@pytest.mark.parametrize("hop_s", [0.0, -1.0, 2.1, float("nan")])
def test_an_impossible_hop_is_refused(recognizer, hop_s):
    with pytest.raises(AudioError, match="expected more than 0 and at most the window"):
        list(recognizer.windows((noise(3), RATE), hop_s=hop_s))


def test_errors_are_those_of_a_call(recognizer):
    with pytest.raises(AudioError, match="lasts 50 ms; expected at least 100 ms"):
        list(recognizer.windows((noise(0.05), RATE)))
    with pytest.raises(ModelError, match="expected labels of toy: angry, happy, neutral, sad"):
        list(recognizer.windows((noise(1), RATE), labels=["joy"]))
    with pytest.raises(AudioError, match="no such file"):
        list(recognizer.windows("missing.wav"))


def test_windows_come_as_they_are_read_in_constant_memory(recognizer, tmp_path):
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for i in range(4):
            file.write(noise(60, i))
    windows = recognizer.windows(path)
    next(windows)
    tracemalloc.start()
    n_windows = 1 + sum(1 for _ in windows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_windows == 120
    assert peak < 6e6  # the samples alone would take 15 MB


def test_the_last_window_of_a_truncated_file_says_so(recognizer, tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(9), RATE)
    content = (tmp_path / "a.wav").read_bytes()
    windows = list(recognizer.windows(content[: len(content) * 2 // 3]))
    truncated = [[w.code for w in window.warnings].count("truncated") for window in windows]
    assert truncated == [0] * (len(windows) - 1) + [1]
