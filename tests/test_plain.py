import pytest

from serkit.plain import MAX_DEPTH, MAX_NODES, from_json, from_yaml


def test_plain_values():
    text = '{"a": [1, -2.5, null, true, "\\u00e9"], "b": {"c": 18446744073709551615}}'
    value = {"a": [1, -2.5, None, True, "é"], "b": {"c": 2**64 - 1}}
    assert from_json(text) == from_json(b"\xef\xbb\xbf" + text.encode()) == value
    assert from_yaml(text) == value
    assert from_yaml("a: &x [1, 2]\nb: *x\nc: {<<: {d: 3}, e: 4}") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": 3, "e": 4},
    }


@pytest.mark.parametrize("parse", [from_json, from_yaml])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested too deeply"),
        ('{"a": {"b": [0, 36893488147419103232]}}', "^a.b.1: a number of 66 bits"),
        ('{"a": ' + "9" * 10_000 + "}", "a number of 10000 digits"),
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff in line 1"),
        ('{"a": 1', "^not (JSON|YAML)"),
    ],
)
def test_refused_by_both(parse, text, problem):
    with pytest.raises(ValueError, match=problem) as refused:
        parse(text)
    assert "\n" not in str(refused.value)


def test_maximum_depth():
    text = "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH
    assert from_json(text) == from_yaml(text)


@pytest.mark.parametrize("text", ["[NaN]", "[Infinity]", "[-Infinity]", "[1e999]"])
def test_json_without_nan_or_infinity(text):
    with pytest.raises(ValueError, match=r"^0: the number (nan|-?inf)"):
        from_json(text)


def test_lone_surrogate_in_a_key():
    with pytest.raises(ValueError, match="not valid Unicode"):
        from_json('{"\\ud800": 1}')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("!!python/object/apply:os.system ['true']", r"line 1: tag .*os\.system"),
        ("- 1\n- !!binary aaaa", "line 2: tag .*binary"),
        ("a: 2001-13-45", "an impossible date"),
        ("a: .nan", "a: the number nan"),
        ("a: 0x" + "f" * 5000, "a number of 5002 digits"),
        ("a: " + "1:" * 10_000 + "1", "a number of 20001 digits"),
        ("- &a [*a]", r"line 1: alias \*a before its anchor ends"),
        ("a: 1\n---\nb: 2", "not YAML: .*single document"),
        ("- 1\n" * (MAX_NODES + 1), "more than 500,000 values"),
    ],
)
def test_refused_yaml(text, problem):
    with pytest.raises(ValueError, match=problem) as refused:
        from_yaml(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("inner", ["[{}]", "{{<<: [{}]}}"])
def test_expanding_aliases(inner):
    """Twelve levels of ten aliases each: 10^12 values in a kilobyte."""
    lines = ["a0: &a0 [x]" if inner == "[{}]" else "a0: &a0 {x: 1}"]
    for i in range(1, 13):
        lines.append(f"a{i}: &a{i} {inner.format(', '.join([f'*a{i - 1}'] * 10))}")
    with pytest.raises(ValueError, match="more than 500,000 values"):
        from_yaml("\n".join(lines))


def test_long_digits_in_quotes():
    assert from_yaml(f"a: '{'9' * 5000}'") == {"a": "9" * 5000}
