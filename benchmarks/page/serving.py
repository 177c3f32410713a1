"""Section: the server under load, over a long time, and under attack."""

from __future__ import annotations

from typing import Any

from page.markdown import blocks, capitalised, conditions, missing, paragraph, percent, table
from page.section import Results, Section

_BAR_MS = 300.0

_POSTED = {"wav": "WAV", "basis": "packets, mode `basis`"}

_COUNTS = {
    "requests": "requests",
    "streams": "streams",
    "chunks": "chunks",
    "connections": "connections",
    "kills": "kills",
    "clients": "streaming clients",
    "attempts": "connections of their streams",
    "answered": "answered",
    "told_503": "told 503 and when to return",
    "closed_after_header_timeout": "closed after the time for a header",
    "hours_bytes": "bytes of the 75-hour recording",
}


def section(results: Results) -> Section:
    """Streams, recordings, overload, soak and faults."""
    text = blocks(*_load(results), _soak(results), _faults(results))
    return Section("The server under load", "serving", text)


def _load(results: Results) -> tuple[str, ...]:
    result = results.get("server_load")
    if result is None:
        return ("## Live streams", missing("python benchmarks/server_load.py"))
    return (_streams(result), _posts(result), _overload(result), conditions(result))


def _streams(result: dict[str, Any]) -> str:
    rows = [
        [
            str(row["n"]),
            f"{row['complete']}",
            str(row["errors"] + row["wrong"]),
            f"{row['answers']:,}",
            _ms(row["p50_ms"]),
            _ms(row["p99_ms"]),
            _ms(row["window_p99_ms"]),
            percent(row["cpu_s_per_stream_s"] * row["n"]),
            percent(row["generator_cpu_share"]),
            f"{row['memory_mb']:.0f}",
        ]
        for row in result["streams"]
    ]
    in_time = [row["n"] for row in result["streams"] if row["p99_ms"] and row["p99_ms"] <= _BAR_MS]
    return blocks(
        "## Live streams",
        paragraph(
            f"Each stream sends a packet of {1e3 * result['packet_s']:.0f} ms when it is due, for "
            f"{result['stream_s']:.0f} s; it is classified every {result['hop_s']:g} s by "
            "`tiny-mel`. Server, decoding processes and load generator share the cores. The time "
            "to an answer counts from the moment at which the packet that completes the segment "
            "was due, so that a server that holds its clients back gains nothing. All events are "
            "compared with those of a local stream; *errors* are wrong or missing ones, refusals "
            f"and broken connections. In time, with p99 at most {_BAR_MS:.0f} ms, are up to "
            f"{max(in_time, default=0)} streams."
        ),
        table(
            [
                "streams",
                "complete",
                "errors",
                "segments",
                "p50, ms",
                "p99, ms",
                "p99 of windows, ms",
                "server, % of a core",
                "generator, % of a core",
                "server, MB",
            ],
            rows,
        ),
    )


def _posts(result: dict[str, Any]) -> str:
    rows = [
        [
            _POSTED[row["recording"]],
            f"{row['bytes']:,}",
            *(
                cell
                for of in (row["batched"], row["single"])
                for cell in (
                    f"{of['per_s']:.0f}",
                    _ms(of["p50_ms"]),
                    f"{1e3 * of['cpu_s_per_request']:.1f}",
                )
            ),
            f"{row['ratio']:.2f}",
        ]
        for row in result["posts"]
    ]
    side = ["per second", "p50, ms", "ms of a core"]
    return blocks(
        "## Recordings",
        paragraph(
            f"{result['clients']} clients post {result['recording_s']:g} s of speech to "
            "`/v1/recognize` and ask again at once, with batches of up to 32 and without batches "
            "(`batch_max` 1), in turn; medians of three runs. A window of a small model runs "
            "through the features and the network alone, so that its answer does not depend on "
            "its neighbours: a batch saves messages between processes, not arithmetic."
        ),
        table(["recording", "bytes", *side, *(f"{one}, single" for one in side), "ratio"], rows),
    )


def _overload(result: dict[str, Any]) -> str:
    overload = result["overload"]
    names = {
        "before": f"{overload['limit']} clients",
        "during": f"{3 * overload['limit']} clients",
        "after": f"{overload['limit']} clients again",
    }
    rows = []
    for key, name in names.items():
        row = overload[key]
        codes = dict(row["codes"])
        rows.append(
            [
                name,
                f"{codes.pop('200', 0):,}",
                f"{codes.pop('429', 0):,}",
                str(sum(codes.values()) + row["unclean"]),
                f"{row['per_s']:.0f}",
                _ms(row["p99_ms"]),
            ]
        )
    return blocks(
        "## Too many",
        paragraph(
            f"The server takes {overload['limit']} requests at once. *Other* counts answers that "
            "are neither 200 nor 429 with Retry-After and a message."
        ),
        table(["load", "200", "429", "other", "answers per second", "p99 of 200, ms"], rows),
    )


def _soak(results: Results) -> str:
    heading = "## Memory over time"
    result = results.get("server_soak")
    if result is None:
        return blocks(heading, missing("python benchmarks/server_soak.py"))
    seen = result["seen"]
    streams = seen["streams"]
    answered = ", ".join(
        f"{number:,} {what}"
        for what, number in (
            ("streams with all their events", streams["complete"]),
            ("streams with errors", streams["streams"] - streams["complete"]),
            ("recordings answered", seen["posts"].get("200", 0)),
            ("not answered", sum(seen["posts"].values()) - seen["posts"].get("200", 0)),
            ("damaged ones refused", seen["damaged"].get("422", 0)),
        )
    )
    return blocks(
        heading,
        paragraph(
            f"{result['minutes']:g} minutes of 40 streams at once, recordings and damaged "
            f"recordings, {percent(result['cpu_share'])} % of a core: {answered}. Memory of all "
            f"processes after the first fifth of the time: {result['first_mb']:.1f} MB, between "
            f"{result['least_mb']:.1f} and {result['most_mb']:.1f} MB, {result['last_mb']:.1f} MB "
            f"at the end; least squares: {result['mb_per_hour']:+.1f} MB per hour."
        ),
        conditions(result),
    )


def _faults(results: Results) -> str:
    heading = "## Strangers and accidents"
    result = results.get("server_faults")
    if result is None:
        return blocks(heading, missing("python benchmarks/server_faults.py"))
    rows = []
    for row in result["rows"]:
        others = row.get("others")
        rows.append(
            [
                capitalised(row["fault"]),
                _seen(row["seen"]),
                "" if others is None else _codes(others["codes"]),
                "" if others is None else f"{others['slowest_s']:.2f}",
            ]
        )
    return blocks(
        heading,
        paragraph(
            "Two other clients post a good recording all the while; their answers were the same "
            "each time, and one more is answered after each fault. *Killed servers*: kill -9 under "
            "load and a new server on the same port, which knows nothing of the streams; every "
            "event of each stream is compared with those of a local one."
        ),
        table(["fault", "seen", "others' answers by status", "slowest of them, s"], rows),
        conditions(result),
    )


def _seen(seen: dict[str, Any]) -> str:
    parts = []
    for name, value in seen.items():
        match value:
            case dict():
                parts.append(_codes(value))
            case float():
                what, _, unit = name.rpartition("_")
                parts.append(f"{what.replace('_', ' ')} {value:.3g} {unit}")
            case _:
                parts.append(f"{value:,} {_COUNTS[name]}")
    return "; ".join(parts)


def _codes(codes: dict[str, int]) -> str:
    return ", ".join(f"{code}: {number:,}" for code, number in sorted(codes.items()))


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
