import threading
from dataclasses import replace

import numpy as np
import pytest
import soundfile

import serkit
from serkit.adaptation import Enrolment, SpeakerModel
from serkit.adaptation.corrections import PENALTY, STRENGTH
from serkit.adaptation.profile import ProfileState
from serkit.adaptation.profile_store import ProfileStore
from serkit.audio import content_hash
from serkit.errors import AudioError, ModelError, ProfileError
from serkit.runtime import ModelCard, NumpyBackend, Outputs, Recognizer, Waveform
from serkit.runtime.profile import Profile, owner_of
from serkit.runtime.typical import Typical, as_text

RATE = 16_000
LABELS = ("angry", "happy", "neutral", "sad")


def noise(seconds, seed=0):
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (0.1 * samples).astype(np.float32)


def sounds(n, first=0):
    return [(noise(1.0 + i % 3, seed=i), RATE) for i in range(first, first + n)]


class Loudness:
    """A backend of two labels, which needs no more than the protocol."""

    file_bytes = 7
    embedding_width = 2
    digest = "0" * 32
    facts: dict[str, object] = {}  # noqa: RUF012

    def __init__(self, labels=("quiet", "loud")):
        self.card = ModelCard("loudness", labels, Waveform())

    def outputs(self, windows):
        level = np.array([10.0 * np.sqrt(np.mean(np.square(window))) for window in windows])
        logits = np.stack((np.zeros_like(level), level), axis=1).astype(np.float32)
        return Outputs(logits, logits + 1.0, None)


@pytest.fixture
def personal(model):
    """A model with a speaker model on its card."""
    rng = np.random.default_rng(3)
    one = np.eye(len(LABELS) - 1)
    means = rng.normal(0.0, 3.0, (len(LABELS), len(LABELS) - 1))
    speakers = SpeakerModel(means, 9.0 * one, 2.0 * one, 4.0 * one)
    return Recognizer(NumpyBackend(model.with_card(speakers=speakers, temperature=30.0)))


@pytest.fixture
def recognizer(model):
    return Recognizer(NumpyBackend(model))


def test_an_empty_profile_changes_nothing(recognizer):
    mine = recognizer.with_profile(Profile.create(recognizer))
    for sound in sounds(3):
        assert mine(sound) == recognizer(sound)


def test_corrections_change_answers_and_are_taken_back(recognizer):
    profile = Profile.create(recognizer)
    mine = recognizer.with_profile(profile)
    sound, other = sounds(2)
    before = recognizer(sound).scores
    label = min(before, key=before.get)
    assert profile.learn(sound, label).id == 1
    assert mine(sound).scores[label] > before[label]
    profile.learn(other, "angry")
    assert [(c.id, c.label, c.needs_recording) for c in profile.corrections] == [
        (1, label, False), (2, "angry", False),
    ]  # fmt: skip
    assert profile.forget(sound).label == label
    once = Profile.create(recognizer)
    once.learn(other, "angry")
    assert mine(sound).scores == pytest.approx(recognizer.with_profile(once)(sound).scores)
    assert profile.forget(last=True).id == 2
    assert mine(sound).scores == before
    # The windows and the restricted answers are the user's too; embeddings are the model's.
    profile.learn(sound, label)
    (window,) = mine.windows(sound)
    assert window.scores == pytest.approx(mine(sound).scores)
    pair = mine(sound, labels=[label, "sad" if label != "sad" else "happy"]).scores
    assert pair[label] == pytest.approx(
        mine(sound).scores[label] / sum(mine(sound).scores[one] for one in pair)
    )
    np.testing.assert_array_equal(mine.embed(sound), recognizer.embed(sound))
    (answer,) = mine.predict_many([sound])
    assert answer == mine(sound)


def test_what_is_learned_is_the_mean_of_the_windows(recognizer):
    """Of 20 s of noise in windows of 8, 8 and 4 s."""
    samples = noise(20.0)
    profile = Profile.create(recognizer)
    profile.learn((samples, RATE), "sad")
    (entry,) = profile.state.corrections.entries
    assert entry.digest == content_hash(samples)
    embeddings = recognizer.embed((samples, RATE)).astype(float)
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    logits = logits_of(recognizer, (samples, RATE))
    weights = np.array([0.4, 0.4, 0.2])
    np.testing.assert_allclose(entry.example.vector, weights @ units, atol=1e-6)
    found = entry.example.logits - entry.example.logits.mean()
    np.testing.assert_allclose(found, weights @ (logits.T - logits.mean(axis=1)).T, atol=1e-4)


