import pytest

from serkit.corpora import EMOTIONS
from serkit.corpora.foreign import label_of


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
    assert label_of(name) == word


def test_our_own_words_stay():
    assert tuple(map(label_of, EMOTIONS)) == EMOTIONS
