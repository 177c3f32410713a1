"""Untrusted JSON and YAML as plain data: JSON values, and dates.

Refused with a one-line `ValueError`: values nested too deeply, integers beyond 64 bits, numbers
that are not finite, lone surrogates, YAML tags, and aliases that expand to too many values.
"""

from __future__ import annotations

import json
import math
import re
from datetime import date
from importlib import import_module
from typing import Any

from serkit.text import shown

MAX_DEPTH = 64
"""Levels of nested lists and objects."""

MAX_NODES = 500_000
"""Values of a YAML text, with aliases expanded."""

_TOO_DEEP = f"lists and objects are nested too deeply; expected at most {MAX_DEPTH} levels"
_MAX_BITS = 64
_MAX_DIGITS = 1000
# What YAML may read as a number in any base; converting a long one takes minutes.
_LONG_NUMBER = re.compile(r"[-+.0-9A-Fa-fx_:]{100,}")


def from_json(text: str | bytes, *, file_names: bool = False) -> Any:
    """Parse a JSON text.

    Args:
        text: JSON; bytes are UTF-8, with or without a byte order mark.
        file_names: Whether strings may be file names, whose bytes need not be UTF-8 (PEP 383).

    Raises:
        ValueError: The text is not JSON, or holds a value that this module refuses.
    """
    try:
        value = json.loads(_decoded(text), parse_int=_integer)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check(value, "surrogateescape" if file_names else "strict")
    return value


def from_yaml(text: str | bytes) -> Any:
    """Parse a YAML text of one document.

    Args:
        text: YAML; bytes are UTF-8, with or without a byte order mark.

    Raises:
        ValueError: The text is not YAML, or holds a value that this module refuses.
    """
    yaml = import_module("yaml")  # of the extras train and audformat
    # The compiled parser is ten times as fast, but deep nesting overflows its stack: the depth is
    # checked first, on the events, which need no stack.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    decoded = _decoded(text)
    try:
        _check_events(yaml, yaml.parse(decoded, Loader=loader))
        value = _value(yaml, decoded, loader)
    except yaml.YAMLError as error:
        problem = str(error).replace(' in "<unicode string>"', "")
        raise ValueError(f"not YAML: {' '.join(problem.split())}") from error
    _check(value)
    return value


def is_int(value: object, low: int, high: int) -> bool:
    """Whether a value is a whole number in a range; `True` and `False` are none."""
    return type(value) is int and low <= value <= high


def _value(yaml: Any, text: str, loader: Any) -> Any:
    try:
        return yaml.load(text, Loader=loader)
    except ValueError as error:
        raise ValueError(f"invalid YAML value, such as an impossible date: {error}") from error


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"not UTF-8: byte 0x{text[error.start]:02x} in line {line}; save it as UTF-8"
        ) from error


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits; expected at most {_MAX_DIGITS}")
    return int(digits)


def _check_events(yaml: Any, events: Any) -> None:
    """Check depth, tags and number of values before any value is built."""
    sizes: dict[str, int] = {}  # values per anchor, with aliases expanded
    open_nodes: list[tuple[str | None, int]] = []
    nodes = 0
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise ValueError(f"line {line}: alias *{event.anchor} before its anchor ends")
            nodes += sizes[event.anchor]
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            if event.tag is not None:
                raise ValueError(f"line {line}: tag {event.tag}; expected plain values")
        if isinstance(event, yaml.ScalarEvent):
            if event.implicit[0] and _LONG_NUMBER.fullmatch(event.value):
                raise ValueError(
                    f"line {line}: a number of {len(event.value)} digits; quote it if it is text"
                )
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, nodes - 1))
            sizes.pop(event.anchor, None)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = nodes - before
        if len(open_nodes) > MAX_DEPTH:
            raise ValueError(f"line {line}: {_TOO_DEEP}")
        if nodes > MAX_NODES:
            raise ValueError(f"line {line}: more than {MAX_NODES:,} values")


def _check(value: Any, surrogates: str = "strict") -> None:
    waiting: list[tuple[Any, int, Any]] = [(value, 0, None)]
    while waiting:
        value, depth, path = waiting.pop()
        too_deep = depth >= MAX_DEPTH and isinstance(value, dict | list)
        problem = _TOO_DEEP if too_deep else _problem(value, surrogates)
        if problem:
            raise ValueError(f"{_location(path)}{problem}")
        if isinstance(value, dict):
            for key, part in value.items():
                waiting += ((key, depth + 1, path), (part, depth + 1, (path, key)))
        elif isinstance(value, list):
            waiting += ((part, depth + 1, (path, i)) for i, part in enumerate(value))


def _problem(value: Any, surrogates: str) -> str | None:
    """What is wrong with one value; None if it is plain."""
    if isinstance(value, str):
        try:
            value.encode(errors=surrogates)
        except UnicodeEncodeError:
            return f"the text {shown(value, 80)} is not valid Unicode (a lone surrogate)"
        return None
    if isinstance(value, int):
        if value.bit_length() <= _MAX_BITS:
            return None
        return f"a number of {value.bit_length()} bits; expected at most {_MAX_BITS}"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"the number {value}; expected a finite one"
    if value is None or isinstance(value, dict | list | date):
        return None
    return f"a value of type {type(value).__name__}; expected a plain one"


def _location(path: Any) -> str:
    """The location of a value, such as `labels.0: `."""
    keys: list[str] = []
    while path is not None:
        path, key = path
        keys.append(shown(key, 40).strip("'"))
    return f"{'.'.join(reversed(keys))}: " if keys else ""
