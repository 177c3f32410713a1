"""OpenTelemetry traces of requests; the exporter is set up by the OTEL_* variables."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from serkit.errors import MissingExtraError


def instrument(app: Any) -> None:
    """Trace the requests of an application, but those for health and measurements.

    Raises:
        MissingExtraError: The extra `otel` is not installed.
    """
    try:
        instrumentation = import_module("opentelemetry.instrumentation.fastapi")
    except ImportError:
        raise MissingExtraError("opentelemetry", "otel", "traces") from None
    instrumentation.FastAPIInstrumentor.instrument_app(
        app, excluded_urls="healthz,readyz,metrics", exclude_spans=["receive", "send"]
    )
