"""Measurements of the server, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Metrics.text` gives."""

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters and histograms of one server.

    Attributes:
        requests: Answered requests by route and status.
        request_seconds: Time of a request by route.
        stage_seconds: Time by stage: `decode`, and for each queue `wait` and `compute`.
        batch_size: Items of a batch, by queue.
        refusals: Requests and streams that were refused, by reason.
        streams: Open streams.
        stream_seconds: From a message of a stream to its events.
        decoder_deaths: Decoding processes that died or were killed.
        asr_deaths: Processes of speech recognition that died or were killed.
        asr_ready: 1 while the recogniser of speech works, 0 while it is restarted or if there is
            none.
        texts: Recordings and stretches of streams by what became of their text: `text`, or why
            there is none.
        pending: Requests in work or waiting.
        draining: 1 while the server ends.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter(
            "serkit_requests", "Answered requests", ["route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "serkit_request_seconds", "Time of a request", ["route"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.stage_seconds = Histogram(
            "serkit_stage_seconds", "Time by stage", ["stage"], buckets=_SECONDS, registry=registry
        )
        self.batch_size = Histogram(
            "serkit_batch_size", "Items of a batch", ["queue"], buckets=_SIZES, registry=registry
        )
        self.refusals = Counter(
            "serkit_refusals", "Refused requests and streams", ["reason"], registry=registry
        )
        self.streams = Gauge("serkit_streams", "Open streams", registry=registry)
        self.stream_seconds = Histogram(
            "serkit_stream_seconds", "From a message of a stream to its events", buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.decoder_deaths = Counter(
            "serkit_decoder_deaths", "Decoding processes that died or were killed",
            registry=registry,
        )  # fmt: skip
        self.asr_deaths = Counter(
            "serkit_asr_deaths", "Processes of speech recognition that died or were killed",
            registry=registry,
        )  # fmt: skip
        self.asr_ready = Gauge(
            "serkit_asr_ready", "1 while the recogniser of speech works", registry=registry
        )
        self.texts = Counter(
            "serkit_texts", "Texts by outcome: text, or why there is none", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.pending = Gauge(
            "serkit_requests_pending", "Requests in work or waiting", registry=registry
        )
        self.draining = Gauge("serkit_draining", "1 while the server ends", registry=registry)
        self._depth = Gauge(
            "serkit_queue_depth", "Items that wait for a batch", ["queue"], registry=registry
        )

    def watch(self, queue: str) -> Callable[[int, Sequence[float], float], None]:
        """A function that is told about each batch of a queue."""
        sizes = self.batch_size.labels(queue)
        wait = self.stage_seconds.labels(f"{queue} wait")
        compute = self.stage_seconds.labels(f"{queue} compute")

        def watch(size: int, waited_s: Sequence[float], computed_s: float) -> None:
            sizes.observe(size)
            compute.observe(computed_s)
            for seconds in waited_s:
                wait.observe(seconds)

        return watch

    def watch_depth(self, queue: str, depth: Callable[[], float]) -> None:
        """Show how many items wait in a queue."""
        self._depth.labels(queue).set_function(depth)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage."""
        begun = perf_counter()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).observe(perf_counter() - begun)

    def text(self) -> bytes:
        """All of them in Prometheus's format."""
        return generate_latest(self._registry)
