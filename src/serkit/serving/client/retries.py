"""When to ask a server again."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from serkit.errors import SerkitError

WORTH_REPEATING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Exponential back-off with full jitter.

    Attributes:
        most: Attempts after the first; 0 for none.
        first_s: Longest wait before the second attempt; it doubles with each.
        longest_s: Longest wait. A server that asks for a longer one (Retry-After) is not asked
            again.

    Raises:
        SerkitError: A value is out of range.
    """

    most: int = 4
    first_s: float = 0.25
    longest_s: float = 15.0

    def __post_init__(self) -> None:
        if self.most < 0 or not 0.0 <= self.first_s <= self.longest_s < math.inf:
            raise SerkitError(
                f"the retries are {self}; expected most >= 0 and 0 <= first_s <= longest_s"
            )

    def wait_s(self, n_failed: int, retry_after_s: float | None = None) -> float | None:
        """Seconds until the next attempt; None if there is to be none.

        Args:
            n_failed: Attempts that have failed, from 1.
            retry_after_s: What the server asks for.
        """
        if n_failed > self.most or (retry_after_s or 0.0) > self.longest_s:
            return None
        backoff = min(self.longest_s, self.first_s * 2.0 ** min(n_failed - 1, 60))
        # Added to what the server asks for, so that its clients do not return all at once.
        return (retry_after_s or 0.0) + random.uniform(0.0, backoff)  # noqa: S311 - no secret


def retry_after(header: str | None) -> float | None:
    """The seconds of a `Retry-After` header (RFC 9110, 10.2.3), a number or a date; else None."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
