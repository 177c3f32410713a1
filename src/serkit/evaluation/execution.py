"""Execution of independent tasks: serially, in local processes, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from serkit.cluster import connected
from serkit.errors import SerkitError
from serkit.training.workers import MOST_LOSSES, in_processes

Task = TypeVar("Task")
Result = TypeVar("Result")


def carry_out(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    ray_address: str | None = None,
) -> Iterator[Result]:
    """Execute every task once, and yield the results as they are completed.

    The task of a worker that dies is given to another.

    Args:
        work: Function of a task; importable by name, as worker processes import it.
        tasks: The tasks.
        jobs: Number of local processes.
        ray_address: Address of a Ray cluster to use instead; `local` starts one.

    Raises:
        MissingExtraError: `ray_address` is given, and ray is not installed.
        ProtocolError: Workers died repeatedly.
        SerkitError: No cluster answers.
    """
    if ray_address is not None:
        return _on_ray(work, tasks, ray_address)
    return map(work, tasks) if jobs == 1 else in_processes(work, tasks, jobs)


def _on_ray(
    work: Callable[[Task], Result], tasks: Sequence[Task], address: str
) -> Iterator[Result]:
    with connected(address, "evaluating on a cluster") as ray:
        shared = ray.put(work)
        remote: Any = ray.remote(max_retries=MOST_LOSSES)(_call)
        waiting = [remote.remote(shared, task) for task in tasks]
        while waiting:
            done, waiting = ray.wait(waiting)
            try:
                yield from ray.get(done)
            except ray.exceptions.RayTaskError as error:
                # Ray wraps an error of the worker in pages of text.
                raise error.cause if isinstance(error.cause, SerkitError) else error from None


def _call(work: Callable[[Task], Result], task: Task) -> Result:
    return work(task)
