"""Section: time and energy of sending files, beside Table III of AMSER."""

from __future__ import annotations

from typing import Any

from page.markdown import blocks, conditions, missing, paragraph, percent, table
from page.names import corpus_name
from page.section import Results, Section

_JOULES_PER_KWH = 3.6e6


def section(results: Results) -> Section:
    """Sizes, then time and energy per link."""
    title, slug = "Sending files: Table III of AMSER", "transmission"
    result = results.get("transmission")
    if result is None:
        return Section(title, slug, missing("python benchmarks/transmission.py"))
    raw = result["codings"][0]
    corpora = [corpus_name(name) for name in result["corpora"]]
    text = blocks(
        paragraph(
            f"{result['sends']:,} sends of {result['recordings']:,} recordings of "
            f"{', '.join(corpora[:-1])} and {corpora[-1]}, {result['audio_s'] / 3600:.1f} hours of "
            f"speech: raw as {raw['setting']} (16 kHz, {raw['bytes'] / 1e6:.0f} MB), and coded. "
            "Files are sent one after another, each when the previous one is answered, over the "
            "kernel's TCP, on one kept connection or on a new connection per file. The shipped "
            "basis was learned on part of these recordings, so `basis` is somewhat smaller here "
            "than on unseen voices. The emulated link limits the rate and delays "
            f"{result['shaping']}."
        ),
        _sizes(result),
        _summary(result),
        _paper(result["paper"]),
        paragraph(
            "Energy is modelled, not measured: energy per byte sent plus power per second the "
            "radio is on, from published measurements. Coding costs its CPU seconds, measured on "
            f"this machine, at {result['cpu_watts']:g} W, an assumption for a phone, whose core is "
            "slower. A negative saving is a loss. Where not all files were sent, an even selection "
            "over file sizes was, and its totals are scaled to all files."
        ),
        *(_link(link, result) for link in result["links"]),
        _scaling(result),
        conditions(result),
    )
    return Section(title, slug, text)


def _sizes(result: dict[str, Any]) -> str:
    raw = result["codings"][0]
    rows = [
        [
            f"{coding['name']}, {coding['setting']}",
            f"{coding['bytes'] / 1e6:.1f}",
            f"{coding['kbps']:.2f}",
            percent(coding["bytes"] / raw["bytes"]),
            f"{coding['cpu_s']:.0f}",
        ]
        for coding in result["codings"]
    ]
    return table(["coding", "MB", "kbit/s", "% of raw", "CPU seconds to code"], rows)


def _summary(result: dict[str, Any]) -> str:
    """Speed-up and saving on every link beside the paper's."""
    paper = result["paper"]
    published = [f"{paper['times']}", "", f"{100 * paper['energy_saved']:.2f}", "", "", ""]
    rows = [["AMSER, link not stated", *published]]
    for link in result["links"]:
        for kept in (True, False):
            raw, *coded = (_row(link, kept, name) for name in ("raw", "svd", "basis"))
            totals = [
                row["joules"] + _coding_joules(result, name)
                for row, name in zip(coded, ("svd", "basis"), strict=True)
            ]
            rows.append(
                [
                    f"{link['name']}, {_connection(kept)}",
                    *(f"{raw['s'] / row['s']:.2f}" for row in coded),
                    *(percent(1 - row["joules"] / raw["joules"]) for row in coded),
                    *(percent(1 - total / raw["joules"]) for total in totals),
                ]
            )
    header = [
        "link, connections", "speed-up, svd", "speed-up, basis", "radio energy saved %, svd",
        "radio energy saved %, basis", "saved with coding %, svd", "saved with coding %, basis",
    ]  # fmt: skip
    return table(header, rows)


