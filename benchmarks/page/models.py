"""Section: figures of the shipped models and nested selection of their recipes."""

from __future__ import annotations

from typing import Any

from page.markdown import (
    blocks,
    capitalised,
    conditions,
    missing,
    paragraph,
    percent,
    plural,
    table,
    with_interval,
)
from page.names import corpus_name
from page.section import Results, Section


def section(results: Results) -> Section:
    """Each shipped model, `tiny` first, and what choosing its recipe added."""
    text = blocks(
        paragraph(
            "Each figure is from cross-validation: the recipe is trained anew on every fold. The "
            "shipped file is trained on all corpora listed. Intervals resample speakers and need "
            "at least five. The expected calibration error (ECE) is larger on an unseen corpus "
            "than on new speakers of a known one: confidence transfers less well than accuracy."
        ),
        *(
            _model(name, model)
            for name, model in sorted(results["models"].items(), key=_tiny_first)
        ),
        _log_mel(results),
        _windows(results),
        _selection_of_tiny(results),
        _selection_on_functionals(results),
    )
    return Section("The shipped models", "models", text)


def _tiny_first(item: tuple[str, Any]) -> tuple[bool, str]:
    return item[0] != "tiny", item[0]


def _model(name: str, model: dict[str, Any]) -> str:
    protocols = [
        blocks(
            f"{capitalised(protocol['title'])}, {plural(len(protocol['seeds']), 'seed')}:",
            _protocol(protocol),
        )
        for protocol in model["protocols"]
    ]
    return blocks(
        f"## `{name}`",
        paragraph(
            f"{model['bytes']:,} bytes, {model['parameters']:,} parameters. "
            f"Details: `serkit models show {name}`."
        ),
        *protocols,
    )


def _protocol(protocol: dict[str, Any]) -> str:
    rows = []
    for row in protocol["rows"]:
        interval = row["ua_interval"]
        rows.append(
            [
                corpus_name(row["corpus"]),
                percent(row["ua"]),
                f"{percent(interval[0])} to {percent(interval[1])}" if interval else "",
                percent(row["ece"]),
                str(row["utterances"]),
                str(row["speakers"]),
            ]
        )
    if "mean_ua" in protocol:
        rows.append(["*mean*", percent(protocol["mean_ua"]), "", "", "", ""])
    header = ["corpus", "UA %", "95 % interval over speakers", "ECE %", "clips", "speakers"]
    return table(header, rows)


def _log_mel(results: Results) -> str:
    heading = "## `tiny-mel` on an unseen corpus, clean and coded"
    result = results.get("log_mel_model")
    if result is None:
        return blocks(heading, missing("python benchmarks/log_mel_model.py"))
    rows = [
        [
            row["name"],
            f"{row['kbps']:.2f}" if row["kbps"] else "",
            with_interval(row["ua"], row["interval"]),
        ]
        for row in result["rows"]
    ]
    sizes = ", ".join(f"`{name}` {size:,} bytes" for name, size in result["bytes"].items())
    return blocks(
        heading,
        paragraph(
            f"The shipped models on the four emotions of {corpus_name(result['corpus'])} "
            f"({result['clips']} clips of {result['speakers']} speakers), on which neither was "
            f"trained: {sizes}. *Quality* is that of the codec's mode `basis`, whose packets "
            "`tiny-mel` classifies without decoding them to sound. Chance level is 25.0 %."
        ),
        table(["model and input", "kbit/s", "UA %"], rows),
        conditions(result),
    )


def _windows(results: Results) -> str:
    heading = "## The window of each model"
    result = results.get("window_length")
    if result is None:
        return blocks(heading, missing("python benchmarks/window_length.py"))
    rows = []
    for row in result["rows"]:
        for part in ("validation", "test"):
            of_part = row["ua"][part]
            cells = [percent(of_part[f"{length:g}"]) for length in result["windows_s"]]
            chosen = f"{row['chosen_s']:g} s" if part == "validation" else ""
            rows.append([f"`{row['model']}`, {part} speakers", *cells, chosen])
    header = ["UA % by window", *(f"{length:g} s" for length in result["windows_s"]), "chosen"]
    durations = ", ".join(f"`{row['model']}` {row['median_s']:.0f} s" for row in result["rows"])
    return blocks(
        heading,
        paragraph(
            "Long recordings that join the clips of one held-out speaker in one emotion, with "
            f"pauses, up to a minute (median {durations}), cut into windows whose probabilities "
            "are averaged. The length on the card is chosen on the validation speakers of all "
            "folds. Weights are not quantised."
        ),
        table(header, rows),
        conditions(result),
    )


def _selection_of_tiny(results: Results) -> str:
    heading = "## Nested selection: `tiny`"
    result = results.get("tiny_selection")
    if result is None:
        return blocks(heading, missing("python benchmarks/tiny_selection.py"))
    rows = [
        [
            corpus_name(row["corpus"]),
            row["chosen"],
            percent(row["ua"]),
            percent(row["ua_as_shipped"]),
        ]
        for row in result["rows"]
    ]
    means = [percent(result["mean_ua"]), percent(result["mean_ua_as_shipped"])]
    rows.append(["*mean*", "", *means])
    header = ["held-out corpus", "chosen on the other corpora", "its UA %", "UA % as shipped"]
    return blocks(
        heading,
        paragraph(
            "The recipe of `tiny` was chosen with all four corpora in view. Here "
            f"{len(result['candidates'])} candidates with 32-bit weights are compared on three "
            "corpora, and the winner is tested on the fourth "
            f"({plural(result['seeds'], 'seed')}). The features had been chosen on all corpora "
            "before, so these figures are still optimistic."
        ),
        table(header, rows),
        conditions(result),
    )


def _selection_on_functionals(results: Results) -> str:
    heading = "## Nested selection: `emodb7` and `ravdess8`"
    result = results.get("functionals_selection")
    if result is None:
        return blocks(heading, missing("python benchmarks/functionals_selection.py"))
    rows = []
    for row in result["rows"]:
        every = row["ua_of_each"].values()
        rows.append(
            [
                f"`{row['model']}`",
                row["protocol"],
                percent(row["ua_nested"]),
                percent(row["ua_as_shipped"]),
                f"{percent(min(every))} to {percent(max(every))}",
            ]
        )
    measured = {row["model"] for row in result["rows"]}
    unmeasured = [
        missing(f"python benchmarks/functionals_selection.py {name}")
        for name in ("emodb7", "ravdess8")
        if name not in measured
    ]
    header = ["model", "protocol", "UA % of the winner", "UA % as shipped", "range of UA %"]
    n_candidates = len(result["rows"][0]["ua_of_each"])
    return blocks(
        heading,
        paragraph(
            "These recipes were chosen by UA on held-out speakers of the corpora they are tested "
            f"on. Here {n_candidates} similar recipes with 32-bit weights are compared for each "
            "test fold on the other speakers alone, and the winner is tested on that fold. The "
            "last column is the range over all candidates."
        ),
        table(header, rows),
        *unmeasured,
        conditions(result),
    )
