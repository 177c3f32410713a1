"""Connections to a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from serkit.errors import MissingExtraError, SerkitError
from serkit.text import one_line

LOCAL = "local"
"""Address of a cluster on this machine that is started and ended with the connection."""


@contextmanager
def connected(address: str, purpose: str) -> Iterator[Any]:
    """Connect to a cluster, unless this process is connected already.

    A cluster that is started here has no dashboard and sends no usage statistics.

    Args:
        address: Of the cluster; `LOCAL` starts one.
        purpose: What it is for, for the message.

    Yields:
        The package `ray`.

    Raises:
        MissingExtraError: ray is not installed.
        SerkitError: No cluster answers.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "ray", purpose) from None
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"logging_level": logging.ERROR}
    if address == LOCAL:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options |= {"include_dashboard": False, "log_to_driver": False}
    try:
        ray.init(address=address, **options)
    except (ValueError, ImportError, RuntimeError, OSError) as error:
        raise SerkitError(f"no Ray cluster answers at {address!r}: {one_line(error)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()
