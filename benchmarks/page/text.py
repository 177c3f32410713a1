"""Section: text on MELD, heads on frozen encoders and the encoders themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from page.markdown import blocks, conditions, missing, paragraph, plural, table
from page.section import Results, Section

_HEADS = ("Hidden", "Linear", "ELM", "OSELM")
_TARGETS = {"BP": 0.615, "Linear": 0.586, "OSELM": 0.569}
"""The paper's figures for RoBERTa-base, 499 MB."""


def section(results: Results) -> Section:
    """Tables 4 to 9 and Figure 2 of Pandelea et al."""
    heads, tuning = results.get("text_heads"), results.get("text_tuning")
    latency, litert = results.get("text_latency"), results.get("text_litert")
    text = blocks(
        paragraph(
            "Weighted F1 on the test part of MELD (text alone, 7 emotions, published split, whose "
            "parts share speakers: *speaker-dependent*). All lines are used, as published; the "
            "leak guard of `serkit evaluate` drops training lines that also occur in the other "
            'parts, such as "What?". The scripts choose layers, settings and epochs on the '
            "development part. Test scores were seen, however, while the method was developed "
            "(the form of int8, the scale of ELM, the search of layers with `Linear`), so these "
            "figures may be optimistic by a little. Intervals are bootstraps over the dialogues of "
            "the test part. Figures of Pandelea et al. (2021) are as published."
        ),
        "## Heads on a frozen encoder (Table 4)",
        missing("python benchmarks/text_heads.py") if heads is None else _table_4(heads, tuning),
        "## Task-specific pre-training (Table 5)",
        missing("python benchmarks/text_tuning.py") if tuning is None else _table_5(tuning, heads),
        "" if heads is None else blocks(_table_6(heads), _table_7(heads), conditions(heads)),
        "## Latency and size of encoders (Tables 8 and 9)",
        missing("python benchmarks/text_latency.py") if latency is None else _latency(latency),
        "## LiteRT",
        missing("python benchmarks/text_litert.py") if litert is None else _litert(litert),
    )
    return Section("Text: heads on frozen encoders", "text", text)


def _f1(figures: Mapping[str, Any]) -> str:
    interval = figures.get("interval")
    bounds = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return f"{figures['f1']:.3f}{bounds}"


def _table_4(heads: dict[str, Any], tuning: dict[str, Any] | None) -> str:
    tuned = {} if tuning is None else {one["encoder"]: one for one in tuning["encoders"]}
    paper = heads["paper"]["table_4"]
    rows = []
    for name in ("BP", *_HEADS):
        row = [f"`{name}`" if name != "BP" else "BP, end to end"]
        for one in heads["encoders"]:
            if name != "BP":
                row.append(_f1(one["table_4"][name]))
            elif one["encoder"] in tuned:
                row.append(_f1(tuned[one["encoder"]]["bp"]))
            else:
                row.append(missing("python benchmarks/text_tuning.py"))
        row.append(f"{_TARGETS[name]:.3f}" if name in _TARGETS else "")
        for encoder in paper:
            published = paper[encoder] if name != "BP" else (tuning or {}).get("paper", {})
            value = published.get(name) if name != "BP" else published.get("bp", {}).get(encoder)
            row.append("" if value is None else f"{value:.3f}")
        rows.append(row)
    header = ["", *(one["encoder"] for one in heads["encoders"]), "target"]
    header += [f"{encoder}, paper" for encoder in paper]
    return blocks(table(header, rows), *(_how(one) for one in heads["encoders"]))


def _how(one: dict[str, Any]) -> str:
    chosen = "; ".join(f"`{name}`: {_settings(one['table_4'][name])}" for name in _HEADS)
    layers = ", ".join(map(str, one["layers"]))
    return paragraph(
        f"{one['encoder']}: {one['precision']}, {one['bytes'] / 1e6:.1f} MB with its tokenizer; "
        f"mean over the tokens of the layers {layers} of {one['n_layers']}, {one['width']} "
        f"numbers. {plural(len(one['table_4']['Linear']['runs']), 'seed')}. Chosen: {chosen}."
    )


def _settings(row: dict[str, Any]) -> str:
    names = {"n_hidden": "units", "penalty": "penalty", "scale": "scale", "epochs": "epochs"}
    given = {names[key]: value for key, value in row["settings"].items() if value is not None}
    return ", ".join(f"{key} {value:g}" for key, value in given.items())


