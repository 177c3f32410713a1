"""Section: fusion of speech and text on coded log-mel, Tables I and II of AMSER."""

from __future__ import annotations

from typing import Any

from page.markdown import blocks, conditions, missing, paragraph, percent, plural, points, table
from page.markdown import with_interval as shown
from page.names import corpus_name
from page.section import Results, Section

_NAMES = {
    "acoustic": "acoustic branch",
    "amser": "AMSER",
    "umons": "UMONS",
    "xu": "Xu",
    "yoon-dual": "Yoon, dual encoder",
    "yoon-multihop": "Yoon, multi-hop",
}
_PAPER_NAMES = {"amser": "Ours", "umons": "UMONS", "xu": "Xu", "yoon": "Yoon"}
_IEMOCAP = (
    "serkit evaluate amser/table1-iemocap --corpus iemocap=/folder --protocol session "
    "--encoder ENCODER"
)


def section(results: Results) -> Section:
    """Tables I and II, the modalities, and the sizes of the networks."""
    result = results.get("fusion")
    title, slug = "Fusion of speech and text on coded speech", "fusion"
    if result is None:
        return Section(title, slug, missing("python benchmarks/fusion.py"))
    text = blocks(
        _method(result),
        "## Accuracy by compression rate (Table I)",
        *_tables(result, "accuracy", 0),
        "## F1 by compression rate (Table II)",
        paragraph("F1 weighted by the size of the classes; the paper does not name its average."),
        *_tables(result, "weighted_f1", 1),
        "## What text and compression change",
        *(_modalities(one) for one in result["tables"]),
        "## The optimiser of the paper",
        _steps(result),
        "## Sizes",
        _sizes(result),
        conditions(result),
    )
    return Section(title, slug, text)


def _method(result: dict[str, Any]) -> str:
    parts = []
    for one in result["tables"]:
        folds, of_all = one["folds"]
        share = "" if one["every"] == 1 else f", every {_ordinal(one['every'])} actor"
        parts.append(
            f"{corpus_name(one['corpus'])} ({one['utterances']} recordings of {one['speakers']} "
            f"speakers{share}, {one['labels']} classes; {one['protocol']}, {folds} of {of_all} "
            f"folds, {one['test_speakers']} test speakers; {plural(one['seeds'], 'seed')}, "
            f"{one['epochs']} epochs)"
        )
    return paragraph(
        f"{' and '.join(parts)}. No test speaker is in the training or validation part. The "
        "networks are reduced (last table); each is trained once per fold on all "
        f"codings mixed and tested at each. Texts are the {' and '.join(_texts(result))} fixed "
        f"sentences of the scripts, embedded by {result['encoder']}: every sentence is said in "
        "every emotion, so text can add nothing here. Intervals resample test speakers. The "
        "figures of the paper are on IEMOCAP with spontaneous texts and four classes and cannot "
        "be compared with these; its corpus must be requested, and its column is measured by "
        f"`{_IEMOCAP}`."
    )


def _texts(result: dict[str, Any]) -> list[str]:
    return [str(one["texts"]) for one in result["tables"]]


def _ordinal(n: int) -> str:
    return {2: "second", 3: "third", 4: "fourth"}.get(n, f"{n}th")


def _tables(result: dict[str, Any], key: str, number: int) -> list[str]:
    parts = [
        table(
            ["IEMOCAP, %", *(f"{name}, paper" for name in _PAPER_NAMES.values()), "serkit"],
            [
                [coding, *(percent(row[name][number]) for name in _PAPER_NAMES), "not measured"]
                for coding, row in result["paper"].items()
            ],
        )
    ]
    for one in result["tables"]:
        kinds = [kind for kind in _NAMES if any(row["kind"] == kind for row in one["rows"])]
        values = {
            (row["kind"], row["coding"]): row[key]
            for row in one["rows"]
            if row["text"] or row["kind"] == "acoustic"
        }
        rows = [
            [
                coding["name"],
                f"{coding['kbps']:.2f}",
                *(_figure(values[kind, coding["name"]]) for kind in kinds),
            ]
            for coding in one["codings"]
        ]
        header = [f"{corpus_name(one['corpus'])}, %", "kbit/s", *(_NAMES[kind] for kind in kinds)]
        parts.append(table(header, rows))
    return parts


def _figure(figure: dict[str, Any]) -> str:
    return shown(figure["value"], figure["interval"])


def _modalities(one: dict[str, Any]) -> str:
    """UA of the acoustic branch and of fusion, with and without text."""
    by_key = {(row["kind"], row["coding"], row["text"]): row for row in one["rows"]}
    rows = []
    for coding in one["codings"]:
        name = coding["name"]
        acoustic = by_key["acoustic", name, False]
        fused, without = (by_key["amser", name, text] for text in (True, False))
        rows.append(
            [
                name,
                _figure(acoustic["ua"]),
                _difference(acoustic["to_full"]),
                _figure(fused["ua"]),
                _difference(fused["to_acoustic"]),
                _difference(fused["to_full"]),
                _figure(without["ua"]),
            ]
        )
    header = [
        f"{corpus_name(one['corpus'])}, UA %", "acoustic branch", "to svd 100 %", "AMSER",
        "to the acoustic branch", "to svd 100 %", "AMSER without text",
    ]  # fmt: skip
    return table(header, rows)


def _difference(figure: dict[str, Any]) -> str:
    return points(figure["value"], figure["interval"])


def _steps(result: dict[str, Any]) -> str:
    found = " and ".join(
        f"{percent(one['steps_100'])} % on {corpus_name(one['corpus'])} (chance: "
        f"{percent(1 / one['labels'])} %)"
        for one in result["tables"]
    )
    rate = result["optimiser"]["learning_rate"]
    return paragraph(
        "The paper trains for 100 steps with Adam, a learning rate of 0.00001 and batches of 256. "
        "An update of Adam moves a weight by about the learning rate, so 100 updates move it by "
        "0.001. Taken literally, the UA of the AMSER network after these 100 updates, on the first "
        f"fold at 12.5 %, is {found}. The recipe `amser/table1-iemocap` therefore reads steps as "
        f"epochs; the tables above use a learning rate of {rate:g} with a one-cycle schedule."
    )


def _sizes(result: dict[str, Any]) -> str:
    rows = [
        [_NAMES[one["kind"]], f"{one['full']:,}", f"{one['reduced']:,}"]
        for one in result["parameters"]
    ]
    return blocks(
        paragraph(
            "Parameters with four classes: of the default network with text vectors of 1024 "
            "numbers (RoBERTa-large), and of the reduced network of these tables with "
            f"{result['text_width']}. The encoder of the texts is not counted."
        ),
        table(["network", "default", "reduced"], rows),
    )
