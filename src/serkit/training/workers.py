"""Worker processes, as training and evaluation use them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

from serkit.errors import ProtocolError

Task = TypeVar("Task")
Result = TypeVar("Result")

MOST_LOSSES = 3
"""How often workers may be lost before it is taken for more than bad luck."""


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """Processes of one torch thread each, that share nothing with this one.

    They are spawned, not forked: a fork of a process that has used torch can hang. Where this
    process has not imported torch, neither do they.

    Args:
        jobs: How many.
    """
    return ProcessPoolExecutor(
        jobs,
        mp_context=get_context("spawn"),
        initializer=_use_one_thread,
        initargs=(sys.modules.get("torch") is not None,),
    )


def in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Iterator[Result]:
    """Do every task once in local processes, and yield the results as they come.

    The task of a worker that is lost is done again by another.

    Args:
        work: Does a task; known by name in its module, as other processes import it.
        tasks: What is to be done.
        jobs: Processes that work at the same time.

    Raises:
        ProtocolError: Workers were lost time and again.
    """
    waiting = dict(enumerate(tasks))
    for _ in range(1 + MOST_LOSSES):
        pool = worker_pool(jobs)
        try:
            futures = {pool.submit(work, task): number for number, task in waiting.items()}
            for future in as_completed(futures):
                try:
                    result = future.result()
                except BrokenProcessPool:
                    continue
                del waiting[futures[future]]
                yield result
        except BrokenProcessPool:
            pass  # Lost while the tasks were handed out: those waiting are handed out again.
        finally:
            pool.shutdown(cancel_futures=True)
        if not waiting:
            return
    raise ProtocolError(
        f"worker processes were killed {1 + MOST_LOSSES} times, and {len(waiting)} of "
        f"{len(tasks)} tasks are not done; the memory may be short: use fewer jobs"
    )


def _use_one_thread(of_torch: bool) -> None:
    if of_torch:
        import torch

        torch.set_num_threads(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, so that sums come out alike in every process."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
