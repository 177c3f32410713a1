import pickle
from pathlib import Path

import pytest

from serkit.corpora import EMOTIONS, Utterance, count, merge
from serkit.corpora.emotions import in_order


def utterance(label: str, speaker: str = "1") -> Utterance:
    return Utterance(Path("a.wav"), label, speaker, "mine")


def test_a_speaker_is_known_by_corpus_and_name():
    assert utterance("sad", "03").speaker_key == "mine/03"


def test_an_utterance_is_a_plain_value():
    one = utterance("sad")
    assert one == utterance("sad")
    assert len({one, utterance("sad")}) == 1
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError):
        one.label = "happy"


def test_labels_stand_in_the_order_of_the_vocabulary():
    assert in_order(["zany", "excited", "sad", "angry", "sad"]) == (
        "angry",
        "sad",
        "excited",
        "zany",
    )
    assert in_order(reversed(EMOTIONS)) == EMOTIONS


def test_merging_names_what_becomes_what():
    merged = merge([utterance("excited"), utterance("sad")], {"excited": "happy"})
    assert [u.label for u in merged] == ["happy", "sad"]


def test_counting():
    stats = count(
        [
            utterance("sad", "b"),
            utterance("angry", "a"),
            utterance("sad", "b"),
            utterance("sad", "a"),
        ]
    )
    assert stats.labels == ("angry", "sad")
    assert stats.speakers == ("a", "b")
    assert stats.counts == ((1, 1), (0, 2))
    assert stats.total == 4
    assert stats.duration_s is None
