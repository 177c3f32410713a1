"""Worker processes, as training and evaluation use them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import torch


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """Processes of one torch thread each, that share nothing with this one.

    They are spawned, not forked: a fork of a process that has used torch can hang.

    Args:
        jobs: How many.
    """
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_use_one_thread)


def _use_one_thread() -> None:
    torch.set_num_threads(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, so that sums come out alike in every process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
