"""What the sections of the results page share."""

from __future__ import annotations

import json
from typing import Any

from harness import RESULTS

MISSING = "*not measured yet:* `{command}`\n"


def load(name: str) -> dict[str, Any] | None:
    """A result, or None if its script was not run yet."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, the first column to the left and the others to the right."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows]) + "\n"


def conditions(result: dict[str, Any]) -> str:
    """Machine and versions, in one line."""
    where, installed = result["machine"], result["versions"]
    listed = ", ".join(f"{name} {version}" for name, version in installed.items())
    return f"{where['processor']}, {where['cores']} cores, {where['system']}; {listed}.\n"


def percent(value: float) -> str:
    """A share in per cent with one decimal."""
    return f"{100 * value:.1f}"


def capitalised(text: str) -> str:
    """With a large first letter, names inside left alone."""
    return text[:1].upper() + text[1:]


def counted(seeds: list[int]) -> str:
    """How many seeds."""
    return f"{len(seeds)} seed{'s' if len(seeds) != 1 else ''}"


def interval_of(found: dict[str, Any] | None) -> str:
    """An interval in per cent, or nothing where there is none."""
    if not found:
        return ""
    low, high = found["interval"] or (None, None)
    return "" if low is None else f" ({percent(low)} to {percent(high)})"
