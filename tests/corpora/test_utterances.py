import pickle
from pathlib import Path

import pytest

from serkit.corpora import EMOTIONS, Utterance, count, keep_labels, merge
from serkit.corpora.emotions import in_order
from serkit.errors import CorpusError


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


def test_keeping_labels_keeps_the_order():
    utterances = [utterance("sad", "1"), utterance("calm", "2"), utterance("angry", "3")]
    kept = keep_labels(utterances, ["angry", "sad", "happy"])
    assert [u.speaker for u in kept] == ["1", "3"]


@pytest.mark.parametrize("labels", [["angry", "hapy"], ["happy"], []])
def test_keeping_a_label_that_does_not_occur(labels):
    with pytest.raises(CorpusError, match=r"the labels are angry, sad"):
        keep_labels([utterance("sad"), utterance("angry")], labels)


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
