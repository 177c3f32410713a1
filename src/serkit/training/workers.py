"""Worker processes for training and evaluation."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from serkit.errors import ProtocolError

Task = TypeVar("Task")
Result = TypeVar("Result")
Track = Callable[[Iterable[Any], int], Iterable[Any]]
"""Wraps results to show progress: `track(results, total)`."""

MOST_LOSSES = 3
"""Number of times that workers may be lost before `in_processes` gives up."""

# Time that workers have to end before they are killed, in seconds.
_PATIENCE_S = 0.5


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """A pool of processes with one torch thread each.

    Workers are spawned, since a fork of a process that has used torch can hang. They import torch
    only if this process has imported it.

    Args:
        jobs: Number of processes.
    """
    return ProcessPoolExecutor(
        jobs,
        mp_context=get_context("spawn"),
        initializer=_begin,
        initargs=(sys.modules.get("torch") is not None,),
    )


def in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Iterator[Result]:
    """Run every task once in local processes, and yield the results in order of completion.

    Tasks of lost workers are run again. If the generator is closed or interrupted, the workers stop
    within a second.

    Args:
        work: Runs a task; a function at module level, since other processes import it.
        tasks: The tasks.
        jobs: Number of processes.

    Raises:
        ProtocolError: Workers were lost more than `MOST_LOSSES` times.
    """
    waiting = dict(enumerate(tasks))
    others = set(active_children())
    for _ in range(1 + MOST_LOSSES):
        pool = worker_pool(jobs)
        try:
            futures = {pool.submit(_do, work, task): number for number, task in waiting.items()}
            for future in as_completed(futures):
                try:
                    result = future.result()
                except BrokenProcessPool:
                    continue
                del waiting[futures[future]]
                yield result
        except BrokenProcessPool:
            pass  # lost while tasks were submitted; the waiting tasks are submitted again
        except BaseException:
            stop(set(active_children()) - others)
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        if not waiting:
            return
    raise ProtocolError(
        f"worker processes were killed {1 + MOST_LOSSES} times, and {len(waiting)} of "
        f"{len(tasks)} tasks are not done; use fewer jobs if memory is short, or serkit --debug to "
        "see why they do not start"
    )


def for_each(
    work: Callable[[Task], Result],
    items: Sequence[Task],
    jobs: int,
    *,
    at_a_time: int,
    track: Track | None = None,
) -> list[Result]:
    """The results of every item, in order.

    Args:
        work: Computes the result of an item; as for `in_processes`.
        items: The items.
        jobs: Number of processes; 1 for this one.
        at_a_time: Items that are sent to a process together.
        track: Shows progress.

    Raises:
        ProtocolError: As `in_processes`.
    """
    numbered = list(enumerate(items))
    tasks = [numbered[i : i + at_a_time] for i in range(0, len(numbered), at_a_time)]
    several = partial(_several, work)
    parts = in_processes(several, tasks, jobs) if jobs > 1 else map(several, tasks)
    results = (one for part in parts for one in part)
    found = dict(track(results, len(items)) if track else results)
    return [found[number] for number in range(len(items))]


def stop(workers: Iterable[BaseProcess]) -> None:
    """Terminate worker processes, which remove unfinished files; kill those that do not end."""
    workers = list(workers)
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + _PATIENCE_S
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            worker.kill()


class _StoppedError(SystemExit):
    """Raised in a terminated worker, so that `finally` removes unfinished files."""


def _begin(with_torch: bool) -> None:
    """Initialise a worker. Ctrl-C reaches all processes; only the parent handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    if with_torch:
        import torch
        from threadpoolctl import threadpool_limits

        torch.set_num_threads(1)
        threadpool_limits(1, user_api="blas")


def _end(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the signal may be sent twice
    raise _StoppedError


def _do(work: Callable[[Task], Result], task: Task) -> Result:
    try:
        return work(task)
    except _StoppedError:
        os._exit(1)  # a pool would continue with the next task


def _several(
    work: Callable[[Task], Result], numbered: Sequence[tuple[int, Task]]
) -> list[tuple[int, Result]]:
    return [(number, work(item)) for number, item in numbered]


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch and BLAS to one thread, so that sums are the same in all processes."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