def _paper(paper: dict[str, Any]) -> str:
    """What the paper's figures imply for time per file and power."""
    raw_ms, coded_ms = (1e3 * paper[name] / paper["files"] for name in ("raw_s", "coded_s"))
    raw_w, coded_w = (
        paper[f"{name}_kwh"] * _JOULES_PER_KWH / paper[f"{name}_s"] for name in ("raw", "coded")
    )
    # fixed + bytes = raw_ms and fixed + bytes / 16 = coded_ms, for 6.25 % of the bytes
    bytes_ms = (raw_ms - coded_ms) / (1 - 1 / 16)
    return paragraph(
        f"AMSER sent {paper['files']:,} files raw in {paper['raw_s']} s and, compressed to 6.25 %, "
        f"in {paper['coded_s']} s: {raw_ms:.1f} and {coded_ms:.1f} ms per file. If time is linear "
        f"in bytes, {raw_ms - bytes_ms:.1f} ms of each are independent of the size, and no codec "
        f"shortens them. Its {paper['raw_kwh']} and {paper['coded_kwh']} kWh imply a constant "
        f"{raw_w:.1f} and {coded_w:.1f} W: that energy is proportional to time, at a power far "
        "above any phone's radio."
    )


def _link(link: dict[str, Any], result: dict[str, Any]) -> str:
    rows = []
    for row in link["rows"]:
        raw = _row(link, row["kept"], "raw")
        coding = next(c for c in result["codings"] if c["name"] == row["coding"])
        joules = _coding_joules(result, row["coding"])
        rows.append(
            [
                f"{row['coding']}, {_connection(row['kept'])}",
                str(row["sent"]),
                f"{row['measured_s']:.1f}",
                f"{row['median_ms']:.1f}",
                f"{row['s']:.0f}",
                f"{row['s'] + coding['cpu_s']:.0f}",
                f"{row['joules']:.0f}",
                f"{joules:.0f}" if joules else "",
                f"{(raw['joules'] - row['joules']) / joules:.1f}" if joules else "",
            ]
        )
    header = [
        "coding, connections", "sent", "measured s", "median ms", "s for all files",
        "s with coding", "radio J", "coding J", "break-even factor",
    ]  # fmt: skip
    radio = link["radio"]
    model = f"{1e6 * radio['joules_per_byte']:.3g} µJ per byte and {radio['watts']:.3g} W"
    return blocks(
        f"## {link['name']}",
        paragraph(f"{link['source']}: {model}."),
        table(header, rows),
        _single_file(link, result) if radio["tail_joules"] else "",
    )


def _single_file(link: dict[str, Any], result: dict[str, Any]) -> str:
    """What remains of the saving if the radio wakes up for every file."""
    tail = link["radio"]["tail_joules"]
    raw, *coded = (
        (_row(link, False, name)["joules"] + _coding_joules(result, name)) / result["sends"]
        for name in ("raw", "svd", "basis")
    )
    svd, basis = (percent(1 - (tail + joules) / (tail + raw)) for joules in coded)
    return paragraph(
        f"After a single file the radio stays on for a while, which takes {tail:.1f} J: with "
        f"coding included, svd then saves {svd} % and basis {basis} %."
    )


def _scaling(result: dict[str, Any]) -> str:
    """How accurate the scaling to all files is."""
    rows = [row for link in result["links"] for row in link["rows"]]
    ratios = [row["by_sample"] for row in rows if row["by_sample"]]
    r_squared = [row["straightness"] for row in rows if row["coding"] == "raw"]
    deviation = max(abs(row["bytes_of_sample"] - 1) for row in rows)
    late_ms = max(row["packets_late_ms"] for row in rows)
    dropped = sum(row["packets_dropped"] for row in rows)
    return blocks(
        "## Accuracy of the emulation",
        paragraph(
            "The *break-even factor* is the factor by which coding energy could grow before the "
            "saving is gone. Where all files were sent, the scaled totals of the selection are "
            f"{percent(min(ratios))} to {percent(max(ratios))} % of the measured ones; the bytes "
            f"of the selections are within {percent(deviation)} % of all files. The time of a raw "
            f"send is linear in its bytes with R² {min(r_squared):.3f} to {max(r_squared):.3f}. "
            f"Packets left the link up to {late_ms:.2f} ms late on average; {dropped} were dropped."
        ),
    )


def _row(link: dict[str, Any], kept: bool, coding: str) -> dict[str, Any]:
    """The measurement of a coding on a link, on a kept connection or one connection per file."""
    return next(row for row in link["rows"] if (row["kept"], row["coding"]) == (kept, coding))


def _coding_joules(result: dict[str, Any], name: str) -> float:
    seconds = next(c["cpu_s"] for c in result["codings"] if c["name"] == name)
    return float(result["cpu_watts"] * seconds)


def _connection(kept: bool) -> str:
    return "kept" if kept else "one per file"