def _table_5(tuning: dict[str, Any], heads: dict[str, Any] | None) -> str:
    regular = {} if heads is None else {one["encoder"]: one for one in heads["encoders"]}
    rows = []
    for one in tuning["encoders"]:
        for name in _HEADS:
            before = regular.get(one["encoder"], {}).get("table_4", {}).get(name)
            rows.append(
                [
                    f"{one['encoder']}, `{name}`",
                    "" if before is None else _f1(before),
                    _f1(one["table_5"]["heads"][name]),
                ]
            )
    for encoder, published in tuning["paper"]["table_5"].items():
        before = {} if heads is None else heads["paper"]["table_4"].get(encoder, {})
        rows += [
            [
                f"{encoder}, `{name}`, paper",
                f"{before[name]:.3f}" if name in before else "",
                f"{published[name]:.3f}",
            ]
            for name in _HEADS
        ]
    return blocks(
        table(["", "regular", "pre-trained"], rows),
        *(_pretraining(one) for one in tuning["encoders"]),
        *(_bp(one) for one in tuning["encoders"]),
        conditions(tuning),
    )


def _pretraining(one: dict[str, Any]) -> str:
    runs = one["table_5"]["runs"]
    share = one["table_5"]["plan"]["stop_at"]
    stops = ", ".join(f"{run['epochs']:.2f}" for run in runs)
    finals = ", ".join(f"{run['final']:.3f}" for run in runs)
    return paragraph(
        f"{one['encoder']}: pre-trained on {runs[0]['utterances']} of {runs[0]['of']} utterances "
        "of EmoryNLP, which stands in for the paper's IEMOCAP: without the episodes and texts of "
        f"MELD's development and test parts. Stopped at {share:.0%} of the final weighted F1 on "
        f"held-out dialogues ({finals}), after {stops} epochs; {plural(len(runs), 'seed')}, one "
        "encoder each."
    )


def _bp(one: dict[str, Any]) -> str:
    plan = one["bp"]["plan"]
    precision = "bfloat16" if plan["mixed_precision"] else "float32"
    runs = ", ".join(f"{run:.3f}" for run in one["bp"]["runs"])
    return paragraph(
        f"BP of {one['encoder']}: AdamW, learning rate {plan['learning_rate']:g}, batches of "
        f"{plan['batch_size']}, at most {plan['max_epochs']} epochs, {precision}; weighted F1 of "
        f"the seeds {runs}."
    )


def _table_6(heads: dict[str, Any]) -> str:
    rows = []
    for one in heads["encoders"]:
        every = [(one["width"], "", one["table_4"])]
        every += [(row["width"], f" ({row['share']:.1%})", row["heads"]) for row in one["table_6"]]
        for width, share, figures in every:
            rows.append(
                [
                    f"{one['encoder']}, {width}{share}",
                    *(_f1(figures[name]) for name in _HEADS),
                ]
            )
    for name, figures in heads["paper"]["table_6"].items():
        rows.append([f"{name}, paper", *(f"{figures[head]:.3f}" for head in _HEADS)])
    return blocks(
        "## Principal components (Table 6)",
        paragraph("Components are fitted on the training part and scaled to unit variance."),
        table(["dimensions", *(f"`{name}`" for name in _HEADS)], rows),
    )


def _table_7(heads: dict[str, Any]) -> str:
    parts = []
    for one in heads["encoders"]:
        width = one["table_6"][-1]["width"]
        rows = []
        for row in one["table_7"]:
            published = heads["paper"]["table_7"][row["speaker"]]
            sizes = ("all", "500", "200")
            rows.append(
                [
                    row["speaker"],
                    str(row["test"]),
                    f"{_f1(row['all'])}, {row['all']['n']} utterances",
                    *(_f1(row[size]) for size in sizes[1:]),
                    _f1(row["everyone"]),
                    ", ".join(f"{value:.3f}" for value in published),
                ]
            )
        header = ["speaker", "tested", "all", "500", "200", "trained on everyone"]
        header.append("paper: all, 500, 200")
        parts += [
            paragraph(
                f"`Linear` trained on one speaker's utterances alone, {one['encoder']}, {width} "
                "principal components, SGD with learning rate 0.01; the paper has BERT-Tiny with "
                "pre-training and 32 components. Subsets are drawn anew for each seed."
            ),
            table(header, rows),
        ]
    return blocks("## One user's data (Table 7)", *parts)


