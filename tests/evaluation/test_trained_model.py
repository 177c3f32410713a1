"""A trained model tested as its users have it."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from serkit.audio import content_hash, read
from serkit.corpora import Utterance
from serkit.errors import CorpusError
from serkit.evaluation import evaluate_model, load_run, save_run
from serkit.runtime import NumpyBackend, Recognizer
from serkit.training import fit

from toys import LABELS, make_data, make_recipe

RECIPE = make_recipe()
MODEL = fit(RECIPE, make_data(), make_data(seed=1))


@pytest.fixture
def utterances(tmp_path):
    rng = np.random.default_rng(0)
    found = []
    for i, seconds in enumerate((0.5, 1.0, 21.0)):
        path = tmp_path / f"{i}.wav"
        tilted = np.cumsum(rng.standard_normal(round(seconds * 16_000))) if i else None
        noise = rng.standard_normal(round(seconds * 16_000))
        sound = noise if tilted is None else tilted - np.convolve(tilted, np.ones(64) / 64, "same")
        soundfile.write(path, 0.2 * sound / np.abs(sound).max(), 16_000)
        found.append(Utterance(path, LABELS[i], str(i), "toys"))
    return found


@pytest.mark.parametrize("jobs", [1, 2])
def test_it_answers_as_the_recognizer_does_long_recordings_too(utterances, jobs):
    outcome = evaluate_model(Recognizer(NumpyBackend(MODEL)), utterances, seen=False, jobs=jobs)
    (result,) = outcome.results
    assert outcome.targets.tolist() == [0, 1, 2]
    assert result.test.tolist() == [0, 1, 2]
    for row, content, utterance in zip(
        result.probabilities, outcome.hashes, utterances, strict=True
    ):
        scores = Recognizer(NumpyBackend(MODEL))(utterance.audio).scores
        np.testing.assert_allclose(row, [scores[label] for label in LABELS], rtol=1e-6)
        assert content == content_hash(read(utterance.audio))


def test_only_the_utterances_part_of_a_recording_is_judged(utterances):
    part = replace(utterances[2], start_s=1.0, end_s=2.5)
    (result,) = evaluate_model(Recognizer(NumpyBackend(MODEL)), [part], seen=False).results
    samples = read(part.audio)[16_000:40_000]
    scores = Recognizer(NumpyBackend(MODEL))((samples, 16_000)).scores
    np.testing.assert_allclose(result.probabilities[0], [scores[label] for label in LABELS])


def test_silence_counts_as_all_labels_alike(utterances):
    soundfile.write(utterances[0].audio, np.zeros(16_000), 16_000)
    (result,) = evaluate_model(Recognizer(NumpyBackend(MODEL)), utterances[:1], seen=False).results
    np.testing.assert_allclose(result.probabilities, 1 / 3)


def test_what_cannot_be_judged_is_named(utterances):
    soundfile.write(utterances[1].audio, np.ones(10), 16_000)
    with pytest.raises(CorpusError, match=r"1\.wav: the recording lasts"):
        evaluate_model(Recognizer(NumpyBackend(MODEL)), utterances, seen=False)
    with pytest.raises(CorpusError, match="has no recording"):
        evaluate_model(
            Recognizer(NumpyBackend(MODEL)),
            [replace(utterances[0], audio=None, text="hi")],
            seen=False,
        )


def test_a_corpus_of_its_training_leaves_a_mark_that_a_folder_keeps(utterances, tmp_path):
    outcome = evaluate_model(Recognizer(NumpyBackend(MODEL)), utterances, seen=True)
    assert outcome.marks == ("trained on this corpus",)
    assert "trained on this corpus" in outcome.title
    save_run(tmp_path / "run", outcome, RECIPE.to_dict())
    back = load_run(tmp_path / "run")
    np.testing.assert_array_equal(back.results[0].probabilities, outcome.results[0].probabilities)
    assert back.marks == outcome.marks
    assert evaluate_model(Recognizer(NumpyBackend(MODEL)), utterances, seen=False).marks == ()
