import pytest

from serkit.corpora import EMOTIONS
from serkit.corpora.foreign import in_our_words


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Anger", "angry"),
        ("joy", "happy"),
        ("Happiness", "happy"),
        ("pleasant_surprise", "surprised"),
        ("Pleasant-Surprise", "surprised"),
        (" fear ", "fearful"),
        ("Amused", "amused"),
    ],
)
def test_other_words_for_the_same(name, word):
    assert in_our_words(name) == word


def test_our_own_words_stay():
    assert tuple(map(in_our_words, EMOTIONS)) == EMOTIONS