def test_enrolment_and_corrections_of_a_model_with_a_speaker_model(personal):
    """The answer is that of `Enrolment` with the logits of all windows, and of what errors remain.

    The latter is a ridge regression of the errors on the units of the embeddings.
    """
    profile = Profile.create(personal)
    assert profile.enrol(*sounds(6)) == pytest.approx(12.0)
    profile.enrol((noise(20.0), RATE))
    for i, sound in enumerate(sounds(3, 20)):
        profile.learn(sound, LABELS[i % 2])
    expected = Enrolment(personal.card.speakers)
    for sound in (*sounds(6), (noise(20.0), RATE)):
        expected.hear(logits_of(personal, sound))
    for i, sound in enumerate(sounds(3, 20)):
        expected.learn(logits_of(personal, sound), np.array([i % 2]))
    assert (profile.state.heard.n_windows, len(expected.heard)) == (9, 9)
    assert profile.state.heard.seconds == pytest.approx(32.0)
    query = (noise(2.0, seed=50), RATE)
    learned = sounds(3, 20)
    rows = np.array([[*unit(personal.embed(sound)[0]), 1.0] for sound in (*learned, query)])
    logits = np.concatenate([logits_of(personal, sound) for sound in learned])
    exponentials = np.exp(expected.adjusted(logits).astype(float))
    errors = np.eye(4)[[0, 1, 0]] - exponentials / exponentials.sum(axis=1, keepdims=True)
    normal = rows[:3].T @ rows[:3] + PENALTY * np.eye(rows.shape[1])
    left = STRENGTH * rows[3] @ np.linalg.solve(normal, rows[:3].T @ errors)
    adjusted = np.exp(expected.adjusted(logits_of(personal, query))[0].astype(float) + left)
    mine = personal.with_profile(profile)(query).scores
    np.testing.assert_allclose(list(mine.values()), adjusted / adjusted.sum(), atol=1e-4)
    assert mine != pytest.approx(personal(query).scores, abs=0.01)
    for number in (1, 2, 3):
        profile.forget(number=number)
    heard = Profile.create(personal)
    heard.enrol(*sounds(6), (noise(20.0), RATE))
    assert personal.with_profile(profile)(query).scores == pytest.approx(
        personal.with_profile(heard)(query).scores, rel=1e-5
    )


def unit(vector):
    return vector.astype(float) / np.linalg.norm(vector)


def logits_of(recognizer, sound):
    """Log-probabilities of the windows, which are logits up to a constant."""
    scores = [list(window.scores.values()) for window in recognizer.windows(sound)]
    return np.log(np.array(scores, np.float64)).astype(np.float32)


def test_speech_unlike_the_training_data_is_not_enrolled(model, personal):
    """The farthest of three recordings is refused, and the others with it."""
    rows = np.ones(1)
    typical = Typical(0.95, 1e6, as_text(rows[:, None]))
    card = {"speakers": personal.card.speakers}
    near = Recognizer(NumpyBackend(model.with_card(typical=typical, **card)))
    many = sounds(3)
    distances = [near.examine(sound).distance for sound in many]
    limit = sorted(distances)[1]
    strict = replace(typical, limit=limit)
    profile = Profile.create(Recognizer(NumpyBackend(model.with_card(typical=strict, **card))))
    farthest = many[int(np.argmax(distances))]
    for given in ((farthest,), many):
        with pytest.raises(ProfileError, match=r"unlike the training data of toy: distance "):
            profile.enrol(*given)
    assert profile.state.heard.n_windows == 0
    profile.enrol(*(sound for sound in many if sound is not farthest))
    assert profile.state.heard.n_windows == 2


def test_the_order_of_enrolment_and_learning_does_not_matter(personal):
    one, other = Profile.create(personal), Profile.create(personal)
    a, b, c = sounds(3)
    one.enrol(a)
    one.enrol(b)
    one.learn(c, "sad")
    other.learn(c, "sad")
    other.enrol(b, a)
    sound = (noise(2.0, seed=9), RATE)
    assert personal.with_profile(one)(sound).scores == pytest.approx(
        personal.with_profile(other)(sound).scores, rel=1e-5
    )


