"""Progress bars on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from serkit.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

# The display on the terminal, shared by nested bars.
_shown: Progress | None = None


@contextmanager
def bar(what: str, total: float | None = None) -> Iterator[Callable[[float], object]]:
    """Show a progress bar on stderr if that is a terminal.

    Args:
        what: Text before the bar.
        total: Amount of work; None if unknown.

    Yields:
        A function to call with the amount done since the last call.
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
    """Yield items, with a progress bar on stderr if that is a terminal.

    Args:
        items: The items.
        total: Their number.
        what: Text before the bar.
        at_least: No bar is shown for fewer items.
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
    """A `bar` that appears only after some work is done.

    Args:
        what: Text before the bar.
        after: Amount of work before it appears.

    Yields:
        As for `bar`.
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
    """`progress` as a function `track(items, total)`, shown for a single item too.

    One item may take minutes.
    """
    return lambda items, total: progress(items, total=total, what=what, at_least=1)
