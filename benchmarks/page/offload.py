"""Section: accuracy, bytes and delay against the share of recordings sent to a server."""

from __future__ import annotations

from typing import Any

from page.markdown import blocks, conditions, missing, paragraph, percent, points, table
from page.markdown import with_interval as shown
from page.names import corpus_name
from page.offload_plots import accuracy_plot, bytes_plot, delay_plot
from page.section import Results, Section

_MODES = {"wav": "WAV", "opus": "Opus", "svd": "svd", "basis": "basis"}


def section(results: Results) -> Section:
    """The models, the choice on validation speakers, and the curves of each corpus."""
    result = results.get("offload_curve")
    title, slug = "When to ask the server", "offload"
    if result is None:
        return Section(title, slug, missing("python benchmarks/offload_curve.py"))
    first = result["tables"][0]
    pictures = {
        f"offload-{one['corpus']}.svg": accuracy_plot(one, result["mode"])
        for one in result["tables"]
    } | {
        "offload-bytes.svg": bytes_plot(first),
        "offload-delay.svg": delay_plot(first, [link["name"] for link in result["links"]]),
    }
    text = blocks(
        _method(result),
        "## The two models",
        _models(result),
        "## The share chosen on validation speakers",
        _chosen(result),
        *(_corpus(one, result) for one in result["tables"]),
        "## Bytes",
        _bytes(first),
        "## Delay and energy",
        _delay(first, result),
        conditions(result),
    )
    return Section(title, slug, text, pictures)


def _method(result: dict[str, Any]) -> str:
    tested, of_all = result["folds"]
    names = [corpus_name(one["corpus"]) for one in result["tables"]]
    return paragraph(
        "A device and a server have models trained on the same speakers of "
        f"{', '.join(names[:-1])} and {names[-1]} together (four emotions; {result['protocol']}, "
        f"{tested} of {of_all} folds, 1 seed), and are tested on others. The device has the recipe "
        f"of `tiny` ({result['device_bytes'] / 1e3:.0f} KB); the server the acoustic branch of "
        f"AMSER, reduced, on coded log-mel ({result['server_bytes'] / 1e3:.0f} KB); no text is "
        "used. (To repeat the recordings of the small corpora in its training was decided after a "
        "run without, whose first fold had been seen.) A recording is sent if the probability "
        "of the device's best emotion is below a threshold, by the rule of "
        "`serkit.Client(when_unsure=P)`. Thresholds are set on the validation speakers of each "
        "fold, for a share of their recordings; the share of the test recordings that this sends "
        "is shown. *At random* is the expected UA if as many recordings are sent regardless of the "
        "device; *at best* is the highest that any choice of at most as many could reach, knowing "
        "which answers are right. Intervals resample test speakers."
    )


def _models(result: dict[str, Any]) -> str:
    rows = []
    for one in result["tables"]:
        device, servers = one["device"], one["servers"]
        everything = one["rows"][-1]["modes"][result["mode"]]["to_device"]
        rows.append(
            [
                corpus_name(one["corpus"]),
                f"{one['clips']:,}",
                str(one["speakers"]),
                shown(device["ua"], device["interval"]),
                *(shown(servers[mode]["ua"], servers[mode]["interval"]) for mode in _MODES),
                points(everything["value"], everything["interval"]),
            ]
        )
    header = [
        "UA %", "recordings", "speakers", "device",
        *(f"server, {name}" for name in _MODES.values()),
        f"sending all as {result['mode']}, points",
    ]  # fmt: skip
    return blocks(table(header, rows), *(_no_better(one, result) for one in result["tables"]))


def _no_better(one: dict[str, Any], result: dict[str, Any]) -> str:
    """Says so where the server is not better than the device."""
    gain = one["rows"][-1]["modes"][result["mode"]]["to_device"]
    low, high = gain["interval"] or (gain["value"], gain["value"])
    if low > 0.0:
        return ""
    if high < 0.0:
        found = "worse than the device: nothing is gained by asking it always"
    else:
        found = "not better than the device beyond the interval"
    return paragraph(f"On {corpus_name(one['corpus'])} the server is {found}.")


