"""The section of the results page on sending files, beside AMSER's Table III."""

from __future__ import annotations

from typing import Any

from page import MISSING, conditions, load, percent, table

JOULES_PER_KWH = 3.6e6


def transmission() -> str:
    """Time and energy of sending recordings raw and coded."""
    title = "### Sending files: AMSER's Table III\n\n"
    result = load("transmission")
    if result is None:
        return title + MISSING.format(command="python benchmarks/transmission.py") + "\n"
    raw = result["codings"][0]
    text = (
        f"{result['sends']} sends of {result['recordings']} recordings of RAVDESS, EmoDB and TESS, "
        f"{result['audio_s'] / 3600:.1f} hours of speech: raw as {raw['setting']} (16 kHz, "
        f"{raw['bytes'] / 1e6:.0f} MB) and coded. One file goes after another, each when the one "
        "before is answered, over the kernel's TCP; connections are one kept open, or one for each "
        "file. The shipped basis was learned from part of these recordings, which makes `basis` "
        "somewhat smaller here than for voices it has not heard. A link delays "
        f"{result['shaping']}, and limits their rate.\n\n"
    )
    sizes = [
        [
            f"{coding['name']}, {coding['setting']}",
            f"{coding['bytes'] / 1e6:.1f}",
            f"{coding['kbps']:.2f}",
            percent(coding["bytes"] / raw["bytes"]),
            f"{coding['cpu_s']:.0f}",
        ]
        for coding in result["codings"]
    ]
    header = ["coding", "MB", "kbit/s", "% of raw", "CPU seconds to code"]
    text += table(header, sizes) + "\n" + summary(result) + "\n" + of_the_paper(result["paper"])
    text += (
        "\nEnergy is a model: so much a byte sent and a second of radio on, from published "
        f"measurements; coding costs its CPU seconds, measured here, at {result['cpu_watts']:g} W, "
        "an assumption for a phone, whose core is slower. A negative saving is a loss. Where not "
        "all files were sent, an even selection over their sizes was, and its sums are scaled to "
        "all.\n\n"
    )
    for found in result["links"]:
        text += of_link(found, result) + "\n"
    return title + text + linearity(result) + "\n" + conditions(result) + "\n"


def summary(result: dict[str, Any]) -> str:
    """Ratios on every link beside the paper's."""
    paper = result["paper"]
    published = [f"{paper['times']}", "", f"{100 * paper['energy_saved']:.2f}", "", "", ""]
    rows = [["AMSER, link not given", *published]]
    for found in result["links"]:
        for kept in (True, False):
            raw, svd, basis = (of_row(found, kept, name) for name in ("raw", "svd", "basis"))
            costs = [coding_joules(result, name) for name in ("svd", "basis")]
            rows.append(
                [
                    f"{found['name']}, {way(kept)}",
                    *(f"{raw['s'] / row['s']:.2f}" for row in (svd, basis)),
                    *(percent(1 - row["joules"] / raw["joules"]) for row in (svd, basis)),
                    *(
                        percent(1 - (row["joules"] + cost) / raw["joules"])
                        for row, cost in zip((svd, basis), costs, strict=True)
                    ),
                ]
            )
    header = [
        "link, connections", "svd, times as fast as raw", "basis, times as fast",
        "svd, radio energy saved %", "basis, radio energy saved %",
        "svd, saved with coding %", "basis, saved with coding %",
    ]  # fmt: skip
    return table(header, rows)


def of_the_paper(paper: dict[str, Any]) -> str:
    """What the paper's own figures imply."""
    each = [1e3 * paper[name] / paper["files"] for name in ("raw_s", "coded_s")]
    watts = [
        paper[f"{name}_kwh"] * JOULES_PER_KWH / paper[f"{name}_s"] for name in ("raw", "coded")
    ]
    # a + b = raw and a + b / 16 = coded, for 6.25 % of the bytes
    per_byte = (each[0] - each[1]) / (1 - 1 / 16)
    return (
        f"AMSER sent {paper['files']} files raw in {paper['raw_s']} s and compressed to 6.25 % in "
        f"{paper['coded_s']} s, {each[0]:.1f} and {each[1]:.1f} ms a file. If time is straight in "
        f"bytes, {each[0] - per_byte:.1f} ms of both are no bytes but waiting, which no codec "
        f"shortens. Its {paper['raw_kwh']} and {paper['coded_kwh']} kWh are {watts[0]:.1f} and "
        f"{watts[1]:.1f} W throughout: energy there is time, at a power no phone's radio has.\n"
    )


