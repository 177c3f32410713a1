"""Streams that outlive their connection for a time, so that a client can return."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from serkit.serving.numbered import Numbered
from serkit.serving.refusals import RefusedError, error_object, overloaded
from serkit.serving.stream_text import StreamText

# After the end of a session's time, so that it is over by every clock.
_LATER_S = 0.1


class Feed(Protocol):
    """A stream of chunks -> events, as JSON values.

    Attributes:
        text: What is said in it; None without a recogniser of speech.
    """

    text: StreamText | None

    @property
    def takes_packets(self) -> bool:
        """Whether it takes chunks as `PacketChunk`; otherwise as bytes."""

    def push(self, chunk: Any) -> list[dict[str, Any]]:
        """Take a chunk; what has happened."""

    def finish(self) -> list[dict[str, Any]]:
        """End the stream; what remains."""

    def overall(self) -> dict[str, Any]:
        """The answer so far; the stream goes on."""

    def close(self) -> None:
        """Give back what it holds."""


class Session:
    """A stream, the number of chunks it has taken, and the events its client may not have.

    Events are numbered from 1. They are a function of the chunks alone, so that a client that sends
    all chunks again, perhaps to another server, gets the same events under the same numbers.

    Args:
        feed: The stream.
        described: What the client asked for; it must be the same when it returns.
        most_bytes: Of the events that are kept.

    Attributes:
        lock: Held while a chunk is taken, and by the connection that sends its events.
        connection: The connection it belongs to; None if it waits for its client.
        received: Chunks taken.
        ended: Whether the stream has ended; then only its events are left.
        failed: Whether a chunk was interrupted, so that the stream cannot go on.
    """

    def __init__(self, feed: Feed, described: str, most_bytes: int) -> None:
        self._feed = feed
        self.described = described
        self._events = Numbered(most_bytes)
        self.lock = asyncio.Lock()
        self.connection: Any = None
        self.last_event = 0
        self.received = 0
        self.ended = self.failed = False
        self.since = self.idle_since = time.monotonic()

    @property
    def takes_packets(self) -> bool:
        """As `Feed.takes_packets`."""
        return self._feed.takes_packets

    def push(self, chunk: Any) -> None:
        """Take a chunk, in any thread; its events are kept.

        Raises:
            Exception: The stream cannot go on; the chunk was not taken.
        """
        try:
            self._keep(self._feed.push(chunk))
        except BaseException:
            self.failed = True
            raise
        self.received += 1

    def finish(self) -> None:
        """End the stream, in any thread.

        Raises:
            Exception: As `push`.
        """
        try:
            self._keep(self._feed.finish())
        except BaseException:
            self.failed = True
            raise
        self.ended = True

    def overall(self) -> dict[str, Any]:
        """The answer so far, in any thread."""
        return self._feed.overall()

    @property
    def text(self) -> StreamText | None:
        """What is said in the stream."""
        return self._feed.text

    def close(self) -> None:
        """Give back what the stream holds."""
        self._feed.close()

    def after(self, number: int) -> list[tuple[int, str]]:
        """The events after a number.

        Raises:
            RefusedError: Some of them are not kept any more.
        """
        return self._events.after(number)

    def forget(self, number: int) -> None:
        """Drop events up to a number, which the client has."""
        self._events.forget(number)

    def _keep(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            self.last_event += 1
            self._events.keep(self.last_event, json.dumps({"seq": self.last_event, **event}))


class Sessions:
    """All sessions, by their owner and id.

    Args:
        most: Sessions at most; of those that have ended, as many again.
        seconds: A session waits for its client.
        most_bytes: Of the events that a session keeps.
    """

    def __init__(self, most: int, seconds: float, most_bytes: int) -> None:
        self._most = most
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._sessions: OrderedDict[tuple[str, str], Session] = OrderedDict()

    @property
    def open(self) -> list[Session]:
        """The sessions with a connection."""
        return [one for one in self._sessions.values() if one.connection is not None]

    def enter(
        self, key: tuple[str, str], described: str, start: Callable[[], Feed]
    ) -> tuple[Session, bool]:
        """The session of a key, and whether it was there.

        Args:
            key: Owner and id.
            described: What the client asks for.
            start: Makes a new stream.

        Raises:
            RefusedError: The session asked for something else, or there are too many.
        """
        self.expire()
        session = self._sessions.get(key)
        if session is not None and not session.failed:
            if session.described != described:
                raise RefusedError(
                    409, "session", "the session was started with other settings; expected a new id"
                )
            return session, True
        if session is not None:
            self._drop(key)
        feed = start()  # first: a wrong question costs nobody a place
        try:
            self._make_room()
        except RefusedError:
            feed.close()
            raise
        session = Session(feed, described, self._most_bytes)
        self._sessions[key] = session
        return session, False

    def leave(self, key: tuple[str, str], session: Session) -> None:
        """Its connection has gone."""
        session.connection = None
        session.idle_since = time.monotonic()
        if self._sessions.get(key) is session:
            self._sessions.move_to_end(key)
        self.expire()
        asyncio.get_running_loop().call_later(self._seconds + _LATER_S, self.expire)

    def expire(self) -> None:
        """Drop sessions that failed, or waited too long for their clients."""
        oldest = time.monotonic() - self._seconds
        for key, session in list(self._sessions.items()):
            if session.connection is None and (session.failed or session.idle_since < oldest):
                self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        self._sessions.pop(key).close()

    def _make_room(self) -> None:
        running = sum(not one.ended for one in self._sessions.values())
        too_many = running - self._most + 1
        done = len(self._sessions) - running - self._most + 1
        for key, session in list(self._sessions.items()):
            if session.connection is not None:
                continue
            if session.ended and done > 0:
                self._drop(key)
                done -= 1
            elif not session.ended and too_many > 0:
                self._drop(key)
                too_many -= 1
        if too_many > 0:
            raise overloaded(f"{running} streams are open; try again later", 5)


def error_event(code: str, message: str) -> dict[str, Any]:
    """An event that says why a chunk was dropped."""
    return {"event": "error", **error_object(code, message)["error"]}
