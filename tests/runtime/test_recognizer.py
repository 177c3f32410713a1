import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from serkit.errors import AudioError, ModelError
from serkit.features import extract
from serkit.runtime import Caution, NumpyBackend, Recognizer, Typical
from serkit.runtime.typical import as_text

RATE = 16_000


def noise(seconds, seed=0):
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (0.1 * samples).astype(np.float32)


@pytest.fixture
def recognizer(model):
    return Recognizer(NumpyBackend(model))


def test_a_prediction_is_features_network_softmax(model, recognizer):
    samples = noise(3)
    logits = model.logits(extract(model.card.input, samples)[None])[0].astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum()
    found = recognizer((samples, RATE))
    np.testing.assert_allclose(list(found.scores.values()), expected, rtol=1e-5)
    assert found.label == model.card.labels[int(np.argmax(expected))]
    assert found.duration_s == 3.0
    assert found.model == "toy"
    assert found.reason is None


def test_a_long_recording_is_the_mean_over_its_windows(recognizer):
    one, two, three = noise(8, 1), 3 * noise(8, 2), 0.01 * noise(3, 3)
    found = recognizer((np.concatenate((one, two, three)), RATE))
    parts = [recognizer((part, RATE)) for part in (one, two, three)]
    for label in recognizer.labels:
        expected = np.average([p.scores[label] for p in parts], weights=[8, 8, 3])
        assert found.scores[label] == pytest.approx(expected, rel=1e-5)
    assert found.duration_s == 19.0


def test_silent_windows_are_ignored(recognizer):
    speech = noise(8)
    padded = np.concatenate((speech, np.zeros(16 * RATE, np.float32)))
    found = recognizer((padded, RATE))
    assert found.scores == pytest.approx(recognizer((speech, RATE)).scores)
    assert found.duration_s == 24.0


@pytest.mark.parametrize("offset", [0.0, 0.2, 1e-6])
def test_digital_silence_has_a_reason_and_no_label(recognizer, offset):
    found = recognizer((np.full(2 * RATE, offset, np.float32), RATE))
    assert found.label is None
    assert found.scores == {}
    assert "silence" in found.reason


@pytest.mark.parametrize(("n", "said"), [(1, "0.0625 ms"), (320, "20 ms"), (1599, "99.9 ms")])
def test_too_short(recognizer, n, said):
    with pytest.raises(AudioError, match=f"lasts {said}; expected at least 100 ms"):
        recognizer((noise(1)[:n], RATE))


def test_a_restricted_answer_is_renormalised(recognizer):
    samples = (noise(2), RATE)
    everything = recognizer(samples).scores
    found = recognizer(samples, labels=["sad", "angry"]).scores
    assert list(found) == ["angry", "sad"]
    ratio = everything["angry"] / everything["sad"]
    assert found["angry"] / found["sad"] == pytest.approx(ratio, rel=1e-4)
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize("labels", [["joy"], [], ["sad", "joy"], "joy"])
def test_an_unknown_label_lists_the_known(recognizer, labels):
    with pytest.raises(ModelError, match="angry, happy, neutral, sad"):
        recognizer((noise(1), RATE), labels=labels)


def test_min_confidence(recognizer):
    samples = (noise(2), RATE)
    sure = recognizer(samples)
    best = sure.scores[sure.label]
    assert recognizer(samples, min_confidence=best).label == sure.label
    unsure = recognizer(samples, min_confidence=min(1.0, best + 0.001))
    assert unsure.label is None
    assert unsure.scores == sure.scores
    assert sure.label in unsure.reason
    for nonsense in (-0.1, 1.1, float("nan")):
        with pytest.raises(ModelError, match="expected 0 to 1"):
            recognizer(samples, min_confidence=nonsense)


def test_predict_many(recognizer):
    sources = [(noise(1), RATE), "missing.wav", b"", (noise(2), RATE)]
    found = list(recognizer.predict_many(sources))
    assert [type(answer).__name__ for answer in found] == [
        "Prediction",
        "AudioError",
        "AudioError",
        "Prediction",
    ]
    with pytest.raises(ModelError):
        list(recognizer.predict_many(sources, labels=["joy"]))


def test_the_same_recording_at_another_rate_and_level_keeps_its_duration(recognizer):
    import soxr

    samples = noise(2)
    up = soxr.resample(samples, RATE, 48_000, quality="VHQ")
    found = recognizer((up, 48_000))
    assert found.duration_s == pytest.approx(2.0, abs=1e-4)
    original = recognizer((samples, RATE))
    assert found.scores == pytest.approx(original.scores, abs=0.05)


def test_weights_that_overflow(model):
    first, last = model.layers
    wild = replace(model, layers=(replace(first, weight=np.full_like(first.weight, 3e38)), last))
    with pytest.raises(ModelError, match="not finite"):
        Recognizer(NumpyBackend(wild))((0.1 * np.sin(np.arange(16_000) / 5), 16_000))


def codes_of(prediction):
    return [caution.code for caution in prediction.warnings]


def test_an_ordinary_recording_raises_no_warning(recognizer):
    assert recognizer((noise(3), RATE)).warnings == ()


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_truncated_file_is_classified_with_a_warning(recognizer, kind):
    file = io.BytesIO()
    soundfile.write(file, noise(4), RATE, format=kind)
    whole = file.getvalue()
    assert codes_of(recognizer(whole)) == []
    found = recognizer(whole[: len(whole) // 2])
    assert codes_of(found) == ["truncated"]
    assert found.label
    assert 1.0 < found.duration_s <= 2.1
    assert "could be read" in str(found.warnings[0])


def test_warnings_come_in_the_order_of_the_codes(recognizer):
    file = io.BytesIO()
    soundfile.write(file, (1e-3 * noise(1)).astype(np.float32), 8000, subtype="FLOAT", format="WAV")
    found = recognizer(file.getvalue()[:-16_000])
    assert codes_of(found) == ["truncated", "narrowband", "too-quiet"]


def test_warnings_of_silence(recognizer):
    found = recognizer((np.zeros(RATE // 2), RATE))
    assert found.label is None
    assert codes_of(found) == ["short"]


def knowing(model, limit):
    typical = Typical(0.99, limit, as_text(np.eye(8)))
    return Recognizer(NumpyBackend(model.with_card(typical=typical)))


def test_far_from_the_training_data(model):
    samples = noise(3)
    (distance,) = knowing(model, 1.0).backend.model.distances(
        extract(model.card.input, samples)[None]
    )
    assert codes_of(knowing(model, 1.01 * distance)((samples, RATE))) == []
    (caution,) = knowing(model, 0.99 * distance)((samples, RATE)).warnings
    assert caution.code == "far-from-training"
    assert f"distance {distance:.2f}" in str(caution)
    assert "99 % of the recordings of new speakers are within" in str(caution)


def test_the_distance_of_a_long_recording_is_the_mean_over_its_windows(model):
    parts = noise(8, 1), 0.01 * noise(2, 2) + 0.3 * np.sin(np.arange(2 * RATE) / 9)
    known = knowing(model, 1.0).backend.model
    one, two = (known.distances(extract(model.card.input, p)[None])[0] for p in parts)
    mean = (8 * one + 2 * two) / 10
    assert abs(one - two) > 0.05 * mean
    whole = (np.concatenate(parts), RATE)
    assert "far-from-training" in codes_of(knowing(model, 0.999 * mean)(whole))
    assert "far-from-training" not in codes_of(knowing(model, 1.001 * mean)(whole))


def test_str_of_a_warning():
    assert str(Caution("short", "lasts 0.50 s")) == "lasts 0.50 s"
