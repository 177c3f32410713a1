"""Numbered messages that are kept until the client has them."""

from __future__ import annotations

from collections import deque

from serkit.serving.refusals import RefusedError


class Numbered:
    """The last of a sequence of messages, by their numbers 1, 2, 3, ...

    Args:
        most_bytes: Of the messages that are kept; at least one is.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._messages: deque[tuple[int, str]] = deque()
        self._n_bytes = 0

    def keep(self, number: int, text: str) -> None:
        """Add a message; the oldest are dropped if they take too many bytes."""
        self._messages.append((number, text))
        self._n_bytes += len(text)
        while self._n_bytes > self._most_bytes and len(self._messages) > 1:
            self._n_bytes -= len(self._messages.popleft()[1])

    def after(self, number: int) -> list[tuple[int, str]]:
        """The messages after a number.

        Raises:
            RefusedError: Some of them are not kept any more.
        """
        if self._messages and number + 1 < self._messages[0][0]:
            raise RefusedError(
                410,
                "events_gone",
                f"events up to {self._messages[0][0] - 1} are not kept any more; start a new "
                "session and send the stream again",
            )
        return [message for message in self._messages if message[0] > number]

    def forget(self, number: int) -> None:
        """Drop messages up to a number, which the client has."""
        while self._messages and self._messages[0][0] <= number:
            self._n_bytes -= len(self._messages.popleft()[1])
