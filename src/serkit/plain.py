"""JSON and YAML from strangers, as plain data: nothing but what JSON can say again, and dates.

A value that is too deep, a number beyond 64 bits or not finite, half of a character, a YAML tag, or
aliases that multiply: each is refused with a `ValueError` of one line.
"""

from __future__ import annotations

import json
import math
import re
from datetime import date
from importlib import import_module
from typing import Any

MAX_DEPTH = 64
"""Lists and objects inside one another."""

MAX_NODES = 500_000
"""Values of a YAML text, those that aliases stand for counted each time."""

_TOO_DEEP = f"lists and objects are nested too deeply; expected at most {MAX_DEPTH} levels"
_MAX_BITS = 64
_MAX_DIGITS = 1000
# What YAML may take for a number, in whatever base; converting a long one takes minutes.
_LONG_NUMBER = re.compile(r"[-+.0-9A-Fa-fx_:]{100,}")


def from_json(text: str | bytes, *, file_names: bool = False) -> Any:
    """The value of a JSON text.

    Args:
        text: JSON; bytes are UTF-8, with or without a byte order mark.
        file_names: Whether texts may be names of files, whose bytes need not be UTF-8 (PEP 383).

    Raises:
        ValueError: It is not JSON, or says what this module refuses.
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
    """The value of a YAML text with a single document.

    Args:
        text: YAML; bytes are UTF-8, with or without a byte order mark.

    Raises:
        ValueError: It is not YAML, or says what this module refuses.
    """
    yaml = import_module("yaml")  # of the extras train and audformat
    # The compiled parser is ten times as fast, and overflows the stack on what is too deep:
    # the events, which need no stack, come first.
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
    """Depth, tags and the number of values, before anything is made of them."""
    sizes: dict[str, int] = {}  # of what has an anchor, with all that aliases in it stand for
    open_nodes: list[tuple[str | None, int]] = []
    nodes = 0
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise ValueError(f"line {line}: the alias *{event.anchor} before its anchor ends")
            nodes += sizes[event.anchor]
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            if event.tag is not None:
                raise ValueError(f"line {line}: the tag {event.tag}; expected plain values")
        if isinstance(event, yaml.ScalarEvent):
            if event.implicit[0] and _LONG_NUMBER.fullmatch(event.value):
                raise ValueError(f"line {line}: a number of {len(event.value)} digits")
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


def _check(value: Any, half_characters: str = "strict") -> None:
    waiting: list[tuple[Any, int, Any]] = [(value, 0, None)]
    while waiting:
        value, depth, trail = waiting.pop()
        too_deep = depth >= MAX_DEPTH and isinstance(value, dict | list)
        problem = _TOO_DEEP if too_deep else _problem(value, half_characters)
        if problem:
            raise ValueError(f"{_place(trail)}{problem}")
        if isinstance(value, dict):
            for key, part in value.items():
                waiting += ((key, depth + 1, trail), (part, depth + 1, (trail, key)))
        elif isinstance(value, list):
            waiting += ((part, depth + 1, (trail, i)) for i, part in enumerate(value))


def _problem(value: Any, half_characters: str) -> str | None:
    """What is wrong with one value, if anything is."""
    if isinstance(value, str):
        try:
            value.encode(errors=half_characters)
        except UnicodeEncodeError:
            return f"the text {value!a:.80} holds half of a character"
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


def _place(trail: Any) -> str:
    """Where a value stands, as in `labels.0: `."""
    keys: list[str] = []
    while trail is not None:
        trail, key = trail
        keys.append(f"{key!s:.40}" if isinstance(key, int) else f"{key!a:.40}".strip("'"))
    return f"{'.'.join(reversed(keys))}: " if keys else ""
