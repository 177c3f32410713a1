"""Logs of the server: one line per event, without sound, text, tokens or addresses of clients."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from serkit.text import printable

LOGGER = logging.getLogger("serkit.serving")


def log(level: int, event: str, **values: Any) -> None:
    """Write a line.

    Args:
        level: Of the module `logging`.
        event: What happened, in a word or two.
        values: JSON values.
    """
    LOGGER.log(level, event, extra={"values": values})


def set_up(level: str, form: str) -> None:
    """Send the lines of the server, and warnings of uvicorn, to stderr.

    Args:
        level: The least.
        form: `json` or `text`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    for name in ("serkit.serving", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler] if name != "uvicorn.error" else []
        logger.propagate = name == "uvicorn.error"
        logger.setLevel(level.upper())
        # Lower levels of uvicorn show the addresses of clients, their tokens, and what they said.
        if name != "serkit.serving" and logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "values", {}),
        }
        if record.exc_info:
            values["trace"] = self.formatException(record.exc_info)
        return json.dumps(values, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values = " ".join(f"{k}={v}" for k, v in getattr(record, "values", {}).items())
        line = printable(f"{record.levelname.lower()}: {record.getMessage()} {values}".rstrip())
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
