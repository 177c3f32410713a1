"""Markdown and number formats that the sections share."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 120


def paragraph(text: str) -> str:
    """Text as one paragraph, wrapped at 120 characters."""
    return textwrap.fill(
        " ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is left-aligned, the others are right-aligned."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])


def blocks(*parts: str) -> str:
    """Blocks separated by blank lines; empty ones are dropped."""
    return "\n\n".join(part for part in parts if part)


def missing(command: str) -> str:
    """The placeholder of a result that has not been measured."""
    return f"*Not measured yet:* `{command}`"


def conditions(result: dict[str, Any]) -> str:
    """Machine and package versions."""
    machine, versions = result["machine"], result["versions"]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return paragraph(
        f"*Measured on {machine['processor']}, {machine['cores']} cores, {machine['system']}; "
        f"{packages}.*"
    )


def percent(share: float) -> str:
    """A share in per cent, one decimal."""
    return f"{100 * share:.1f}"


def bounds(interval: Sequence[float] | None) -> str:
    """An interval of shares in per cent, in brackets after a space; empty if there is none."""
    return f" ({percent(interval[0])} to {percent(interval[1])})" if interval else ""


def with_interval(value: float, interval: Sequence[float] | None) -> str:
    """A share in per cent with its interval."""
    return percent(value) + bounds(interval)


def points(difference: float, interval: Sequence[float] | None = None) -> str:
    """A difference of shares in percentage points, signed, with its interval."""
    text = f"{100 * difference:+.1f}"
    if interval:
        text += f" ({100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"
    return text


def capitalised(text: str) -> str:
    """With the first letter in upper case, the others unchanged."""
    return text[:1].upper() + text[1:]


def plural(n: int, noun: str) -> str:
    """A count and its noun."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
