"""Write docs/results.md from results/*.json; no figure in it is typed by hand.

python benchmarks/make_results.py [--check]   (--check: fail if the page is out of date)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from budgets_page import budgets, interrupt
from codec_page import codec_ablation, codec_stream, codec_ua, codec_wer, rate_distortion
from transmission_page import transmission
from trust_page import trust

import serkit
from serkit.runtime import Model

from page import MISSING, capitalised, conditions, counted, interval_of, load, percent, table
from quantisation_page import (
    PICTURES,
    c_export,
    families,
    packed_speed,
    quantisation,
    quantised_calibration,
    tiny_quantised,
)

PAGE = Path(__file__).parents[1] / "docs" / "results.md"


def shuffle_worth() -> str:
    """The paper's protocol beside speaker-independent figures."""
    title = "## What a shuffled split is worth\n\n"
    result = load("shuffle_worth")
    if result is None:
        return title + MISSING.format(command="python benchmarks/shuffle_worth.py")
    text = (
        "The MLP of Shinde et al. (2024) on `mfcc40+chroma12+mel128` means, 32-bit, by its recipe "
        "(`layer-importance-adaptive-quantization/table2-*`), split as in the paper and split by "
        "speaker. Mean and 95 % interval (Student's t) over seeds; a seed decides weights and "
        "split.\n\n"
    )
    rows = []
    for row in result["rows"]:
        mark = " (**speaker-dependent**)" if row["speaker_dependent"] else ""
        published = row["published_accuracy"]
        figures = (
            f"{percent(row[name]['mean'])} ({percent(row[name]['interval'][0])} to "
            f"{percent(row[name]['interval'][1])})"
            for name in ("wa", "ua")
        )
        rows.append(
            [
                row["corpus"],
                row["title"] + mark,
                f"{row['seeds']} x {row['folds']}",
                str(row["tested_per_seed"]),
                *figures,
                percent(published) if published else "",
            ]
        )
    header = [
        "corpus", "split", "seeds x folds", "clips tested a seed", "accuracy %", "UA %",
        "published accuracy %, one split",
    ]  # fmt: skip
    closing = (
        "\nThe copy of EmoDB has each clip cut or padded to 2.0 s, which the paper's had not. TESS "
        "has two speakers: left out, the other one teaches little, whatever a shuffle promises. "
        "The SAVEE column needs the corpus: "
        "`serkit train layer-importance-adaptive-quantization/table2-savee --corpus savee=PATH "
        "-o savee.safetensors`, then `serkit models show savee.safetensors`.\n\n"
    )
    return title + text + table(header, rows) + closing + conditions(result)


def points(found: dict[str, Any] | None) -> str:
    """A difference in points with its interval and p-value."""
    if found is None:
        return ""
    low, high = found["interval"]
    return (
        f"{100 * found['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}), "
        f"p {found['p_value']:.4f}"
    )


