import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("voice.wav", "voice.wav"),
        ("Größe, 声, صوت, नमस्ते", "Größe, 声, صوت, नमस्ते"),
        ("👩\u200d👧.wav", "👩\u200d👧.wav"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m", r"\x9b31m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("gpj\u202e.wav", r"gpj\u202e.wav"),
        ("a\u2028b", r"a\u2028b"),
        (os.fsdecode(b"caf\xe9.wav"), r"caf\xe9.wav"),
        ("\ud800", r"\ud800"),
        (ValueError("x\r"), r"x\r"),
    ],
)
def test_what_is_shown(text, shown):
    assert printable(text) == shown


@given(st.text(st.characters(codec=None)))
def test_nothing_acts_on_a_terminal(text):
    shown = printable(text)
    shown.encode()
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert printable(shown) == shown
