import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.text import one_line, printable, shown


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_printable(text, expected):
    assert printable(text) == expected


@given(st.text(st.characters(codec=None)))
def test_printable_has_no_control_characters(text):
    result = printable(text)
    result.encode()
    assert not {unicodedata.category(c) for c in result} & {"Cc", "Cs", "Zl", "Zp"}
    assert printable(result) == result


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [
        ("abc", 5, "'abc'"),
        ("abcd", 5, "'a..."),
        ([1, 2, 3], 9, "[1, 2, 3]"),
        ([1, 2, 3], 8, "[1, 2..."),
        ("\ud800\n", 80, r"'\ud800\n'"),
    ],
)
def test_shown_marks_a_cut(value, limit, expected):
    assert shown(value, limit) == expected


def test_one_line_of_an_error():
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(OSError(2, "No such file", "x")) == "No such file"
    assert one_line(ValueError("x" * 400)) == "x" * 297 + "..."
