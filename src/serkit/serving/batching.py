"""Micro-batches: what several requests and streams ask for, computed together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from serkit.runtime.backend import Classifier, Outputs
from serkit.runtime.card import ModelCard
from serkit.serving.refusals import DeadlineError, overloaded

Array = NDArray[np.float32]
T = TypeVar("T")
R = TypeVar("R")


class Watch(Protocol):
    """Told about each batch."""

    def __call__(self, size: int, waited_s: Sequence[float], computed_s: float, /) -> object:
        """Take the number of items, how long each waited, and how long the batch took."""


class Batcher(Generic[T, R]):
    """A queue whose items are computed in batches by one thread, or a few.

    A batch begins when a thread is free and an item is there; it takes what has gathered, and waits
    a little for more.

    Args:
        compute: Computes a batch; an item may have an exception as its result.
        name: Name of the threads.
        most: Items in a batch at most.
        wait_s: How long the first item of a batch waits for others, in seconds.
        most_waiting: Items that wait at most.
        n_threads: Batches that are computed at once.
        watch: Told about each batch.
    """

    def __init__(
        self,
        compute: Callable[[list[T]], Sequence[R | Exception]],
        *,
        name: str,
        most: int,
        wait_s: float,
        most_waiting: int,
        n_threads: int = 1,
        watch: Watch = lambda size, waited_s, computed_s: None,
    ) -> None:
        self._compute = compute
        self._most = most
        self._wait_s = wait_s
        self._most_waiting = most_waiting
        self._watch = watch
        self._items: deque[tuple[T, Future[R], float]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name=name, daemon=True) for _ in range(n_threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def depth(self) -> int:
        """Number of items that wait."""
        return len(self._items)

    def submit(self, items: Sequence[T]) -> list[Future[R]]:
        """Put items into the queue, all or none.

        Raises:
            RefusedError: The queue is full or closed.
        """
        futures: list[Future[R]] = [Future() for _ in items]
        now = time.monotonic()
        with self._changed:
            if self._closed or len(self._items) + len(items) > self._most_waiting:
                raise overloaded(f"{len(self._items)} windows or packets wait already; try again")
            self._items.extend(
                (item, future, now) for item, future in zip(items, futures, strict=True)
            )
            self._changed.notify()
        return futures

    def results(self, items: Sequence[T], *, timeout_s: float) -> list[R]:
        """Compute items together with those of others.

        Raises:
            RefusedError: As `submit`, or the results are not there in time.
            Exception: That of an item.
        """
        latest = time.monotonic() + timeout_s
        futures = self.submit(items)
        try:
            return [future.result(max(0.0, latest - time.monotonic())) for future in futures]
        except FutureTimeoutError:
            for future in futures:
                future.cancel()
            raise DeadlineError(timeout_s) from None

    def close(self) -> None:
        """Compute what is in the queue, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while batch := self._next():
            begun = time.monotonic()
            wanted = [entry for entry in batch if entry[1].set_running_or_notify_cancel()]
            results = self._computed([item for item, _, _ in wanted])
            computed_s = time.monotonic() - begun
            for (_, future, _), result in zip(wanted, results, strict=True):
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
            self._watch(len(wanted), [begun - since for _, _, since in wanted], computed_s)

    def _next(self) -> list[tuple[T, Future[R], float]]:
        """The next batch; empty at the end."""
        with self._changed:
            while True:
                while not self._items and not self._closed:
                    self._changed.wait()
                until = time.monotonic() + self._wait_s
                while len(self._items) < self._most and not self._closed:
                    rest = until - time.monotonic()
                    if rest <= 0.0 or not self._changed.wait(rest):
                        break
                n = min(self._most, len(self._items))
                if n or self._closed:  # otherwise another thread has taken them
                    batch = [self._items.popleft() for _ in range(n)]
                    if self._items:
                        self._changed.notify()  # another thread, which may have slept through them
                    return batch

    def _computed(self, items: list[T]) -> Sequence[R | Exception]:
        """The results of a batch; if it fails as a whole, each item is computed alone."""
        if not items:
            return []
        try:
            return self._compute(items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            return [self._computed([item])[0] for item in items]


class BatchedClassifier:
    """A model whose windows are classified together with those of other requests and streams.

    A `Recognizer` of it works as one of the model itself, in any number of threads.

    Args:
        model: The model.
        timeout_s: Longest wait for the results of a call.
        options: Of the `Batcher`.
    """

    def __init__(self, model: Classifier, *, timeout_s: float, **options: Any) -> None:
        self._model = model
        self._timeout_s = timeout_s
        self.batcher: Batcher[Array, Outputs] = Batcher(self._classified, **options)

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._model.card

    @property
    def file_bytes(self) -> int:
        """Size of its file."""
        return self._model.file_bytes

    @property
    def embedding_width(self) -> int:
        """Width of its embeddings."""
        return self._model.embedding_width

    @property
    def digest(self) -> str:
        """Its hash."""
        return self._model.digest

    @property
    def facts(self) -> dict[str, Any]:
        """Further JSON values to show with its card."""
        return self._model.facts

    def outputs(self, windows: Sequence[Array]) -> Outputs:
        """As `Classifier.outputs`.

        Raises:
            RefusedError: The queue is full, or the results are not there in time.
        """
        return Outputs.joined(self.batcher.results(windows, timeout_s=self._timeout_s))

    def _classified(self, windows: list[Array]) -> list[Outputs]:
        outputs = self._model.outputs(windows)
        return [outputs[i] for i in range(len(windows))]
