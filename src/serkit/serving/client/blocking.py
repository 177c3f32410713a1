"""`serkit.Client`: the asynchronous client, on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, Source
from serkit.runtime import Prediction, Timeline, TimelineSettings
from serkit.serving.client.answers import Answer, Cost, Way
from serkit.serving.client.asynchronous import AsyncClient
from serkit.serving.client.events import StreamEvent
from serkit.serving.client.streaming import AsyncClientStream

T = TypeVar("T")


class _Loop:
    """An event loop on a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="serkit", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; it is cancelled if the wait for it is interrupted."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread."""
        if self._loop.is_closed():
            return
        self.run(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _finish(self) -> None:
        """End what still runs, such as the tasks of connections that were broken off."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_default_executor()


class Client:
    """Asks a server of serkit, and answers on the device where that is better.

    Threads may share it. Use it in a `with` statement, or call `close`.

    Args:
        url: As for `AsyncClient`.
        options: As for `AsyncClient`.

    Raises:
        SerkitError: As `AsyncClient`.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._client = AsyncClient(url, **options)
        self._loop = _Loop()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._loop.run(self._client.aclose())
        self._loop.close()

    def recognize(self, audio: Source, *, mode: str | None = None) -> Answer[Prediction]:
        """As `AsyncClient.recognize`."""
        return self._loop.run(self._client.recognize(audio, mode=mode))

    def timeline(
        self, audio: Source, settings: TimelineSettings | None = None, *, mode: str | None = None
    ) -> Answer[Timeline]:
        """As `AsyncClient.timeline`."""
        return self._loop.run(self._client.timeline(audio, settings, mode=mode))

    def stream(
        self, settings: TimelineSettings | None = None, *, mode: str | None = None
    ) -> ClientStream:
        """As `AsyncClient.stream`, for a `with` statement."""
        return ClientStream(self._client.stream(settings, mode=mode), self._loop)


class ClientStream:
    """Sends a stream while it is recorded; made by `Client.stream`.

    Args:
        stream: The asynchronous one.
        loop: Runs it.
    """

    def __init__(self, stream: AsyncClientStream, loop: _Loop) -> None:
        self._stream = stream
        self._loop = loop

    def __enter__(self) -> ClientStream:
        self._loop.run(self._stream.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.run(self._stream.__aexit__(kind, error, trace))

    def push(self, samples: NDArray[Any], *, rate: int = SAMPLE_RATE) -> list[StreamEvent]:
        """As `AsyncClientStream.push`."""
        return self._loop.run(self._stream.push(samples, rate=rate))

    def finish(self) -> list[StreamEvent]:
        """As `AsyncClientStream.finish`."""
        return self._loop.run(self._stream.finish())

    @property
    def source(self) -> Way:
        """Where the events come from now."""
        return self._stream.source

    @property
    def reason(self) -> str | None:
        """Why the device answers; None while the server does."""
        return self._stream.reason

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What it has cost until now."""
        return self._stream.costs

    @property
    def dropped(self) -> list[str]:
        """What the server says of chunks that it dropped."""
        return self._stream.dropped