def of_link(found: dict[str, Any], result: dict[str, Any]) -> str:
    """All that was measured on a link."""
    rows = []
    for row in found["rows"]:
        raw = of_row(found, row["kept"], "raw")
        coding = next(c for c in result["codings"] if c["name"] == row["coding"])
        cost = coding_joules(result, row["coding"])
        rows.append(
            [
                f"{row['coding']}, {way(row['kept'])}",
                str(row["sent"]),
                f"{row['measured_s']:.1f}",
                f"{row['median_ms']:.1f}",
                f"{row['s']:.0f}",
                f"{row['s'] + coding['cpu_s']:.0f}",
                f"{row['joules']:.0f}",
                f"{cost:.0f}" if cost else "",
                f"{(raw['joules'] - row['joules']) / cost:.1f}" if cost else "",
            ]
        )
    header = [
        "coding, connections", "sent", "in s", "median ms",
        f"s for {result['sends']}", "with coding", "radio J", "coding J",
        "coding may cost, times",
    ]  # fmt: skip
    radio = found["radio"]
    model = f"{1e6 * radio['joules_per_byte']:.3g} µJ a byte and {radio['watts']:.3g} W"
    text = f"#### {found['name']}\n\n{found['source']}: {model}.\n\n{table(header, rows)}"
    return text + (lone(found, result) if radio["tail_joules"] else "")


def lone(found: dict[str, Any], result: dict[str, Any]) -> str:
    """What is left of the saving where the radio wakes for every file."""
    tail = found["radio"]["tail_joules"]
    raw, *others = (
        (of_row(found, False, name)["joules"] + coding_joules(result, name)) / result["sends"]
        for name in ("raw", "svd", "basis")
    )
    saved = [percent(1 - (tail + other) / (tail + raw)) for other in others]
    return (
        f"\nA file sent alone also keeps the radio on afterwards, {tail:.1f} J: with coding, svd "
        f"then saves {saved[0]} % and basis {saved[1]} %.\n"
    )


def linearity(result: dict[str, Any]) -> str:
    """How well scaling does."""
    rows = [row for found in result["links"] for row in found["rows"]]
    by_sample = [row["by_sample"] for row in rows if row["by_sample"]]
    straight = [row["straightness"] for row in rows if row["coding"] == "raw"]
    sizes = [abs(row["bytes_of_sample"] - 1) for row in rows]
    late = max(row["packets_late_ms"] for row in rows)
    dropped = sum(row["packets_dropped"] for row in rows)
    return (
        "*Coding may cost, times*: at so many times its joules here the saving is gone. "
        f"Where all files were sent, the sums of the selection, scaled, are "
        f"{percent(min(by_sample))} to {percent(max(by_sample))} % of what was measured; the "
        f"selections' bytes are within {percent(max(sizes))} % of all. The time of a raw send is "
        f"straight in its bytes with R² {min(straight):.3f} to {max(straight):.3f}. The links' "
        f"packets came up to {late:.2f} ms late on average; {dropped} were dropped.\n"
    )


def of_row(found: dict[str, Any], kept: bool, coding: str) -> dict[str, Any]:
    """What was measured on a link of a coding and a way to connect."""
    return next(row for row in found["rows"] if (row["kept"], row["coding"]) == (kept, coding))


def coding_joules(result: dict[str, Any], name: str) -> float:
    """The energy of coding all files."""
    seconds = next(c["cpu_s"] for c in result["codings"] if c["name"] == name)
    return float(result["cpu_watts"] * seconds)


def way(kept: bool) -> str:
    """How files are connected for."""
    return "one kept" if kept else "one a file"