def _chosen(result: dict[str, Any]) -> str:
    rows = []
    for one in result["tables"]:
        chosen = one["chosen"]
        figures = chosen["modes"][result["mode"]]
        rows.append(
            [
                corpus_name(one["corpus"]),
                shown(figures["share"]["value"], figures["share"]["interval"]),
                shown(figures["ua"]["value"], figures["ua"]["interval"]),
                *(_points(figures[key]) for key in ("to_server", "to_device", "to_random")),
                f"{figures['bytes']:,.0f}",
            ]
        )
    header = [
        "", "sent %", "UA %", "to the server alone", "to the device alone", "to random",
        "bytes a recording",
    ]  # fmt: skip
    shares = ", ".join(
        f"{percent(one['share'])} % (P {one['threshold']:.2f})" for one in result["thresholds"]
    )
    return blocks(
        paragraph(
            "The least share whose UA on the validation speakers is within "
            f"{100 * result['within']:g} point of that of the server alone, sent as "
            f"`{result['mode']}`, is by fold {shares}. On the test speakers, with differences in "
            "points:"
        ),
        table(header, rows),
    )


def _points(figure: dict[str, Any]) -> str:
    return points(figure["value"], figure["interval"])


def _corpus(one: dict[str, Any], result: dict[str, Any]) -> str:
    name = corpus_name(one["corpus"])
    rows = []
    for row in one["rows"]:
        figures = row["modes"][result["mode"]]
        rows.append(
            [
                percent(row["target"]),
                percent(row["share"]),
                shown(figures["ua"]["value"], figures["ua"]["interval"]),
                percent(row["random"]),
                percent(row["best"]),
                _points(figures["to_random"]),
                _points(figures["to_server"]),
            ]
        )
    header = [
        "sent %, validation", "sent %, test", "UA %", "at random", "at best", "to random",
        "to the server alone",
    ]  # fmt: skip
    picture = f"offload-{one['corpus']}.svg"
    return blocks(
        f"## {name}",
        f"![{name}: UA against the share sent]({picture})",
        table(header, rows),
    )


def _bytes(one: dict[str, Any]) -> str:
    rows = []
    for row in one["rows"]:
        cells = [row["modes"][mode] for mode in _MODES]
        figures = [f"{cell['bytes']:,.0f}; {percent(cell['ua']['value'])}" for cell in cells]
        rows.append([percent(row["share"]), *figures])
    header = ["sent %", *(f"{name}: bytes; UA %" for name in _MODES.values())]
    return blocks(
        paragraph(
            f"{corpus_name(one['corpus'])}, recordings of {one['mean_s']:.1f} s on average: mean "
            "bytes a recording, without headers, counting those that are not sent, and UA. What "
            "headers add is [measured too](wire.md)."
        ),
        "![UA against bytes](offload-bytes.svg)",
        table(header, rows),
    )


def _delay(one: dict[str, Any], result: dict[str, Any]) -> str:
    times = result["times"]
    by_mode = [
        [
            _MODES[mode],
            f"{1e3 * times['modes'][mode]['coding_s']:.1f}",
            f"{1e3 * times['modes'][mode]['server_s']:.1f}",
        ]
        for mode in _MODES
    ]
    rows = []
    for row in one["rows"]:
        cells = []
        for number in range(len(result["links"])):
            for mode in ("wav", "basis"):
                cost = row["modes"][mode]["links"][number]
                cells.append(
                    f"{1e3 * cost['mean_s']:.0f}; {1e3 * cost['p95_s']:.0f}; "
                    f"{1e3 * cost['joules']:.0f}"
                )
        rows.append([percent(row["share"]), *cells])
    header = [
        "sent %",
        *(
            f"{link['name']}, {_MODES[mode]}"
            for link in result["links"]
            for mode in ("wav", "basis")
        ),
    ]
    return blocks(
        paragraph(
            f"The device answers in {1e3 * times['device_s']:.1f} ms (median of {result['timed']} "
            "recordings on this machine; a phone is slower), and before anything is sent. A "
            "recording that is sent also waits for coding, link and server. The server's time is "
            "decoding and network, without HTTP and other clients."
        ),
        table(["mode", "coding ms", "server ms"], by_mode),
        paragraph(
            f"{corpus_name(one['corpus'])}: mean delay, 95th percentile (ms) and mean energy by "
            f"the model of `serkit.Client` (mJ, computing at {result['cpu_watts']:g} W "
            "included), over all recordings, with a connection for each that is sent, over the "
            "links of [the transmission benchmark](transmission.md)."
        ),
        "![Mean delay against the share sent](offload-delay.svg)",
        table(header, rows),
    )
