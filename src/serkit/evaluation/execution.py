"""Doing independent tasks: here, in local processes, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from serkit.errors import MissingExtraError, ProtocolError
from serkit.training import worker_pool

Task = TypeVar("Task")
Result = TypeVar("Result")

MOST_LOSSES = 3
"""How often workers may be lost before it is taken for more than bad luck."""


def carry_out(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    ray_address: str | None = None,
) -> Iterator[Result]:
    """Do every task once, and yield the results as they come.

    The task of a worker that is lost is done again by another.

    Args:
        work: Does a task; known by name in its module, as other processes import it.
        tasks: What is to be done.
        jobs: Local processes that work at the same time.
        ray_address: Of the Ray cluster that works instead; `local` starts one here.

    Raises:
        MissingExtraError: A Ray cluster is asked for, and ray is not installed.
        ProtocolError: Workers were lost time and again.
    """
    if ray_address is not None:
        return _on_ray(work, tasks, ray_address)
    return map(work, tasks) if jobs == 1 else _in_processes(work, tasks, jobs)


def _in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Iterator[Result]:
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
        f"{len(tasks)} folds are not done; the memory may be short: use fewer jobs"
    )


def _on_ray(
    work: Callable[[Task], Result], tasks: Sequence[Task], address: str
) -> Iterator[Result]:
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "ray", "evaluating on a cluster") from None
    ours = not ray.is_initialized()
    if ours:
        quiet = {"include_dashboard": False, "log_to_driver": False} if address == "local" else {}
        ray.init(address=address, **quiet)
    try:
        shared = ray.put(work)
        remote: Any = ray.remote(max_retries=MOST_LOSSES)(_call)
        waiting = [remote.remote(shared, task) for task in tasks]
        while waiting:
            done, waiting = ray.wait(waiting)
            yield from ray.get(done)
    finally:
        if ours:
            ray.shutdown()


def _call(work: Callable[[Task], Result], task: Task) -> Result:
    return work(task)
