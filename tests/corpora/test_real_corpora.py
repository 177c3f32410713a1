from collections import Counter
from dataclasses import replace

import pytest

from serkit.corpora import EMOTIONS, episode, inspect, load

pytestmark = pytest.mark.corpora


@pytest.fixture(autouse=True)
def _root(corpora_root, monkeypatch):
    monkeypatch.setenv("SERKIT_CORPORA", str(corpora_root))


@pytest.mark.parametrize(
    ("name", "utterances", "speakers", "labels"),
    [
        ("ravdess", 1440, 24, 8),
        ("emodb", 535, 10, 7),
        ("crema_d", 7442, 91, 6),
        ("tess", 2800, 2, 7),
        ("nemo", 900, 9, 4),
    ],
)
def test_the_counts(name, utterances, speakers, labels):
    corpus = load(name)
    assert corpus.name == name
    assert len(corpus.utterances) == utterances
    assert len({u.speaker for u in corpus.utterances}) == speakers
    assert len({u.label for u in corpus.utterances}) == labels
    assert {u.label for u in corpus.utterances} <= set(EMOTIONS)
    assert len({u.audio for u in corpus.utterances}) == utterances
    assert load(name) == corpus


@pytest.mark.parametrize("name", ["ravdess", "emodb", "crema_d", "tess", "meld", "emorynlp"])
def test_a_complete_corpus_has_no_oddities(name):
    assert load(name).oddities == ()


def test_what_the_part_of_nemo_lacks_is_named():
    (odd,) = load("nemo").oddities
    assert "900 utterances; the complete corpus has 4481" in odd.problem
    assert "no utterance is fearful or surprised" in odd.problem


def test_the_published_label_counts():
    emodb = Counter(u.label for u in load("emodb").utterances)
    assert emodb == {
        "angry": 127,
        "bored": 81,
        "disgusted": 46,
        "fearful": 69,
        "happy": 71,
        "sad": 62,
        "neutral": 79,
    }
    ravdess = Counter(u.label for u in load("ravdess").utterances)
    assert ravdess == {label: 96 if label == "neutral" else 192 for label in ravdess}


def test_what_the_raters_heard_in_crema_d():
    """Single votes in VoiceVote, as `cut -d, -f3 summaryTable.csv | sort` counts them."""
    corpus = load("crema_d_rated")
    assert Counter(u.label for u in corpus.utterances) == {
        "neutral": 3897,
        "angry": 986,
        "fearful": 645,
        "disgusted": 547,
        "sad": 370,
        "happy": 353,
    }
    (left_out,) = corpus.oddities
    assert "no single vote for 644 clips" in left_out.problem


def test_the_pair_of_identical_recordings_in_ravdess():
    corpus = load("ravdess")
    actor = tuple(u for u in corpus.utterances if u.speaker == "07")
    survey = inspect(replace(corpus, utterances=actor))
    (odd,) = survey.oddities
    assert odd.path.stem == "03-01-03-01-02-02-07"
    assert "Actor_07/03-01-03-01-02-01-07" in odd.problem
    assert survey.stats.total == 60


def test_whole_clips_of_emodb():
    """Its catalogue says 22 minutes of sentences; read here they add up to 24.8."""
    survey = inspect(load("emodb"))
    assert survey.oddities == ()
    assert survey.stats.duration_s == pytest.approx(1487.24, abs=1.0)


def test_the_silent_clip_of_crema_d():
    corpus = load("crema_d")
    actor = tuple(u for u in corpus.utterances if u.speaker == "1076")
    survey = inspect(replace(corpus, utterances=actor))
    assert [(o.path.stem, o.problem) for o in survey.oddities] == [("1076_MTI_SAD_XX", "is silent")]


@pytest.mark.parametrize(
    ("name", "splits"),
    [
        ("meld", {"train": 9989, "dev": 1109, "test": 2610}),
        ("emorynlp", {"train": 7551, "dev": 954, "test": 984}),
    ],
)
def test_the_published_splits(name, splits):
    utterances = load(name).utterances
    assert Counter(u.split for u in utterances) == splits
    assert len({u.label for u in utterances}) == 7
    # No dialogue is in two splits.
    assert len({(u.session, u.split) for u in utterances}) == len({u.session for u in utterances})
    assert all(u.text and "\ufffd" not in u.text for u in utterances)


def test_what_of_emorynlp_stays_when_meld_is_tested_on():
    tested = {episode(u) for u in load("meld").utterances if u.split != "train"}
    kept = [u for u in load("emorynlp").utterances if episode(u) not in tested]
    assert len(kept) == 2833
