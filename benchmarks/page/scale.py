"""Section: what a million devices cost, from measured costs and stated assumptions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from page.markdown import blocks, capitalised, conditions, missing, paragraph, table
from page.section import Results, Section

_SERVER = "python benchmarks/server_load.py"
_CODEC = "python benchmarks/codec_stream.py"
_SENDING = "python benchmarks/transmission.py"

# Bytes around a message of a stream. RFC 8446: header, content type and tag of a TLS 1.3 record.
# RFC 6455: header and mask of a client's frame. RFC 9293 and 791: TCP with timestamps, and IPv4.
_TLS, _FRAME, _TCP_IP = 22, 6, 52
_SEGMENT = 1448  # bytes of a TCP segment on Ethernet, with timestamps
_LONG_FRAME = 8  # header and mask of a frame of 126 to 65535 bytes


@dataclass(frozen=True)
class Assumption:
    """A number that is not measured.

    Attributes:
        symbol: In formulas.
        what: The quantity, with its unit.
        value: Its value.
    """

    symbol: str
    what: str
    value: float


DEVICES = Assumption("N", "devices", 1_000_000)
HOURS = Assumption("h", "hours of sound that a device streams per day", 0.5)
CLIPS = Assumption("q", "recordings that a device posts per day, instead of streaming", 20)
BUSIEST = Assumption("b", "share of a day's sound in its busiest hour", 0.1)
LOAD = Assumption("u", "share of a core that may be busy in that hour", 0.5)
CORE = Assumption("p", "price of a core, US$ per hour", 0.04)
GIGABYTE = Assumption("g", "price of a GB that arrives, US$", 0.02)
DAYS = Assumption("d", "days per month", 30)
ASSUMED = (DEVICES, HOURS, CLIPS, BUSIEST, LOAD, CORE, GIGABYTE, DAYS)


def section(results: Results) -> Section:
    """Measured costs, assumptions, and the plan made from both."""
    text = blocks(
        paragraph(
            "Costs are measured on one machine; how much devices speak and what machines cost is "
            "assumed, and stands in one table. Change `ASSUMED` in `benchmarks/page/scale.py`, run "
            "`make results`, and the plan follows. `docs/scale.md` says how to run it."
        ),
        _measured(results),
        _traffic(results),
        _assumptions(),
        _plan(results),
        paragraph(
            "Not in it: speech recognition, whose cost on Whisper's weights is not measured here; "
            "machines for Prometheus and load balancers; traffic of answers; staff. A core is one "
            "of the machine below, busy with the server alone: the cost of a stream is processor "
            "time, whichever other work was on the machine."
        ),
        *(
            conditions(result)
            for name in ("server_load", "codec_stream")
            if (result := results.get(name)) and "machine" in result
        ),
    )
    return Section("A million devices, planned", "scale", text)


def _measured(results: Results) -> str:
    heading = "## Measured: processor time"
    result = results.get("server_load")
    if result is None:
        return blocks(heading, missing(_SERVER))
    rows = [
        [
            str(row["n"]),
            _number(row["p50_ms"]),
            _number(row["p99_ms"]),
            f"{1e3 * row['cpu_s_per_stream_s']:.2f}",
            f"{1.0 / row['cpu_s_per_stream_s']:.0f}",
        ]
        for row in result["streams"]
    ]
    header = ["streams at once", "p50 ms", "p99 ms", "ms of a core per second", "streams per core"]
    posts = [
        [
            capitalised(name),
            f"{1e3 * post['cpu_s_per_request']:.1f}",
            f"{1.0 / post['cpu_s_per_request']:.0f}",
        ]
        for name, post in _posts(result).items()
    ]
    return blocks(
        heading,
        paragraph(
            "Streams of packets in real time, on the two cores of the server and the load "
            "generator: time from the last packet of a segment to its answer, and processor time "
            "of the server and its decoding processes."
        ),
        table(header, rows),
        table(["recordings posted as", "ms of a core each", "per second and core"], posts),
    )


def _traffic(results: Results) -> str:
    heading = "## Measured: bytes per device and hour"
    modes = _modes(results)
    if not modes:
        return blocks(heading, missing(_SENDING), missing(_CODEC))
    rows = [
        [name, f"{kbps:.2f}", _megabytes(kbps), _megabytes(_on_the_wire(kbps, message_s))]
        for name, (kbps, message_s) in modes.items()
    ]
    header = ["mode", "kbit/s", "MB of payload", "MB on the wire, streamed"]
    message_s = max(message_s for _, message_s in modes.values())
    around = _on_the_wire(0.0, message_s)
    return blocks(
        heading,
        paragraph(
            "Speech of the recordings in [Sending files](transmission.md) and of the live stream "
            "in [The codec](codec.md). *On the wire* is computed: a message of "
            f"{1e3 * message_s:.0f} ms is a frame of a WebSocket with TLS 1.3, TCP with timestamps "
            "and IPv4, without acknowledgements. The least that these headers take is "
            f"{around:.2f} kbit/s; `serkit send` without `--stream` posts a recording in one piece "
            "and saves them."
        ),
        table(header, rows),
        "" if "codec_stream" in results else missing(_CODEC),
        "" if "transmission" in results else missing(_SENDING),
    )


def _assumptions() -> str:
    rows = [[f"`{one.symbol}`: {one.what}", f"{one.value:,.10g}", "assumed"] for one in ASSUMED]
    return blocks("## Assumed", table(["quantity", "value", "source"], rows))


def _plan(results: Results) -> str:
    server = results.get("server_load")
    peak = DEVICES.value * HOURS.value * BUSIEST.value
    requests = DEVICES.value * CLIPS.value * BUSIEST.value / 3600.0
    rows = [["streams in the busiest hour", "`N h b`", f"{peak:,.0f}", "", ""]]
    stream_s = _stream_cost(server) if server else None
    rows.append(["cores for streams", "`N h b c / u`", *_cores(peak, stream_s)])
    rows.append(["or recordings per second", "`N q b / 3600`", f"{requests:,.0f}", "", ""])
    for name, post in (_posts(server) if server else {}).items():
        cost = post["cpu_s_per_request"]
        rows.append(
            [f"cores for recordings, {name}", "`N q b r / (3600 u)`", *_cores(requests, cost)]
        )
    hours = DEVICES.value * HOURS.value * DAYS.value
    for name, (kbps, message_s) in _modes(results).items():
        terabytes = hours * 450.0 * _on_the_wire(kbps, message_s) / 1e9
        dollars = 1e3 * terabytes * GIGABYTE.value
        rows.append(
            [
                f"traffic of streams, {name}",
                "`N h d w`",
                f"{terabytes:,.0f} TB",
                f"{dollars:,.0f}",
                f"{1e3 * dollars / DEVICES.value:.2f}",
            ]
        )
    header = ["part", "formula", "amount", "US$ per month", "US$ per 1,000 devices and month"]
    return blocks(
        "## The plan, part by part",
        paragraph(
            "`c` is the processor time of a stream per second at the highest number of streams "
            "that was answered in time, p99 at most 300 ms; `r` that of a request; `w` the bytes "
            "of an hour on the wire. Cores cost `24 d p` each per month: they are there day and "
            "night, since that is an upper bound of what autoscaling costs."
        ),
        table(header, rows),
        "" if server else missing(_SERVER),
    )


def _cores(rate: float, cpu_s: float | None) -> list[str]:
    """Cores for a rate of streams or requests, and their price; empty if the cost is unknown."""
    if cpu_s is None:
        return ["", "", ""]
    cores = math.ceil(rate * cpu_s / LOAD.value)
    dollars = cores * 24 * DAYS.value * CORE.value
    return [f"{cores:,}", f"{dollars:,.0f}", f"{1e3 * dollars / DEVICES.value:.2f}"]


def _stream_cost(server: dict[str, Any]) -> float | None:
    """Processor time of a stream per second, at the most streams that were answered in time."""
    in_time = [
        row for row in server["streams"] if row["p99_ms"] is not None and row["p99_ms"] <= 300.0
    ]
    if not in_time:
        return None
    return float(max(in_time, key=lambda row: row["n"])["cpu_s_per_stream_s"])


def _posts(server: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What posting costs with batching, by what is posted."""
    names = {"wav": "WAV", "basis": "packets"}
    return {names[row["recording"]]: row["batched"] for row in server["posts"]}


def _modes(results: Results) -> dict[str, tuple[float, float]]:
    """Rates in kbit/s of speech and the length of a message in seconds, by mode."""
    message_s = 0.32
    modes = {}
    live = results.get("codec_stream")
    if live is not None:
        message_s = live["seconds"] / live["packets"]
    for coding in results.get("transmission", {}).get("codings", ()):
        modes[f"{coding['name']}, {coding['setting']}"] = (coding["kbps"], message_s)
    if live is not None:
        modes[f"basis, quality {live['quality']}, live"] = (live["kbps"], message_s)
    return modes


def _on_the_wire(kbps: float, message_s: float) -> float:
    """Rate in kbit/s with the headers of a stream that sends a message at a time."""
    payload = 125.0 * kbps * message_s
    frame = payload + (_FRAME if payload < 126 else _LONG_FRAME) + _TLS
    total = frame + _TCP_IP * math.ceil(frame / _SEGMENT)
    return total / message_s / 125.0


def _megabytes(kbps: float) -> str:
    return f"{0.45 * kbps:,.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
