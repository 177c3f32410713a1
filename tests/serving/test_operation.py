"""Measurements, logs, descriptions and a recogniser of speech."""

import json
import logging
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from serkit.serving.app import create_app
from serkit.serving.logs import log, set_up
from serkit.serving.settings import Settings

PLAIN = Path("examples/plain.flac").read_bytes()


def test_measurements(running):
    running.http.post("/v1/recognize", content=PLAIN)
    running.http.get("/nowhere/at/all")
    text = running.http.get("/metrics").text
    for line in (
        'serkit_requests_total{route="/v1/recognize",status="200"}',
        'serkit_requests_total{route="other",status="404"}',
        'serkit_request_seconds_count{route="/v1/recognize"}',
        'serkit_stage_seconds_count{stage="decode"}',
        'serkit_stage_seconds_count{stage="tiny wait"}',
        "serkit_asr_deaths_total 0.0",
        'serkit_queue_depth{queue="packets"} 0.0',
        "serkit_requests_pending 0.0",
        "serkit_streams ",
        "serkit_draining 0.0",
        "process_resident_memory_bytes",
    ):
        assert line in text, line
    assert "nowhere" not in text


def test_the_description_has_examples_that_are_true(running):
    paths = running.http.get("/openapi.json").json()["paths"]
    for path in ("/v1/recognize", "/v1/timeline"):
        shown = paths[path]["post"]["responses"]["200"]["content"]["application/json"]["example"]
        real = running.http.post(path, content=PLAIN).json()
        # FastAPI leaves out what is null.
        assert set(shown) == {name for name, value in real.items() if value is not None}
    models = paths["/v1/models"]["get"]["responses"]["200"]["content"]["application/json"]
    real = running.http.get("/v1/models").json()["models"][0]
    assert set(models["example"]["models"][0]) == set(real)


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_line_of_the_log(capsys, form):
    logger = logging.getLogger("serkit.serving")
    before = logger.handlers, logger.propagate, logger.level
    set_up("info", form)
    try:
        log(logging.INFO, "request", route="/v1/x", note="a\nb\x1b[2J")
        log(logging.DEBUG, "hidden")
        (line,) = capsys.readouterr().err.splitlines()
    finally:
        logger.handlers, logger.propagate, level = before
        logger.setLevel(level)
    if form == "json":
        values = json.loads(line)
        assert (values["event"], values["level"], values["route"]) == ("request", "info", "/v1/x")
    else:
        assert line == r"info: request route=/v1/x note=a\nb\x1b[2J"


def test_traces():
    trace = pytest.importorskip("opentelemetry.trace")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    settings = Settings(decoders=1, models="tiny", telemetry=True)
    with TestClient(create_app(settings)) as client:
        assert client.post("/v1/recognize", content=PLAIN).status_code == 200
        client.get("/healthz")
    assert [span.name for span in spans.get_finished_spans()] == ["POST /v1/recognize"]
