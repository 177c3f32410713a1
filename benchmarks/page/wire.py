"""Section: bytes, time and energy of an answer by what is sent."""

from __future__ import annotations

from typing import Any

from page.markdown import blocks, conditions, missing, paragraph, percent, table
from page.names import corpus_name
from page.section import Results, Section

_NAMES = {
    "wav": "WAV, 16-bit",
    "opus": "Opus",
    "opus in a form": "Opus, multipart form",
    "basis, stream": "basis, streamed",
}


def section(results: Results) -> Section:
    """A table for each link, and the agreement of answers."""
    result = results.get("wire_cost")
    title, slug = "The cost of an answer on the wire", "wire"
    if result is None:
        return Section(title, slug, missing("python benchmarks/wire_cost.py"))
    text = blocks(
        _method(result),
        "## Answers",
        _answers(result),
        *(_link(link, result) for link in result["links"]),
        conditions(result),
    )
    return Section(title, slug, text)


def _method(result: dict[str, Any]) -> str:
    right = sum(row["as_expected"] for link in result["links"] for row in link["rows"])
    of_all = result["sent"] * sum(len(link["rows"]) for link in result["links"])
    dropped = sum(row["packets_dropped"] for link in result["links"] for row in link["rows"])
    return paragraph(
        f"{result['sent']} recordings of {corpus_name(result['corpus'])}, {result['mean_s']:.1f} s "
        "on average, are sent by `serkit.Client` to `serkit serve` over the emulated links of "
        "[the transmission benchmark](transmission.md). One model, "
        f"`{result['model']}`, answers sound and packets, so that answers differ by the coding "
        "alone; neither it nor the basis of the codec has seen this corpus. Each recording has a "
        "connection of its own; the time to the answer is coding, link and server. A *streamed* "
        f"recording is sent while it plays, with up to {result['at_once']} at once, and its time "
        "counts from its last sample. Bytes are those of IP packets, with the headers of TCP and "
        "HTTP; *message bytes* are what `serkit.Client` reports. So is the energy, which is "
        "modelled: of the radio while it sends and waits, which for a stream is all the time, and "
        f"of coding at {result['cpu_watts']:g} W. {right} of {of_all} answers were those computed "
        f"without a link; {dropped} packets were dropped."
    )


def _answers(result: dict[str, Any]) -> str:
    rows = [
        [
            _name(row["coding"]),
            f"{row['kbps']:.2f}",
            f"{row['agreed']} of {result['compared']}",
            percent(row["agreed"] / result["compared"]),
            percent(row["mean_change"]),
        ]
        for row in result["answers"]
    ]
    return blocks(
        paragraph(
            f"{result['compared']} recordings: how often the emotion is that of the WAV file, "
            "and the mean absolute change of its probability, in points. The change of accuracy "
            "by coding is on [another page](coded-speech.md)."
        ),
        table(["coding", "kbit/s", "same emotion", "%", "change of probability"], rows),
    )


def _link(link: dict[str, Any], result: dict[str, Any]) -> str:
    wav = link["rows"][0]
    rows = [
        [
            _name(row["coding"]),
            f"{row['up_bytes']:,.0f}",
            f"{row['down_bytes']:,.0f}",
            f"{row['message_bytes']:,.0f}",
            f"{wav['up_bytes'] / row['up_bytes']:.1f}",
            f"{1e3 * row['median_s']:.0f}",
            f"{1e3 * row['p95_s']:.0f}",
            f"{1e3 * row['cpu_s']:.1f}",
            f"{row['joules']:.3f}",
        ]
        for row in link["rows"]
    ]
    header = [
        "sent", "bytes up", "bytes down", "message bytes", "WAV / this", "median ms", "95 % ms",
        "coding, CPU ms", "J",
    ]  # fmt: skip
    rates = link["link"]
    return blocks(
        f"## {link['name']}",
        paragraph(
            f"{_rate(rates['up'])} up, {_rate(rates['down'])} down, "
            f"{1e3 * rates['delay']:g} ms each way."
        ),
        table(header, rows),
    )


def _rate(bits: float) -> str:
    return f"{bits / 1e6:g} Mbit/s" if bits >= 1e6 else f"{bits / 1e3:g} kbit/s"


def _name(coding: str) -> str:
    return _NAMES.get(coding, coding)
