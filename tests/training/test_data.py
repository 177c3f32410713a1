import numpy as np
import pytest
import soundfile

from serkit.adaptation import HoldOut
from serkit.audio import content_hash
from serkit.corpora import Utterance
from serkit.errors import CorpusError, ProtocolError
from serkit.features import extract
from serkit.training import load_utterances, make_dataset, read_utterance
from serkit.training.data import hash_utterance

from toys import always_die, make_recipe


@pytest.fixture
def manifest(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["audio,label,speaker"]
    for speaker in "ab":
        for label in ("angry", "sad", "happy", "bored"):
            name = f"{speaker}-{label}.wav"
            soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(8000), 16_000)
            lines.append(f"{name},{label},{speaker}")
    path = tmp_path / "all.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("jobs", [1, 2])
def test_rows_are_the_features_of_the_utterances_with_the_recipes_labels(manifest, jobs):
    recipe = make_recipe()
    _, utterances = load_utterances(recipe, [f"manifest={manifest}"])
    data = make_dataset(recipe, utterances, jobs=jobs)
    assert [u.label for u in data.utterances] == ["angry", "sad", "happy"] * 2
    assert data.targets.tolist() == [0, 1, 2, 0, 1, 2]
    samples, _ = soundfile.read(utterances[4].audio, dtype="float32")
    np.testing.assert_array_equal(data.features[4], extract(recipe.features, samples))


def test_a_label_that_occurs_nowhere_is_named(manifest):
    recipe = make_recipe(labels=("angry", "proud"))
    with pytest.raises(CorpusError, match="labelled proud"):
        load_utterances(recipe, [f"manifest={manifest}"])


def test_an_unreadable_recording_is_named(tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    with pytest.raises(CorpusError, match=r"bad\.wav: not recognised"):
        make_dataset(make_recipe(), [Utterance(bad, "angry", "a", "toys")])


def test_a_stretch_of_a_recording(manifest):
    recipe = make_recipe()
    audio = manifest.parent / "a-sad.wav"
    part = Utterance(audio, "sad", "a", "toys", start_s=0.1, end_s=0.3)
    samples, _ = soundfile.read(audio, dtype="float32")
    found = make_dataset(recipe, [part]).features[0]
    np.testing.assert_array_equal(found, extract(recipe.features, samples[1600:4800]))


def test_utterance_beyond_its_file(manifest):
    audio = manifest.parent / "a-sad.wav"
    part = Utterance(audio, "sad", "a", "toys", start_s=100.0)
    with pytest.raises(CorpusError, match=r"a-sad\.wav: .* from 100 s has no samples"):
        make_dataset(make_recipe(), [part])


def test_utterance_between_two_samples(manifest):
    audio = manifest.parent / "a-sad.wav"
    part = Utterance(audio, "sad", "a", "toys", start_s=0.1, end_s=0.10002)
    with pytest.raises(CorpusError, match=r"from 0\.1 s has no samples"):
        make_dataset(make_recipe(), [part])


def test_sample_too_large(tmp_path):
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 1e30
    soundfile.write(tmp_path / "loud.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(CorpusError, match=r"loud\.wav: the sample at 0\.000 s is 1\.26e\+29"):
        make_dataset(make_recipe(), [Utterance(tmp_path / "loud.wav", "sad", "a", "toys")])


def test_partners_of_partners_are_held_out_too():
    """Each speaks in a session with the next: a chain, and another apart from it."""
    talks = [Utterance(None, "sad", s, "toys", session=d) for d in ("ab", "bc", "cd") for s in d]
    others = [Utterance(None, "sad", s, "toys", session=d) for d in ("xy", "yz") for s in d]
    everyone = talks + others
    for seed in range(10):
        parts = HoldOut("speaker", 0.1).split(everyone, np.arange(len(everyone)), seed=seed)
        said = [{everyone[i].speaker for i in part} for part in parts]
        assert sorted(map(len, said)) == [3, 4]


def test_killed_workers_in_extraction(manifest, monkeypatch):
    _, utterances = load_utterances(make_recipe(), [f"manifest={manifest}"])
    monkeypatch.setattr("serkit.training.data._features_of", always_die)
    monkeypatch.setattr("serkit.training.workers.MOST_LOSSES", 0)
    with pytest.raises(ProtocolError, match="1 of 1 tasks are not done; use fewer jobs"):
        make_dataset(make_recipe(), utterances, jobs=2)


def test_speakers_who_all_share_a_session_leave_nobody_to_train_on():
    utterances = [Utterance(None, "sad", s, "toys", session="1") for s in "abcd" * 3]
    with pytest.raises(ProtocolError, match="all speakers share sessions"):
        HoldOut("speaker", 0.25).split(utterances, np.arange(12), seed=0)


def utterances_of(speakers):
    return [Utterance(None, "sad", s, c) for c, names in speakers.items() for s in names * 5]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.2, ["one", "one"]),
        (0.3, ["one", "one", "one", "two"]),
        (0.01, ["one"]),
        (0.9, ["one"] * 9 + ["two"]),
    ],
)
def test_speakers_are_held_out_whole_and_in_proportion(share, expected):
    utterances = utterances_of({"one": list("abcdefghij"), "two": list("ab"), "three": ["x"]})
    candidates = np.arange(len(utterances))
    training, validation = HoldOut("speaker", share).split(utterances, candidates, seed=3)
    assert sorted([*training, *validation]) == candidates.tolist()
    inside = {utterances[i].speaker_key for i in training}
    outside = {utterances[i].speaker_key for i in validation}
    assert not inside & outside
    assert sorted(key.split("/")[0] for key in outside) == expected


