"""Chunks of all streams of a model, taken in batches.

At a fraction of a millisecond for a chunk, a thread for each would spend most of its time waiting
for the interpreter lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from serkit.codec.packets import Packet
from serkit.serving.batching import Batcher
from serkit.serving.feeds import Frames, PacketChunk
from serkit.serving.refusals import DeadlineError
from serkit.serving.sessions import Session


class ChunkQueue:
    """Takes the chunks of many streams; the packets among them are decoded together.

    Args:
        decode: Decodes packets, each on its own.
        timeout_s: Longest time for a chunk.
        options: Of the `Batcher`.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[Packet]], Sequence[Frames]],
        *,
        timeout_s: float,
        **options: Any,
    ) -> None:
        self._decode = decode
        self._timeout_s = timeout_s
        self.batcher: Batcher[tuple[Session, bytes], None] = Batcher(self._taken, **options)

    async def push(self, session: Session, chunk: bytes) -> None:
        """Have a stream take a chunk.

        Raises:
            RefusedError: The queue is full, or the chunk was not taken in time.
            Exception: The stream cannot go on.
        """
        (taken,) = self.batcher.submit([(session, chunk)])
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.wrap_future(taken)
        except TimeoutError:
            session.failed = True  # the chunk may be half taken
            raise DeadlineError(self._timeout_s) from None

    def _taken(self, items: list[tuple[Session, bytes]]) -> list[Exception | None]:
        read = [
            PacketChunk.read(chunk) if session.takes_packets else chunk for session, chunk in items
        ]
        packets = [packet for one in read if isinstance(one, PacketChunk) for packet in one.packets]
        frames = iter(self._decode(packets) if packets else ())
        results: list[Exception | None] = []
        for (session, _), chunk in zip(items, read, strict=True):
            if isinstance(chunk, PacketChunk):
                chunk.frames = [next(frames) for _ in chunk.packets]
            try:
                session.push(chunk)
            except Exception as error:
                results.append(error)
            else:
                results.append(None)
        return results