def protocol_table() -> str:
    """Recipes and baselines under speaker-independent protocols, beside the shuffled figure."""
    title = "## Against baselines, speakers kept apart\n\n"
    result = load("protocol_table")
    if result is None:
        return title + MISSING.format(command="python benchmarks/protocol_table.py")
    text = (
        f"Mean over {result['seeds']} seeds, 95 % intervals over speakers; recipes before their "
        "weights are rounded to few bits. Support vector machines "
        "choose kernel and C on held-out speakers of the training part. The last column is the "
        "difference to the last row (interval over speakers, sign-flip test). Shuffled clips are "
        "**speaker-dependent** and stand here to show what they are worth.\n\n"
    )
    rows = result["rows"]
    for task in dict.fromkeys(row["task"] for row in rows):
        of_task = [row for row in rows if row["task"] == task]
        shuffled = {row["system"]: row for row in of_task if row["speaker_dependent"]}
        apart = [row for row in of_task if not row["speaker_dependent"]]
        folds = list(apart[0]["ua_by_fold"])
        text += f"### {task}: {apart[0]['title']}\n\n"
        header = [
            "system",
            "WA %",
            "UA %",
            "UA % shuffled (**speaker-dependent**)",
            "last row minus this",
        ]
        lines = []
        for row in apart:
            wa, ua, other = row["wa"], row["ua"], shuffled[row["system"]]["ua"]
            lines.append(
                [
                    row["system"],
                    percent(wa["mean"]) + interval_of(wa),
                    percent(ua["mean"]) + interval_of(ua),
                    percent(other["mean"]) + interval_of(other),
                    points(row.get("best_against_this")),
                ]
            )
        text += table(header, lines) + "\nUA % by fold:\n\n"
        by_fold = [
            [row["system"], *(percent(row["ua_by_fold"][fold]) for fold in folds)] for row in apart
        ]
        text += table(["system", *folds], by_fold) + "\n"
    text += (
        "For comparison, from the literature: HuBERT-base (95 M parameters, frozen, with a small "
        "head) has UA 65.4 on the same folds of RAVDESS, WavLM-large 72.0 (Ma et al., EmoBox, "
        "2024); support vector machines on openSMILE's features 73 to 77 % accuracy on EmoDB, "
        "whose clips are whole there and cut to 2.0 s here.\n\n"
    )
    return title + text + conditions(result)


def functionals_selection() -> str:
    """Nested selection of the models on functionals."""
    title = "#### Nested selection of `emodb7` and `ravdess8`\n\n"
    result = load("functionals_selection")
    if result is None:
        return title + MISSING.format(command="python benchmarks/functionals_selection.py")
    n = len(result["rows"][0]["ua_of_each"])
    text = (
        "The recipes were chosen by UA on held-out speakers of the very corpora they are tested "
        f"on. Here, before rounding, {n} neighbours compete, for each test fold anew, on the other "
        "speakers alone, and the winner is tested on that fold.\n\n"
    )
    rows = [
        [
            f"`{row['model']}`",
            row["protocol"],
            percent(row["ua_nested"]),
            percent(row["ua_as_shipped"]),
            f"{percent(min(row['ua_of_each'].values()))} to "
            f"{percent(max(row['ua_of_each'].values()))}",
        ]
        for row in result["rows"]
    ]
    header = ["model", "protocol", "UA % chosen on the others", "UA % as shipped", "UA % of all"]
    return title + text + table(header, rows) + "\n" + conditions(result) + "\n"


