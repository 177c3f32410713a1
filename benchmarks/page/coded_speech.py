"""Section: recognition of emotions and words on coded speech."""

from __future__ import annotations

from typing import Any

from page.codec import setting_name
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

# Title, what is known about the corpus, and the argument of the benchmark, in the order of the
# page. The published figures are those of AMSER's abstract.
WORD_CORPORA = {
    "transcribed": (
        "Read English",
        "LJSpeech, LibriVox and LibriSpeech, most of it of one speaker; the shipped basis was not "
        "learned on any of them.",
        "",
    ),
    "librispeech": (
        "LibriSpeech",
        "AMSER reports 4.68 % with Whisper.",
        "librispeech=LibriSpeech/test-clean",
    ),
    "common_voice": (
        "Common Voice",
        "AMSER reports 10.69 % with Whisper.",
        "common_voice=cv-corpus/en",
    ),
}


def section(results: Results) -> Section:
    """UA and WER per codec and rate."""
    text = blocks(_overview(results), _emotions(results), _words(results))
    return Section("Recognition on coded speech", "coded-speech", text)


def _overview(results: Results) -> str:
    """Rate, RMSE, UA and WER of each codec in one table."""
    if not {"rate_distortion", "codec_ua", "codec_wer"} <= results.keys():
        return ""
    curve, emotions = results["rate_distortion"]["tables"][-1], results["codec_ua"]
    ua = {row["name"]: row["ua"] for row in emotions["rows"]}
    read = results["codec_wer"]["corpora"].get("transcribed", {"rows": []})
    wer = {row["speech"].removeprefix("original, "): row for row in read["rows"]}
    rows = []
    for row in curve["rows"]:
        name = setting_name(row)
        if f"clean -> {name}" not in ua and name not in wer:
            continue
        words = wer.get(name)
        shares = [ua.get(f"clean -> {name}"), ua.get(f"{name} -> {name}")]
        rows.append(
            [
                name,
                f"{row['kbps']:.2f}",
                f"{row['rmse']:.3f}",
                *("" if share is None else percent(share) for share in shares),
                percent(words["pocketsphinx"]["wer"]["value"]) if words else "",
                f"{words['kbps']:.2f}" if words else "",
            ]
        )
    header = [
        "codec", "kbit/s", "RMSE", "UA %, trained on clean", "UA %, trained on coded", "WER %",
        "kbit/s of the WER clips",
    ]  # fmt: skip
    return blocks(
        "## Overview",
        paragraph(
            f"The shipped basis. RMSE is measured on {corpus_name(curve['tested'])}, UA on "
            f"{corpus_name(emotions['corpus'])}, WER on read English, whose rates are in the last "
            "column. Intervals are in the sections below."
        ),
        table(header, rows),
    )


def _emotions(results: Results) -> str:
    heading = "## Emotions"
    result = results.get("codec_ua")
    if result is None:
        return blocks(heading, missing("python benchmarks/codec_ua.py"))
    by_name = {row["name"]: row for row in result["rows"]}
    rows = []
    for condition in (name.split(" -> ")[1] for name in by_name if name.startswith("clean -> ")):
        lossy = condition.startswith("loss ")
        matched = f"{result['lossy'] if lossy else condition} -> {condition}"
        rate = result["kbps"].get("loss" if lossy else condition)
        rows.append(
            [
                f"{percent(float(condition.split()[1]))} % packet loss" if lossy else condition,
                "" if rate is None else f"{rate:.2f}",
                _ua(by_name[f"clean -> {condition}"]),
                _ua(by_name[matched]) if matched in by_name else "",
            ]
        )
    header = ["speech", "kbit/s", "UA %, trained on clean", "UA %, trained on coded"]
    return blocks(
        heading,
        paragraph(
            f"UA of the recipe of `tiny-mel` trained on {corpus_name(result['corpus'])} alone, "
            f"{result['protocol']} ({result['utterances']} recordings of {result['speakers']} "
            f"speakers, {plural(result['seeds'], 'seed')}): UA with its interval over speakers, "
            "then the difference to clean speech in points. *Trained on coded* means trained on "
            "speech coded like the test speech. The shipped basis was not learned on this corpus. "
            f"Lost packets are packets of a live stream of *{result['lossy']}*, dropped "
            "independently at the given rate."
        ),
        table(header, rows),
        conditions(result),
    )


