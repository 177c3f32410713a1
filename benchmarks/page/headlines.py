"""The table of headline figures on the first page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from page.codec import TARGETS_KBPS
from page.markdown import missing, percent, points, table, with_interval
from page.quantisation_rows import PAPERS_NETWORK
from page.section import Results

Cells = tuple[str, str]
"""The figure, and the peer or target beside it."""

_HUBERT_UA = 0.654
"""HuBERT-base, frozen, with a small head (Ma et al., EmoBox, 2024)."""


@dataclass(frozen=True)
class Headline:
    """A row of the table.

    Attributes:
        what: The quantity.
        slug: The section with the details.
        script: The script that measures it.
        cells: The figure and the one beside it; raises LookupError if the results lack them.
    """

    what: str
    slug: str
    script: str
    cells: Callable[[Results], Cells]


def headlines(results: Results) -> str:
    """The table; a row without a result holds the command that measures it."""
    rows = []
    for headline in HEADLINES:
        try:
            figure, beside = headline.cells(results)
        except LookupError:
            figure, beside = "", missing(f"python benchmarks/{headline.script}.py")
        link = f"[{headline.slug}](results/{headline.slug}.md)"
        rows.append([headline.what, figure, beside, link])
    return table(["what", "figure", "peer or target", "details"], rows)


def _first(rows: list[dict[str, Any]], **wanted: object) -> dict[str, Any]:
    """The first row with these values.

    Raises:
        LookupError: There is none.
    """
    for row in rows:
        if all(row[key] == value for key, value in wanted.items()):
            return row
    raise LookupError(f"no row with {wanted}")


def _card_ua(results: Results, model: str) -> str:
    (row,) = results["models"][model]["protocols"][0]["rows"]
    return f"{with_interval(row['ua'], row['ua_interval'])} %"


def _table_ua(results: Results, task: str, system: str) -> str:
    rows = results["protocol_table"]["rows"]
    ua = _first(rows, task=task, system=system, speaker_dependent=False)["ua"]
    return f"{with_interval(ua['mean'], ua['interval'])} %"


def _emodb(results: Results) -> Cells:
    svm = _table_ua(results, "EmoDB, 7 emotions", "SVM, eGeMAPSv02")
    own = _table_ua(results, "EmoDB, 7 emotions", "recipe of `emodb7`")
    return own, f"SVM on eGeMAPS: {svm}"


def _ravdess(results: Results) -> Cells:
    return (
        _card_ua(results, "ravdess8"),
        f"HuBERT-base, 95 M parameters, published: {percent(_HUBERT_UA)} %",
    )


def _unseen_corpus(results: Results) -> Cells:
    task = "RAVDESS, EmoDB and TESS, 4 emotions"
    tiny, svm = (_table_ua(results, task, s) for s in ("recipe of `tiny`", "SVM, eGeMAPSv02"))
    return tiny, f"SVM on eGeMAPS: {svm}"


def _tess(results: Results) -> Cells:
    rows = results["shuffle_worth"]["rows"]
    held_out, random = (
        _first(rows, corpus="tess", speaker_dependent=dependent) for dependent in (False, True)
    )
    accuracy = with_interval(held_out["wa"]["mean"], held_out["wa"]["interval"])
    shuffled = with_interval(random["wa"]["mean"], random["wa"]["interval"])
    return f"{accuracy} %", (
        f"random split: {shuffled} %, published {percent(random['published_accuracy'])} %"
    )


def _babble(results: Results) -> Cells:
    rows = _first(results["trust"]["models"], model="tiny")["left_out"]
    clean, babble = (_first(rows, condition=name) for name in ("clean", "babble, 10 dB"))
    return (
        f"{with_interval(babble['ua'], babble['interval'])} %",
        f"clean speech: {with_interval(clean['ua'], clean['interval'])} %",
    )


def _smallest_file(results: Results) -> Cells:
    rows = {
        (entry["network"], row["name"]): row
        for entry in results["quantisation"]["tables"]
        if entry["corpus"].startswith("emodb") and entry["protocol"] == "loso"
        for row in entry["rows"]
    }
    full = rows[PAPERS_NETWORK, "32 bits"]
    lowest = full["accuracy"]["mean"] - 0.01
    small = min(
        (row for row in rows.values() if row["accuracy"]["mean"] >= lowest),
        key=lambda row: row["most_bytes"],
    )
    figure, beside = (
        f"{row['most_bytes'] / 1e3:,.1f} KB, accuracy "
        f"{with_interval(row['accuracy']['mean'], row['accuracy']['interval'])} %"
        for row in (small, full)
    )
    return figure, f"at 32 bits: {beside}"


def _c_code(results: Results) -> Cells:
    row = _first(results["c_export"]["rows"], model="tiny", variant="as shipped")
    return (
        f"{row['flash_bytes']:,} and {row['ram_bytes']:,} bytes",
        f"probabilities within {row['largest_difference']:.0e} of Python (target 1e-04)",
    )


def _speed(results: Results) -> Cells:
    rows = results["predict_speed"]["rows"]
    own, librosa, smile = (
        _first(rows, what=what)
        for what in (
            "serkit tiny, features and network",
            "librosa, the same features",
            "opensmile eGeMAPSv02",
        )
    )
    return f"{own['median_ms']:.2f} ms", (
        f"features alone in librosa: {librosa['ratio']:.1f} times as long (target 5); openSMILE "
        f"eGeMAPS: {smile['ratio']:.1f} times (target 40)"
    )


def _cold_start(results: Results) -> Cells:
    result = results["cold_start"]
    base, own = result["rows"]
    return f"{own['median_s']:.3f} s, {own['peak_mb']:.0f} MB", (
        f"`import numpy`: {base['median_s']:.3f} s; targets: three times as long, 90 MB"
    )


def _install_size(results: Results) -> Cells:
    result = results["install_size"]
    return (
        f"{result['megabytes']:.0f} MB, {result['direct_dependencies']} direct dependencies",
        "targets: 130 MB, 7 direct dependencies, no torch",
    )


def _codec_rate(results: Results) -> Cells:
    tables = results["rate_distortion"]["tables"]
    rates = next(t for t in reversed(tables) if "shipped" in t["learned"])["at"]["0.105"]
    return (
        f"{rates['basis']:.2f} kbit/s",
        f"Opus: {rates['Opus']:.2f} kbit/s; target: {TARGETS_KBPS['0.105']} kbit/s",
    )


def _coded_ua(results: Results) -> Cells:
    result = results["codec_ua"]
    (basis, basis_kbps), (opus, opus_kbps) = (
        (_first(result["rows"], name=f"{name} -> {name}"), result["kbps"][name])
        for name in ("basis, quality 4", "Opus, 12 kbit/s")
    )
    return (
        f"{points(basis['difference'], basis['intervals'][1])} points at {basis_kbps:.2f} kbit/s",
        f"Opus: {points(opus['difference'], opus['intervals'][1])} points at {opus_kbps:.2f} "
        "kbit/s; target: at most 1 point lost at 2 kbit/s",
    )


def _frozen_text(results: Results) -> Cells:
    (one, *_) = results["text_heads"]["encoders"]
    linear, oselm = (one["table_4"][name]["f1"] for name in ("Linear", "OSELM"))
    return f"{linear:.3f} and {oselm:.3f}, {one['bytes'] / 1e6:.1f} MB", (
        "Pandelea et al., RoBERTa-base, 499 MB: 0.586 and 0.569"
    )


def _tuned_text(results: Results) -> Cells:
    (one, *_) = results["text_tuning"]["encoders"]
    return f"{one['bp']['f1']:.3f}", "Pandelea et al., RoBERTa-base: 0.615"


def _personal(corpus: str) -> Callable[[Results], Cells]:
    def cells(results: Results) -> Cells:
        of_corpus = _first(results["personalisation"]["corpora"], corpus=corpus)
        heard = _first(of_corpus["rows"], condition="seconds 10")
        alone = percent(of_corpus["ua_alone"])
        return f"{with_interval(heard['ua'], heard['interval'])} %", f"without: {alone} %"

    return cells


HEADLINES = (
    Headline(
        "UA on new speakers, EmoDB, 7 emotions: recipe of `emodb7`",
        "baselines",
        "protocol_table",
        _emodb,
    ),
    Headline(
        "UA on new speakers, RAVDESS, 8 emotions: `ravdess8`", "models", "protocol_table", _ravdess
    ),
    Headline(
        "UA on new speakers, RAVDESS, after 10 s of their speech without labels",
        "personalisation",
        "personalisation",
        _personal("ravdess"),
    ),
    Headline(
        "Weighted F1 on the text of MELD, frozen int8 encoder: `Linear` and `OSELM`",
        "text",
        "text_heads",
        _frozen_text,
    ),
    Headline("Weighted F1 on the text of MELD, fine-tuned", "text", "text_tuning", _tuned_text),
    Headline(
        "UA on an unseen corpus (RAVDESS, EmoDB, TESS), 4 emotions: recipe of `tiny`",
        "baselines",
        "protocol_table",
        _unseen_corpus,
    ),
    Headline(
        "Accuracy on the held-out speaker of TESS, MLP of Shinde et al.",
        "shuffled-splits",
        "shuffle_worth",
        _tess,
    ),
    Headline(
        "UA of the recipe of `tiny` with babble noise at 10 dB", "robustness", "trust", _babble
    ),
    Headline(
        "Smallest MLP within a point of the 32-bit MLP of Shinde et al., EmoDB, new speakers",
        "quantisation",
        "quantisation",
        _smallest_file,
    ),
    Headline("Flash and RAM of `tiny` as C", "quantised-models", "c_export", _c_code),
    Headline("`tiny` on 8 s of audio, features included", "speed", "predict_speed", _speed),
    Headline("`serkit predict one.wav`, cold", "speed", "cold_start", _cold_start),
    Headline("The installed core", "speed", "install_size", _install_size),
    Headline(
        "Rate at RMSE 0.105 of the log-mel, shipped basis", "codec", "rate_distortion", _codec_rate
    ),
    Headline(
        "Change of UA by coding, trained on coded speech", "coded-speech", "codec_ua", _coded_ua
    ),
)