def test_a_model_without_a_speaker_model_learns_corrections_only():
    recognizer = Recognizer(Loudness())
    profile = Profile.create(recognizer)
    sound = (noise(2.0), RATE)
    profile.learn(sound, "quiet")
    p = recognizer(sound).scores["loud"]
    # One correction: the fit of its own vector, of squared length 2 with the constant.
    share = STRENGTH * p * 2.0 / (2.0 + 1.0)
    logit = np.log(p / (1 - p)) - 2.0 * share
    found = recognizer.with_profile(profile)(sound).scores["loud"]
    assert found == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-4)
    with pytest.raises(
        ProfileError, match="the card of loudness has no speaker model, so it cannot be enrolled"
    ):
        profile.enrol(sound)


def test_a_profile_of_another_model(recognizer, model, tmp_path):
    profile = Profile.create(recognizer)
    profile.save(tmp_path / "a.profile")
    renamed = Recognizer(NumpyBackend(model.with_card(name="renamed", figures={"a": 1})))
    assert renamed.with_profile(tmp_path / "a.profile").profile is not None
    for change in ({"temperature": 2.0}, {"clip": 2.0}, {"labels": ("a", "b", "c", "d")}):
        other = Recognizer(NumpyBackend(model.with_card(**change)))
        for mine in (profile, tmp_path / "a.profile", str(tmp_path / "a.profile")):
            with pytest.raises(
                ProfileError, match=r"belongs to the model toy \(.{8}\), not to toy"
            ):
                other.with_profile(mine)


def test_every_weight_counts_for_the_digest(model):
    digests = {owner_of(NumpyBackend(model)).digest}
    for name in ("mean", "scale"):
        values = getattr(model, name).copy()
        values[3] *= 1.001
        digests.add(owner_of(NumpyBackend(replace(model, **{name: values}))).digest)
    for i, layer in enumerate(model.layers):
        for name in ("weight", "bias"):
            values = getattr(layer, name).copy()
            values[-1] += 0.001
            layers = list(model.layers)
            layers[i] = replace(layer, **{name: values})
            digests.add(owner_of(NumpyBackend(replace(model, layers=tuple(layers)))).digest)
    assert len(digests) == 7
    shipped = {name: serkit.load(name).backend.digest for name in serkit.available_models()}
    assert len(set(shipped.values())) == len(shipped)


def test_a_saved_profile_is_saved_at_every_step(recognizer, tmp_path):
    path = tmp_path / "a.profile"
    assert Profile.create(recognizer).save(path) == path.stat().st_size
    one, other = (recognizer.with_profile(path).profile for _ in range(2))
    a, b, c = sounds(3)
    one.learn(a, "sad")
    other.learn(b, "angry")
    one.learn(c, "happy")
    found = Profile.load(path, recognizer)
    assert [c.label for c in found.corrections] == ["sad", "angry", "happy"]
    assert [c.label for c in one.corrections] == ["sad", "angry", "happy"]
    with pytest.raises(ProfileError, match="no correction 9"):
        one.forget(number=9)
    assert other.forget(number=1).label == "sad"
    assert [c.id for c in Profile.load(path, recognizer).corrections] == [2, 3]


def test_a_file_that_was_replaced_by_one_of_another_model(recognizer, tmp_path):
    path = tmp_path / "a.profile"
    Profile.create(recognizer).save(path)
    profile = Profile.load(path, recognizer)
    Profile.create(Recognizer(Loudness())).save(path)
    before = path.read_bytes()
    with pytest.raises(ProfileError, match="belongs to the model loudness"):
        profile.learn(sounds(1)[0], "sad")
    assert path.read_bytes() == before