def test_single_utterances_are_held_out():
    utterances = utterances_of({"one": ["a"]})
    training, validation = HoldOut("utterance", 0.4).split(utterances, np.arange(5), seed=0)
    assert (len(training), len(validation)) == (3, 2)
    assert sorted([*training, *validation]) == [0, 1, 2, 3, 4]


def test_nobody_to_hold_out():
    utterances = utterances_of({"one": ["a"]})
    with pytest.raises(ProtocolError, match="validation: utterance"):
        HoldOut("speaker", 0.2).split(utterances, np.arange(5), seed=0)
    with pytest.raises(ProtocolError, match="too few"):
        HoldOut("utterance", 0.2).split(utterances, np.arange(1), seed=0)


def test_maximum_length_of_an_utterance(manifest):
    audio = manifest.parent / "a-sad.wav"
    whole = Utterance(audio, "sad", "a", "toys")
    message = r"a-sad\.wav: an utterance is longer than 0\.3 s; .* \(--max-clip-s\)"
    with pytest.raises(CorpusError, match=message):
        make_dataset(make_recipe(), [whole], max_clip_s=0.3)
    part = Utterance(audio, "sad", "a", "toys", start_s=0.1, end_s=0.4)
    assert len(make_dataset(make_recipe(), [part, part], max_clip_s=0.3)) == 2
    assert len(make_dataset(make_recipe(), [whole], max_clip_s=0.5)) == 1


def test_a_long_file_is_not_read_beyond_the_utterance(tmp_path):
    path = tmp_path / "damaged.flac"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(30 * 16_000), 16_000)
    path.write_bytes(path.read_bytes()[:-1000])
    part = Utterance(path, "sad", "a", "toys", start_s=0.5, end_s=1.0)
    assert len(read_utterance(part)) == 8000
    with pytest.raises(CorpusError, match=r"damaged\.flac"):
        read_utterance(Utterance(path, "sad", "a", "toys"))


def test_hashes_are_those_of_the_samples(manifest):
    audio = manifest.parent / "a-sad.wav"
    for times in ({}, {"start_s": 0.1, "end_s": 0.3}):
        utterance = Utterance(audio, "sad", "a", "toys", **times)
        assert hash_utterance(utterance) == content_hash(read_utterance(utterance))
