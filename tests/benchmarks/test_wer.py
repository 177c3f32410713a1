import pytest

from peers.wer import WordErrors, word_errors, words


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [
        ("he could wait no longer", "he could wait no longer", (0, 0, 0, 5)),
        ("he could wait no longer", "", (0, 5, 0, 5)),
        ("wait", "he could wait", (0, 0, 2, 1)),
        ("the wood cutters", "the woodcutters", (1, 1, 0, 3)),  # not two of three kinds
        ("a b c d", "b c d e", (0, 1, 1, 4)),  # shifted by one, not four wrong
        ("kitten sat on mat", "sitting sat mat", (1, 1, 0, 4)),
    ],
)
def test_errors_counted_by_hand(said, heard, expected):
    found = word_errors(said, heard)
    assert found == WordErrors(*expected)
    assert found.errors == sum(expected[:3])


def test_what_counts_as_a_word():
    assert words('The "forty-two line Bible", i.e. HIS, 1455!') == [
        "the", "forty", "two", "line", "bible", "i", "e", "his", "1455",
    ]  # fmt: skip
    assert words("don't 'quote' don’t — café_x") == ["don't", "quote", "don't", "café", "x"]
    assert words(" ... ") == []
