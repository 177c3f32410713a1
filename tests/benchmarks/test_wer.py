import json

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.wer import WordErrors, normaliser, word_errors

words = st.lists(st.sampled_from(["red", "green", "blue", "black", "white"]), max_size=8)


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [
        ("he could wait no longer", "he could wait no longer", (0, 0, 0, 5)),
        ("he could wait no longer", "", (0, 5, 0, 0)),
        ("wait", "he could wait", (0, 0, 2, 1)),
        ("the wood cutters", "the woodcutters", (1, 1, 0, 1)),  # not two of three kinds
        ("q r s t", "r s t u", (0, 1, 1, 3)),  # shifted by one, not four wrong
        ("kitten sat on mat", "sitting sat mat", (1, 1, 0, 2)),
    ],
)
def test_errors_counted_by_hand(said, heard, expected):
    found = word_errors(said, heard)
    assert found == WordErrors(*expected)
    assert found.errors == sum(expected[:3])
    assert found.spoken == len(said.split())


@given(words.filter(bool), words)
def test_the_denominator_of_equation_5_is_the_number_of_words_spoken(said, heard):
    found = word_errors(" ".join(said), " ".join(heard))
    assert found.spoken == found.substituted + found.deleted + found.correct == len(said)
    assert found.substituted + found.inserted + found.correct == len(heard)
    assert found.errors / found.spoken == jiwer.wer(" ".join(said), " ".join(heard))


def test_a_rate_above_one():
    found = word_errors("wait", "oh he could wait no longer")
    assert found.errors / found.spoken == 5.0


def test_what_counts_as_a_word(tmp_path):
    normalise = normaliser()
    assert normalise('The "forty-two line Bible", i.e. HIS: fourteen fifty-five!').split() == [
        "the", "42", "line", "bible", "i", "e", "his", "1455",
    ]  # fmt: skip
    assert normalise("Mr. Dashwood can't, um, come").split() == [
        "mister", "dashwood", "can", "not", "come",
    ]  # fmt: skip
    assert normalise("the colour") == "the colour"
    (tmp_path / "normalizer.json").write_text(json.dumps({"colour": "color"}))
    assert normaliser(tmp_path)("the colour") == "the color"
    with pytest.raises(ValueError, match="has no word"):
        word_errors("(laughs)", "x")