def test_names_and_paths(recognizer, tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_PROFILES", str(tmp_path))
    ProfileStore.default().create("anna", ProfileState.empty(owner_of(recognizer.backend)))
    for named in ("anna", tmp_path / "anna.profile", str(tmp_path / "anna.profile")):
        assert recognizer.with_profile(named).profile.path == tmp_path / "anna.profile"
    with pytest.raises(ProfileError, match="there is no profile 'bob'"):
        recognizer.with_profile("bob")
    with pytest.raises(ProfileError, match=r"none\.profile: no such file"):
        recognizer.with_profile("none.profile")
    with pytest.raises(ProfileError, match="begins with a hyphen"):
        recognizer.with_profile("..")


@pytest.mark.parametrize("cls", [Profile.learn, Profile.forget, Profile.enrol])
def test_recordings_that_teach_nothing(personal, tmp_path, cls):
    recognizer = personal
    path = tmp_path / "a.profile"
    Profile.create(recognizer).save(path)
    profile = Profile.load(path, recognizer)
    profile.learn(sounds(1)[0], "sad")
    before = path.read_bytes()
    label = ("sad",) if cls is Profile.learn else ()
    silence = (np.zeros(RATE, np.float32), RATE)
    for source, message in (
        (silence, "digital silence: nothing to learn from"),
        (b"no sound", "AudioError"),
        (tmp_path / "none.wav", "no such file"),
        ((noise(0.05), RATE), "lasts 50 ms"),
        ((np.full(RATE, np.nan, np.float32), RATE), "not finite"),
    ):
        with pytest.raises(AudioError) as refused:
            cls(profile, source, *label)
        assert message in str(refused.value) or message == "AudioError"
    assert path.read_bytes() == before


def test_what_cannot_be_learned_or_forgotten(recognizer):
    profile = Profile.create(recognizer)
    sound, other = sounds(2)
    with pytest.raises(ProfileError, match="unknown label 'bored'; the labels of toy are angry, "):
        profile.learn(sound, "bored")
    profile.learn(sound, "sad")
    state = profile.state
    for arguments, message in (
        ({"source": other}, "nothing has been learned from this recording; the only one is 1"),
        ({"number": 0}, "there is no correction 0"),
        ({}, "expected a recording, the number"),
        ({"source": sound, "last": True}, "expected a recording, the number"),
    ):
        with pytest.raises(ProfileError, match=message):
            profile.forget(**arguments)
    assert profile.state is state


def test_a_model_that_overflows_teaches_nothing(model):
    layers = (model.layers[0], replace(model.layers[1], weight=np.full((4, 8), 3e38, np.float32)))
    recognizer = Recognizer(NumpyBackend(replace(model, layers=layers)))
    profile = Profile.create(recognizer)
    state = profile.state
    with np.errstate(all="ignore"), pytest.raises(ModelError, match="not finite"):
        profile.learn(sounds(1)[0], "sad")
    assert profile.state is state


def test_the_same_sound_in_another_file_is_known(recognizer, tmp_path):
    samples = np.round(noise(2.0) * 32767) / 32768
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, samples, RATE, "PCM_16")
    profile = Profile.create(recognizer)
    profile.learn(tmp_path / "a.wav", "sad")
    assert profile.forget(tmp_path / "a.flac").id == 1


def test_threads_that_learn_and_ask(recognizer, tmp_path):
    """Of a profile in a file; every answer is that of one state."""
    path = tmp_path / "a.profile"
    Profile.create(recognizer).save(path)
    profile = Profile.load(path, recognizer)
    mine, (sound,) = recognizer.with_profile(profile), sounds(1)
    failures = []

    def ask():
        for _ in range(10):
            total = sum(mine(sound).scores.values())
            if abs(total - 1) > 1e-5:
                failures.append(total)

    def learn(first):
        for one in sounds(4, first):
            profile.learn(one, "sad")

    threads = [threading.Thread(target=ask)]
    threads += [threading.Thread(target=learn, args=(first,)) for first in (10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert Profile.load(path, recognizer).state.corrections.n_learned == 8


def test_log_mel_models_learn_from_packets_too():
    from serkit.codec import encode_basis

    recognizer = serkit.load("tiny-mel")
    packets = encode_basis(noise(3.0), 5)
    profile = Profile.create(recognizer)
    profile.learn(packets, "sad")
    assert (
        recognizer.with_profile(profile)(packets).scores["sad"] > recognizer(packets).scores["sad"]
    )
    assert profile.forget(packets).id == 1


def test_its_repr(personal):
    profile = Profile.create(personal)
    profile.enrol(sounds(1)[0])
    assert repr(profile) == "Profile(of toy, 1.0 s enrolled, 0 corrections)"
