"""Worker processes, as training and evaluation use them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from serkit.errors import ProtocolError

Task = TypeVar("Task")
Result = TypeVar("Result")

MOST_LOSSES = 3
"""How often workers may be lost before it is taken for more than bad luck."""


_PATIENCE_S = 0.3


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
        initializer=_begin,
        initargs=(sys.modules.get("torch") is not None,),
    )


def in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Iterator[Result]:
    """Do every task once in local processes, and yield the results as they come.

    The task of a worker that is lost is done again by another. If the caller stops asking, or is
    interrupted, the workers stop within a second.

    Args:
        work: Does a task; known by name in its module, as other processes import it.
        tasks: What is to be done.
        jobs: Processes that work at the same time.

    Raises:
        ProtocolError: Workers were lost time and again.
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
            pass  # Lost while the tasks were handed out: those waiting are handed out again.
        except BaseException:
            stop(set(active_children()) - others)
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        if not waiting:
            return
    raise ProtocolError(
        f"worker processes were killed {1 + MOST_LOSSES} times, and {len(waiting)} of "
        f"{len(tasks)} tasks are not done; the memory may be short: use fewer jobs; or they cannot "
        "start: serkit --debug shows what they print"
    )


def stop(workers: Iterable[BaseProcess]) -> None:
    """End worker processes: they tidy up what they are writing; who does not in time is killed."""
    workers = list(workers)
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + _PATIENCE_S
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            worker.kill()


class _StoppedError(SystemExit):
    """Raised in a worker that is to end, so that `finally` removes its unfinished files."""


def _begin(with_torch: bool) -> None:
    """How a worker starts. Ctrl-C goes to all processes; the one that has the work answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    if with_torch:
        import torch
        from threadpoolctl import threadpool_limits

        torch.set_num_threads(1)
        threadpool_limits(1, user_api="blas")


def _end(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough, and may be sent twice
    raise _StoppedError


def _do(work: Callable[[Task], Result], task: Task) -> Result:
    try:
        return work(task)
    except _StoppedError:
        os._exit(1)  # a pool would go on with the next task


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and BLAS use one thread, so that sums are the same in every process."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
