"""Answers that are kept for requests that are sent again."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from serkit.serving.refusals import RefusedError

MAX_KEY = 200
"""Characters of a key at most."""


@dataclass(slots=True, eq=False)
class _Kept:
    digest: bytes
    answer: asyncio.Future[bytes]
    until: float
    n_bytes: int = 0


class Answers:
    """Answers by key, for a time; a request in work is shared by all that repeat it.

    Args:
        seconds: An answer is kept for.
        most_bytes: Answers are kept at most.
    """

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._n_bytes = 0
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()

    async def get(
        self, key: tuple[str, ...], content: bytes, compute: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """The answer to a request, and whether it was known or in work already.

        An error is not kept: the request may be sent again.

        Args:
            key: Who asks, where, and the key of the request.
            content: All that determines the answer.
            compute: Computes it.

        Raises:
            RefusedError: The key was used for another request.
        """
        self._forget()
        digest = hashlib.blake2b(content, digest_size=16).digest()
        kept = self._kept.get(key)
        if kept is not None:
            if kept.digest != digest:
                raise RefusedError(
                    422,
                    "idempotency_key",
                    "the Idempotency-Key was used for another request; expected a new one",
                )
            return await asyncio.shield(kept.answer), True
        kept = _Kept(digest, asyncio.get_running_loop().create_future(), float("inf"))
        self._kept[key] = kept
        try:
            answer = await compute()
        except BaseException as error:
            self._kept.pop(key, None)
            if isinstance(error, Exception):
                kept.answer.set_exception(error)
                kept.answer.exception()  # those that share it raise it; nobody may
            else:
                kept.answer.cancel()
            raise
        kept.answer.set_result(answer)
        kept.until = time.monotonic() + self._seconds
        kept.n_bytes = len(answer) + 256  # with the key and the digest, about
        self._n_bytes += kept.n_bytes
        self._forget()
        return answer, False

    def _forget(self) -> None:
        """Drop what is too old or too much, the oldest first."""
        now = time.monotonic()
        for key in list(self._kept):
            kept = self._kept[key]
            if kept.until > now and self._n_bytes <= self._most_bytes:
                break
            if kept.answer.done():
                self._n_bytes -= kept.n_bytes
                del self._kept[key]