def _latency(latency: dict[str, Any]) -> str:
    systems = ("torch", "fp32", "fp16", "int8")
    rows = []
    for row in latency["rows"]:
        weights = "random weights" if row["random_weights"] else "pretrained"
        rows.append(
            [
                f"{row['encoder']} ({weights})",
                *(
                    f"{row['systems'][s]['mean_ms']:.2f} ({row['systems'][s]['sd_ms']:.2f})"
                    for s in systems
                ),
                f"{row['systems']['int8']['ratio']:.1f}",
                *(f"{row['bytes'][s] / 1e6:.1f}" for s in systems),
            ]
        )
    header = ["encoder", "torch, ms", *(f"ONNX {s}, ms" for s in systems[1:])]
    header += ["torch / int8", "torch, MB", *(f"{s}, MB" for s in systems[1:])]
    return blocks(
        paragraph(
            f"Mean milliseconds per sentence (standard deviation) with tokenisation, one at a "
            f"time, padded to {latency['max_tokens']} tokens, "
            f"{plural(latency['threads'], 'thread')} on one core: "
            f"{latency['sentences']} sentences of the test part, "
            f"{plural(latency['rounds'], 'round')}, systems in turn. Sizes are those of the whole "
            "folder with the tokenizer; for torch, of the parameters. The ratio is a median. "
            "Random weights do not change time and size."
        ),
        table(header, rows),
        _published(latency),
        _rounding(latency["rounding"]),
        conditions(latency),
    )


def _litert(litert: dict[str, Any]) -> str:
    systems = ("serkit fp32", "LiteRT fp32", "serkit int8", "LiteRT int8")
    rows = []
    for row in litert["rows"]:
        times, error = row["systems"], row["relative_error"]
        rows.append(
            [
                row["encoder"],
                *(f"{times[s]['mean_ms']:.2f} ({times[s]['sd_ms']:.2f})" for s in systems),
                *(f"{row['bytes'][s] / 1e6:.1f}" for s in systems[2:]),
                *(f"{error[s]:.1e}" for s in systems[2:]),
            ]
        )
    header = ["encoder", *(f"{system}, ms" for system in systems)]
    header += [f"{system}, MB" for system in systems[2:]]
    header += [f"{system}, error" for system in systems[2:]]
    return blocks(
        paragraph(
            "The runtime that the paper calls TFLite, beside ONNX Runtime as serkit uses it, in "
            "one run and in turn, tokenisation included. The error is the mean square of the "
            "difference to serkit fp32, over the variance."
        ),
        table(header, rows),
        conditions(litert),
    )


def _published(latency: dict[str, Any]) -> str:
    rows = [
        [f"{device}, {encoder}", *("" if ms is None else f"{ms:g}" for ms in values)]
        for device, by_encoder in latency["paper_ms"].items()
        for encoder, values in by_encoder.items()
    ]
    return blocks(
        paragraph("The devices of the paper, mean milliseconds per sentence, as published:"),
        table(["device, encoder", "FP32", "FP16", "INT8"], rows),
    )


def _rounding(rounding: dict[str, Any]) -> str:
    exact = next(row for row in rounding["rows"] if row["precision"] == "fp32")
    rows = []
    for row in rounding["rows"]:
        error = row.get("error")
        rows.append(
            [
                row["precision"],
                _f1(row),
                f"{100 * (row['f1'] - exact['f1']):+.2f}",
                *(
                    ("", "", "")
                    if error is None
                    else (f"{error['mean']:.1e}", f"{error['p99']:.1e}", f"{error['max']:.1e}")
                ),
            ]
        )
    quantised = [row for row in rounding["rows"] if "error" in row]
    bounds = quantised[0]["error"]["bounds"]
    shares = []
    for i, low in enumerate(bounds):
        high = f"{bounds[i + 1]:.0e}" if i + 1 < len(bounds) else "more"
        counts = [row["error"]["counts"] for row in quantised]
        if any(count[i] for count in counts):
            cells = [f"{100 * count[i] / sum(count):.3f}" for count in counts]
            shares.append([f"{low:.0e} to {high}", *cells])
    return blocks(
        "## Rounding error (Figure 2)",
        paragraph(
            f"Squared difference of each feature to fp32 (equation 6), {rounding['encoder']}, all "
            "sentences of the test part; and the weighted F1 of `Linear`, trained on the "
            "embeddings of each precision, with its difference to fp32 in points."
        ),
        table(["precision", "weighted F1", "points", "mean", "99 % below", "largest"], rows),
        paragraph("Histogram: per cent of the features with an error in each range."),
        table(["error", *(row["precision"] for row in quantised)], shares),
    )
