"""Section: networks on waveforms, and the questions of Ismail about corpora."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from page.markdown import (
    blocks,
    conditions,
    missing,
    paragraph,
    percent,
    plural,
    points,
    table,
    with_interval,
)
from page.names import corpus_name
from page.section import Results, Section
from page.speech_plots import confusion_plot, folds_plot

SLUG = "speech"

_FIGURES = {"wa": "WA", "ua": "UA", "macro_f1": "macro F1"}


def section(results: Results) -> Section:
    """Tables I and II and Figure 1 of Ismail, and the same questions asked of a small network."""
    paper, student = results.get("distilhubert"), results.get("cross_corpus")
    bits = results.get("student_bits")
    text = blocks(
        paragraph(
            "Networks on waveforms, trained by the recipes `distilhubert-mobile-ser/*` and "
            "`speech/log-mel-student` (see `docs/speech.md`); four emotions: angry, "
            "happy, neutral, sad. An *anchor* is a corpus in every training part and in no other. "
            "Figures of Ismail are as published."
        ),
        "## DistilHuBERT on IEMOCAP (Tables I and II, Figure 1)",
        missing("python benchmarks/distilhubert.py") if paper is None else _paper(paper),
        "## A log-mel network from scratch: does an anchor help?",
        missing("python benchmarks/cross_corpus.py") if student is None else _student(student),
        "## What fewer bits cost",
        missing("python benchmarks/student_bits.py") if bits is None else _bits(bits),
    )
    return Section(
        "Networks on waveforms and cross-corpus training", SLUG, text, _pictures(paper, student)
    )


def _pictures(paper: dict[str, Any] | None, student: dict[str, Any] | None) -> dict[str, str]:
    pictures = {}
    if paper is not None:
        pictures[f"{SLUG}-iemocap.svg"] = folds_plot(
            paper["iemocap"], paper["with_crema_d"], "IEMOCAP: does CREMA-D help?"
        )
        pictures[f"{SLUG}-figure-1.svg"] = confusion_plot(
            paper["ravdess"], "Trained on IEMOCAP and CREMA-D, tested on RAVDESS"
        )
    if student is not None:
        for row in student["rows"]:
            pictures[f"{SLUG}-{row['corpus']}.svg"] = folds_plot(
                row["alone"], row["anchored"], f"{corpus_name(row['corpus'])}: does CREMA-D help?"
            )
        for run in student["crossed"]:
            pictures[f"{SLUG}-crossed-{run['tested']}.svg"] = confusion_plot(
                run, f"Trained on CREMA-D, tested on {corpus_name(run['tested'])}"
            )
    return pictures


def _paper(result: dict[str, Any]) -> str:
    alone, anchored = result["iemocap"], result["with_crema_d"]
    weights = result["table_2"]["weights"]
    rows = [[corpus_name(k), *map(str, v.values())] for k, v in result["table_2"]["counts"].items()]
    rows.append(["class weight, mean over folds", *(f"{w:.3f}" for w in weights.values())])
    return blocks(
        paragraph(
            "Leave one session out: three sessions train, the next validates, one is tested. "
            "Mean ± standard deviation over the folds."
        ),
        _over_folds(alone, anchored, result["paper"]),
        f"![UA and F1 without and with CREMA-D]({SLUG}-iemocap.svg)",
        _difference(result["difference"]),
        table(["recordings", *weights], rows),
        paragraph(
            f"Production recipe on a random split, **speaker-dependent**: WA "
            f"{_headline(result['production'], 'wa')}, UA {_headline(result['production'], 'ua')}; "
            f"paper {percent(result['paper']['production']['wa'])} and "
            f"{percent(result['paper']['production']['ua'])}."
        ),
        "### Tested on RAVDESS (Figure 1)",
        f"![Confusion on RAVDESS]({SLUG}-figure-1.svg)",
        _crossed(result["ravdess"], result["paper"]["ravdess"], 1),
        conditions(result),
    )


def _student(result: dict[str, Any]) -> str:
    recipe = result["recipe"]
    epochs = recipe["optimiser"]["max_epochs"]
    parts = [
        paragraph(
            "The recipe was chosen on held-out speakers of CREMA-D, the anchor; the range of its "
            "levels and the random frequency responses it is trained with, by training on CREMA-D "
            "and testing on TESS and nEMO. None of the three is tested here. "
            f"{plural(result['seeds'], 'seed')}; at most {epochs} epochs with the "
            f"anchor and {result['epochs_alone']} without, as these are shorter; early stopping on "
            "held-out speakers of the tested corpus. Intervals are over speakers. CREMA-D was at "
            "hand as Ogg Opus of 24 kbit/s, the other corpora as FLAC, so the codec is part of the "
            "difference between the corpora."
        )
    ]
    for row in result["rows"]:
        alone, anchored = row["alone"], row["anchored"]
        parts += [
            f"### {corpus_name(row['corpus'])}",
            paragraph(
                f"{alone['utterances']} recordings of {alone['speakers']} speakers, protocol "
                f"`{alone['protocol']}`. UA {_headline(alone, 'ua')} alone, "
                f"{_headline(anchored, 'ua')} with CREMA-D. Mean ± standard deviation over the "
                "folds:"
            ),
            _over_folds(alone, anchored, {}),
            f"![UA and F1 without and with CREMA-D]({SLUG}-{row['corpus']}.svg)",
            _difference(row["difference"]),
        ]
    for run in result["crossed"]:
        parts += [
            f"### Trained on CREMA-D, tested on {corpus_name(run['tested'])}",
            f"![Confusion on {corpus_name(run['tested'])}]({SLUG}-crossed-{run['tested']}.svg)",
            _crossed(run, result["paper"].get(run["tested"]), result["seeds_crossed"]),
        ]
    return blocks(*parts, conditions(result))


def _bits(result: dict[str, Any]) -> str:
    rows = [
        [
            row["name"],
            f"{row['bytes'] / 1e3:.0f}",
            with_interval(row["ua"], row["ua_interval"]),
            ""
            if row["name"] == result["reference"]
            else points(row["difference"], row["difference_interval"]),
        ]
        for row in result["rows"]
    ]
    return blocks(
        paragraph(
            f"The same recipe ({result['parameters']:,} parameters), trained on "
            f"{corpus_name(result['corpus'])} and tested on {result['utterances']} recordings of "
            f"{plural(result['speakers'], 'other speaker')} (first fold of "
            f"`{result['protocol']}`, one seed). Ranges and the search by layer importance saw "
            "validation speakers only. Intervals are over speakers."
        ),
        table(["weights", "kB", "UA, %", f"points to {result['reference']}"], rows),
        conditions(result),
    )


def _headline(run: Mapping[str, Any], key: str) -> str:
    figure = run["figures"][key]
    return f"{with_interval(figure['value'], figure['interval'])} %"


def _over_folds(
    alone: Mapping[str, Any], anchored: Mapping[str, Any], paper: Mapping[str, Any]
) -> str:
    names = _FIGURES | {label: f"F1, {label}" for label in alone["labels"]}
    rows = []
    for key, name in names.items():
        first, second = (run["folds"][key] for run in (alone, anchored))
        row = [name, _mean_sd(first), _mean_sd(second), points(second["mean"] - first["mean"])]
        if paper:
            published = (paper[run].get(key) for run in ("iemocap", "with_crema_d"))
            row.append(", ".join("" if value is None else percent(value) for value in published))
        rows.append(row)
    header = ["%", "alone", "with CREMA-D", "points"] + ["paper: alone, with"] * bool(paper)
    return table(header, rows)


def _mean_sd(values: Mapping[str, Any]) -> str:
    sd = "" if values["sd"] is None else f" ± {percent(values['sd'])}"
    return percent(values["mean"]) + sd


def _difference(found: Mapping[str, Any]) -> str:
    interval = found["interval"]
    bounds = (interval["low"], interval["high"]) if interval else None
    return paragraph(
        f"Paired difference of UA: {points(found['difference'], bounds)} points, p "
        f"{found['p_value']:.4f} (sign flips over {plural(found['speakers'], 'speaker')}): with "
        f"the anchor, the network is {found['verdict']}."
    )


def _crossed(run: Mapping[str, Any], paper: Mapping[str, Any] | None, seeds: int) -> str:
    labels = run["labels"]
    rows = [
        [f"{label} (true)", *map(str, counts), percent(run["recalls"][label])]
        for label, counts in zip(labels, run["confusion"], strict=True)
    ]
    affect = [
        [
            f"{view}: {', '.join(values['groups'])}",
            ", ".join(percent(recall) for recall in values["recalls"]),
            "no error" if values["errors_inside"] is None else percent(values["errors_inside"]),
        ]
        for view, values in run["affect"].items()
    ]
    published = (
        ""
        if paper is None
        else "; the paper's DistilHuBERT, trained on IEMOCAP and CREMA-D: UA "
        f"{percent(paper['ua'])} %, WA {percent(paper['wa'])} %"
    )
    trained = "" if seeds == 1 else f"{plural(seeds, 'seed')}, whose confusion is summed: "
    return blocks(
        paragraph(f"{trained}UA {_headline(run, 'ua')}, WA {_headline(run, 'wa')}{published}."),
        table(["", *labels, "recall, %"], rows),
        table(["view", "recall of each group, %", "errors inside a group, %"], affect),
    )