def _ua(row: dict[str, Any]) -> str:
    interval, of_difference = row["intervals"]
    return f"{with_interval(row['ua'], interval)}; {points(row['difference'], of_difference)}"


def _words(results: Results) -> str:
    heading = "## Words"
    if "codec_wer" not in results:
        return blocks(heading, missing("python benchmarks/codec_wer.py"))
    measured = results["codec_wer"]["corpora"]
    return blocks(
        heading,
        paragraph(
            "Word error rate (WER) on coded speech, the question of AMSER's figure 1: substituted, "
            "deleted and inserted words by the number of words spoken. The paper's equation 5 "
            "writes the latter as S + D + C, where every word spoken is either substituted, "
            "deleted or correct. Texts are compared after Whisper's normaliser of English without "
            "its table of British spellings, unless a folder of Whisper has it."
        ),
        paragraph(
            "pocketsphinx has its English model. Log-mel, coded or not, is converted to sound for "
            "it by the Griffin-Lim preview; the row of uncoded log-mel shows the cost of the "
            "preview alone. Opus and PCM are recognised from their own sound; of Opus only the "
            "packets are counted. Whisper takes the decoded log-mel itself. Intervals are paired "
            "for differences."
        ),
        *(_corpus(name, measured.get(name)) for name in WORD_CORPORA),
    )


def _corpus(name: str, result: dict[str, Any] | None) -> str:
    title, told, option = WORD_CORPORA[name]
    heading = f"### {title}"
    command = f"python benchmarks/codec_wer.py {option}".strip()
    if result is None:
        return blocks(heading, paragraph(told), missing(command))
    rows = []
    for row in result["rows"]:
        sphinx, whisper = row["pocketsphinx"], row.get("whisper")
        rows.append(
            [
                row["speech"],
                "" if row["kbps"] is None else f"{row['kbps']:.2f}",
                with_interval(sphinx["wer"]["value"], sphinx["wer"]["interval"]),
                _difference(sphinx["against_original"]),
                _difference(sphinx["against_log_mel"]),
                with_interval(whisper["wer"]["value"], whisper["wer"]["interval"])
                if whisper
                else "",
                _difference(whisper["against_log_mel"]) if whisper else "",
            ]
        )
    header = [
        "speech", "kbit/s", "WER %", "difference to the original", "difference to log-mel",
        "Whisper, WER %", "Whisper, difference to log-mel",
    ]  # fmt: skip
    some = f" of {result['of_clips']}" if result["clips"] < result["of_clips"] else ""
    over = result["intervals_over"]
    text = (
        f"{result['clips']}{some} clips of {plural(result['speakers'], 'speaker')}, "
        f"{result['words']} words, {result['seconds'] / 60:.1f} minutes. {told} Intervals resample "
        + (over if over == "speakers" else f"{over} and do not cover other speakers")
        + "."
    )
    whisper_line = (
        f"Whisper is `{result['whisper']}`."
        if result["whisper"]
        else "The Whisper columns are empty, as its weights were not available here: "
        f"`{command} --whisper faster-whisper=FOLDER`."
    )
    return blocks(
        heading,
        paragraph(text),
        table(header, rows),
        paragraph(whisper_line),
        conditions(result),
    )


def _difference(difference: dict[str, Any]) -> str:
    if difference["value"] == 0.0 and not any(difference["interval"]):
        return ""  # a condition compared with itself
    return points(difference["value"], difference["interval"])
