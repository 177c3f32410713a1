"""The one progress bar of the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from serkit.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

# What is on the terminal; a bar opened within another's time is shown below it.
_shown: Progress | None = None


@contextmanager
def bar(what: str, total: float | None = None) -> Iterator[Callable[[float], object]]:
    """Show a bar on stderr; nothing where that is no terminal.

    Args:
        what: Named before the bar.
        total: How much there is to do; None if nobody knows.

    Yields:
        To be called with how much has been done since the last call.
    """
    global _shown
    if not sys.stderr.isatty():
        yield lambda amount: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, TimeElapsedColumn

    outermost = _shown is None
    if _shown is None:
        columns = (*Progress.get_default_columns(), TimeElapsedColumn())
        _shown = Progress(*columns, console=Console(stderr=True), transient=True)
        _shown.start()
    display = _shown
    task = display.add_task(escape(printable(what)), total=total)
    try:
        yield lambda amount: display.advance(task, amount)
    finally:
        display.remove_task(task)
        if outermost:
            display.stop()
            _shown = None


def progress(items: Iterable[T], *, total: int, what: str, at_least: int = 5) -> Iterator[T]:
    """Pass items on and show a bar on stderr while they are worked on.

    Nothing is shown where stderr is no terminal, or for fewer than `at_least` items.

    Args:
        items: What is worked on.
        total: How many there are.
        what: Named before the bar.
        at_least: Fewer items than this need no bar.
    """
    if total < at_least:
        yield from items
        return
    with bar(what, total) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def late_bar(what: str, *, after: float) -> Iterator[Callable[[float], object]]:
    """A `bar` that is not shown before so much is done: short work needs none.

    Args:
        what: Named before the bar.
        after: How much.

    Yields:
        As `bar` does.
    """
    with ExitStack() as opened:
        done = 0.0
        advance: Callable[[float], object] | None = None

        def on_amount(amount: float) -> None:
            nonlocal done, advance
            done += amount
            if advance is not None:
                advance(amount)
            elif done >= after:
                advance = opened.enter_context(bar(what))
                advance(done)

        yield on_amount


def tracker(what: str) -> Callable[[Iterable[Any], int], Iterable[Any]]:
    """`progress` as the rooms that do the work call it, from the first item: `track(items, total)`.

    An item there may take minutes.
    """
    return lambda items, total: progress(items, total=total, what=what, at_least=1)
