"""Many recordings on a Ray cluster, by Ray Data."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.cluster import connected
from serkit.errors import AudioError, PacketError
from serkit.runtime.prediction import Prediction
from serkit.runtime.recognizer import Recognizer

PER_BLOCK = 16
"""Recordings of a block, which a process takes at once."""

_MOST_DEATHS = 2


def predict_on_ray(
    paths: Sequence[str],
    load: Callable[[], Recognizer],
    *,
    address: str,
    labels: Sequence[str] | None = None,
    min_confidence: float | None = None,
) -> Iterator[Prediction | AudioError | PacketError]:
    """Recognise many files, as `Recognizer.predict_many` does, in the processes of a cluster.

    Only paths and predictions travel. Blocks of them are streamed: one per core is in work, and
    those that are done wait within Ray's limits of memory.

    Args:
        paths: Of the recordings; the same on all machines.
        load: Loads the model in each process; a function at module level or a `partial` of one.
        address: Of the cluster; `serkit.cluster.LOCAL` starts one.
        labels: As for `Recognizer`.
        min_confidence: As for `Recognizer`.

    Yields:
        The prediction or error of each recording, in order. One that repeatedly ends the process
        that reads it has an error.

    Raises:
        MissingExtraError: ray is not installed.
        SerkitError: No cluster answers.
        ModelError: As for `Recognizer`.
    """
    with connected(address, "recognising on a cluster") as ray:
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        attempts = ray.remote(num_cpus=0)(_Attempts).remote()
        most = max(1, int(ray.cluster_resources().get("CPU", 1)))
        answered = ray.data.from_items(
            [{"number": number, "path": path} for number, path in enumerate(paths)],
            override_num_blocks=-(-len(paths) // PER_BLOCK),
        ).map_batches(
            _Recognising,
            fn_constructor_args=(load, Path.cwd(), attempts, labels, min_confidence),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
            num_cpus=1,
        )
        for row in answered.iter_rows():
            answer = row["answer"]
            if not isinstance(answer, Prediction | AudioError | PacketError):
                raise answer
            yield answer


class _Recognising:
    """Recognises blocks of recordings, in a process of the cluster.

    If a process dies, the block is given to another, again and again: the second takes one
    recording at a time, and notes it before, so that the third knows which ones to leave out.

    Args:
        load: Loads the model.
        folder: Folder that relative paths start from.
        attempts: The actor of `_Attempts`.
        labels: As for `Recognizer`.
        min_confidence: As for `Recognizer`.
    """

    def __init__(
        self,
        load: Callable[[], Recognizer],
        folder: Path,
        attempts: Any,
        labels: Sequence[str] | None,
        min_confidence: float | None,
    ) -> None:
        self._load, self._folder, self._attempts = load, folder, attempts
        self._options: dict[str, Any] = {"labels": labels, "min_confidence": min_confidence}
        self._model: Recognizer | None = None

    def __call__(self, block: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The answers to a block; an error of the model is the answer to all."""
        numbers, paths = block["number"].tolist(), block["path"].tolist()
        answers = np.empty(len(paths), object)
        try:
            answers[:] = self._answers(numbers, paths)
        except Exception as error:
            answers[:] = [error] * len(paths)
        return {"answer": answers}

    def _answers(self, numbers: list[int], paths: list[str]) -> list[Any]:
        import ray

        if self._model is None:
            os.chdir(self._folder)
            self._model = self._load()
        block = f"block {numbers[0]}"
        if ray.get(self._attempts.begin.remote(block)) == 1:
            answers = list(self._model.predict_many(paths, **self._options))
        else:
            answers = []
            for number, path in zip(numbers, paths, strict=True):
                if ray.get(self._attempts.begin.remote(number)) > _MOST_DEATHS:
                    answers.append(AudioError("the process that read the recording died"))
                else:
                    answers += self._model.predict_many([path], **self._options)
        self._attempts.end.remote([block, *numbers])
        return answers


class _Attempts:
    """Counts how often something was begun and not ended."""

    def __init__(self) -> None:
        self._counts: Counter[object] = Counter()

    def begin(self, key: object) -> int:
        """How often it was begun, with this time."""
        self._counts[key] += 1
        return self._counts[key]

    def end(self, keys: Sequence[object]) -> None:
        """It is done."""
        for key in keys:
            del self._counts[key]