def shipped_model(name: str) -> str:
    """A model's own figures, read from its file."""
    model: Model = serkit.load(name).model
    text = (
        f"### `{name}`\n\n{model.file_bytes} bytes, {model.n_parameters} parameters; "
        f"`serkit models show {name}`.\n\n"
    )
    for protocol in model.card.figures["protocols"]:
        rows = []
        for row in protocol["rows"]:
            interval = row["ua_interval"]
            rows.append(
                [
                    row["corpus"],
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
        text += f"{capitalised(protocol['title'])}, {counted(protocol['seeds'])}:\n\n"
        text += table(header, rows) + "\n"
    return text


def models() -> str:
    """The shipped models and their nested selections."""
    text = (
        "## The shipped models\n\n"
        "Each figure is the recipe's, trained anew on every fold; the file that ships was trained "
        "on all corpora. Intervals resample whole speakers, where there are at least five. ECE on "
        "a corpus never seen is larger than on new speakers of known corpora: confidence does not "
        "travel as well as the answer.\n\n"
    )
    text += shipped_model("tiny")
    result = load("tiny_selection")
    text += "#### Nested selection\n\n"
    if result is None:
        text += MISSING.format(command="python benchmarks/tiny_selection.py") + "\n"
    else:
        text += (
            "The recipe of `tiny` was chosen with all four corpora in view. Here, before rounding, "
            f"{len(result['candidates'])} candidates compete without the corpus they are then "
            f"tested on ({result['seeds']} seeds). The choice of the features before that also saw "
            "all corpora, so even these figures lean to the kind side.\n\n"
        )
        rows = [
            [row["corpus"], row["chosen"], percent(row["ua"]), percent(row["ua_as_shipped"])]
            for row in result["rows"]
        ]
        means = [percent(result["mean_ua"]), percent(result["mean_ua_as_shipped"])]
        rows.append(["*mean*", "", *means])
        header = ["corpus left out", "chosen on the others", "its UA %", "UA % as shipped"]
        text += table(header, rows) + "\n" + conditions(result) + "\n"
    text += shipped_model("emodb7") + shipped_model("ravdess8")
    return text + functionals_selection()


def speed() -> str:
    """Features and `tiny` beside the peers."""
    title = "## Speed\n\n"
    result = load("predict_speed")
    if result is None:
        return title + MISSING.format(command="python benchmarks/predict_speed.py")
    text = (
        f"Features and `tiny` on {result['audio']}, {result['threads']} thread, medians of "
        f"{result['rounds']} rounds in which all take turns; the ratio is the median of the "
        "rounds'. librosa computes the same features to the same numbers (checked in the run), "
        "once as its documentation shows them, feature by feature from the samples, and once with "
        "the spectra handed on by hand.\n\n"
    )
    rows = [
        [
            row["what"],
            f"{row['median_ms']:.2f}",
            f"{row['real_time_factor']:.5f}",
            f"{row['ratio']:.1f}",
        ]
        for row in result["rows"]
    ]
    header = ["what", "ms", "real-time factor", "times ours"]
    return title + text + table(header, rows) + "\n" + conditions(result)


def cold_start() -> str:
    """A cold command."""
    title = "## Cold start and size\n\n"
    result, size = load("cold_start"), load("install_size")
    if result is None:
        text = MISSING.format(command="python benchmarks/cold_start.py")
    else:
        rows = [
            [f"`{row['what']}`", f"{row['median_s']:.3f}", f"{row['peak_mb']:.1f}"]
            for row in result["rows"]
        ]
        text = table(["command", "seconds", "peak MB"], rows)
        text += f"\nMedians of {result['runs']} runs in turn; ratio {result['ratio']:.2f}. "
        text += conditions(result)
    if size is None:
        return title + text + MISSING.format(command="python benchmarks/install_size.py")
    heavy = ", ".join(size["heavy"]) or "none"
    installed = ", ".join(f"{name} {version}" for name, version in size["installed"].items())
    text += (
        f"\nThe core has {size['direct_dependencies']} direct dependencies and takes "
        f"{size['megabytes']:.1f} MB installed ({size['serkit_megabytes']:.1f} MB of it serkit); "
        f"heavy packages among them: {heavy}. Installed: {installed}.\n"
    )
    return title + text


def page() -> str:
    """The whole page."""
    opening = (
        "# Results\n\nWritten by `make results` from `benchmarks/results/*.json` and the model "
        "files; each section's script in `benchmarks/` says what it claims and how to run it. UA "
        "is the unweighted average recall. *Speaker-dependent* marks every figure whose test "
        "speakers were heard in training.\n\n"
    )
    sections = (
        shuffle_worth(),
        protocol_table(),
        models(),
        trust(),
        quantisation(),
        families(),
        tiny_quantised() + quantised_calibration() + packed_speed() + c_export(),
        rate_distortion()
        + codec_ablation()
        + codec_stream()
        + codec_ua()
        + codec_wer()
        + transmission(),
        speed(),
        cold_start(),
        budgets() + "\n" + interrupt(),
    )
    return opening + "\n".join(sections)


def main() -> None:
    """Write the page and its plots, or check them."""
    wanted = {PAGE: page()} | {PAGE.parent / name: text for name, text in PICTURES.items()}
    if "--check" in sys.argv[1:]:
        if any(not path.exists() or path.read_text() != text for path, text in wanted.items()):
            raise SystemExit("docs/results.md is out of date; run: make results")
        return
    PAGE.parent.mkdir(exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
