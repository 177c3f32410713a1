"""The one progress bar of the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], *, total: int, what: str, at_least: int = 5) -> Iterator[T]:
    """Pass items on and show a bar on stderr while they are worked on.

    Nothing is shown where stderr is no terminal, or for fewer than `at_least` items.

    Args:
        items: What is worked on.
        total: How many there are.
        what: Named before the bar.
        at_least: Fewer items than this need no bar.
    """
    if total < at_least or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, what, total, console=Console(stderr=True), transient=True)


def tracker(what: str) -> Callable[[Iterable[Any], int], Iterable[Any]]:
    """`progress` as the rooms that do the work call it: `track(items, total)`."""
    return lambda items, total: progress(items, total=total, what=what)
