"""Section: memory and time on hostile files, Ctrl-C, and profiles whose writers are killed."""

from __future__ import annotations

from page.markdown import blocks, conditions, missing, paragraph, table
from page.section import Results, Section

_CLEAN_EXIT = (130, 1, 0, 0)


def section(results: Results) -> Section:
    """Hostile files, an hour of speech, interrupted commands, and killed writers of a profile."""
    text = blocks(_budgets(results), _interrupts(results), _kills(results))
    return Section("Memory limits, Ctrl-C and killed writers", "limits", text)


def _budgets(results: Results) -> str:
    heading = "## Hostile files"
    result = results.get("budgets")
    if result is None:
        return blocks(heading, missing("python benchmarks/budgets.py"))
    limit_s, peak = result["most_s"], max(row["peak_mb"] for row in result["rows"])
    rows = [
        [
            f"`{row['command']}`",
            f"{row['seconds']:.1f}" if row["ended"] else f"> {limit_s:.0f}",
            f"{row['silent_s']:.1f}",
            f"{row['peak_mb']:.0f}",
            "interrupted" if row["exit"] is None else str(row["exit"]),
        ]
        for row in result["rows"]
    ]
    hour = [
        [f"`{row['command']}`", f"{row['seconds']:.1f}", f"{row['peak_mb']:.0f}"]
        for row in result["hour"]
    ]
    return blocks(
        heading,
        paragraph(
            "Commands on files of at most 1 MB that demand far more, such as 70 hours of sound in "
            "a FLAC file, gaps between packets, costly models, long manifests and recipes "
            f"(`benchmarks/hostile.py` writes them). A command still running after {limit_s:.0f} s "
            "is interrupted. *Silent* is the longest time without terminal output. The highest "
            f"peak memory is {peak:.0f} MB; the limit is {result['most_mb']:.0f} MB."
        ),
        table(["command", "seconds", "silent, s", "peak MB", "exit code"], rows),
        paragraph(
            "Encoding an hour of speech (RAVDESS, concatenated into one FLAC file); the limit is "
            f"{result['most_hour_mb']:.0f} MB."
        ),
        table(["command", "seconds", "peak MB"], hour),
        conditions(result),
    )


def _interrupts(results: Results) -> str:
    heading = "## Ctrl-C"
    result = results.get("interrupt")
    if result is None:
        return blocks(heading, missing("python benchmarks/interrupt.py"))
    rows = result["rows"]
    clean = sum(
        (row["exit"], row["lines"], row["unfinished_files"], row["processes"]) == _CLEAN_EXIT
        for row in rows
    )
    lines = []
    for command in dict.fromkeys(row["command"] for row in rows):
        seconds = [row["seconds"] for row in rows if row["command"] == command]
        lines.append([f"`{command}`", str(len(seconds)), f"{max(seconds):.2f}"])
    return blocks(
        heading,
        paragraph(
            f"{len(rows)} interrupts, {rows[0]['after_s']} to "
            f"{max(row['after_s'] for row in rows):.0f} s after the start; the limit is one "
            f"second. {clean} of {len(rows)} commands exited with code 130 and one line on stderr, "
            "and left no unfinished file and, half a second later, no process."
        ),
        table(["command", "interrupts", "slowest exit, s"], lines),
        conditions(result),
    )


def _kills(results: Results) -> str:
    heading = "## Killed writers of a profile"
    result = results.get("profile_kills")
    if result is None:
        return blocks(heading, missing("python benchmarks/profile_kills.py"))
    rows = [
        ["kills", f"{result['kills']:,}"],
        ["of them in the middle of an update", f"{result['within_an_update']:,}"],
        ["updates accepted", f"{result['accepted']:,}"],
        ["updates lost", str(result["lost"])],
        ["profiles damaged", str(result["damaged"])],
        ["unfinished files at the time of the kills", str(result["unfinished_files"])],
        ["of them left after the next update", str(result["left_behind"])],
    ]
    return blocks(
        heading,
        paragraph(
            f"In each of {result['rounds']:,} rounds two processes learn corrections into one "
            "profile of the size of `tiny` as fast as they can, and get SIGKILL at random "
            "instants, one after the other. After both, the file holds the state before or after "
            "the update they were killed in: its sums are compared with those of all accepted "
            "corrections."
        ),
        table(["", "number"], rows),
        conditions(result),
    )
