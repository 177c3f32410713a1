"""The section of the results page on what hostile files take."""

from __future__ import annotations

from page import MISSING, conditions, load, table


def budgets() -> str:
    """Every command on files that ask for too much."""
    title = "## Budgets\n\n"
    result = load("budgets")
    if result is None:
        return title + MISSING.format(command="python benchmarks/budgets.py")
    most = max(row["peak_mb"] for row in result["rows"])
    text = (
        "Commands on files of at most 1 MB that ask for far more (`benchmarks/hostile.py` makes "
        "them: 70 hours of sound in a FLAC file, gaps between packets, costly models, long "
        "manifests and recipes). What had not ended after "
        f"{result['most_s']:.0f} s was interrupted; *silent* is how long the terminal showed "
        f"nothing new at most. The most memory that one took is {most:.0f} MB; the bar is "
        f"{result['most_mb']:.0f} MB.\n\n"
    )
    rows = [
        [
            f"`{row['command']}`",
            f"{row['seconds']:.1f}" if row["ended"] else f"> {result['most_s']:.0f}",
            f"{row['silent_s']:.1f}",
            f"{row['peak_mb']:.0f}",
            "goes on" if row["exit"] is None else str(row["exit"]),
        ]
        for row in result["rows"]
    ]
    text += table(["command", "seconds", "silent, s", "peak MB", "exit"], rows)
    text += (
        "\nAn hour of speech (RAVDESS in a row, as FLAC), which is coded, decoded and compared; "
        f"the bar is {result['most_hour_mb']:.0f} MB:\n\n"
    )
    hours = [
        [f"`{row['command']}`", f"{row['seconds']:.1f}", f"{row['peak_mb']:.0f}"]
        for row in result["hour"]
    ]
    text += table(["command", "seconds", "peak MB"], hours)
    return title + text + "\n" + conditions(result)


def interrupt() -> str:
    """How long commands go on after Ctrl-C."""
    title = "### Ctrl-C\n\n"
    result = load("interrupt")
    if result is None:
        return title + MISSING.format(command="python benchmarks/interrupt.py")
    rows = result["rows"]
    tidy = [
        row
        for row in rows
        if (row["exit"], row["lines"], row["unfinished_files"], row["processes"]) == (130, 1, 0, 0)
    ]
    text = (
        f"Commands interrupted {len(rows)} times in all, after {rows[0]['after_s']} to "
        f"{max(row['after_s'] for row in rows):.0f} s of work; the bar is one second. In "
        f"{len(tidy)} of them the exit code was 130, there was one line on stderr, and no "
        "unfinished file and no process was left half a second later.\n\n"
    )
    lines = []
    for command in dict.fromkeys(row["command"] for row in rows):
        seconds = sorted(row["seconds"] for row in rows if row["command"] == command)
        lines.append([f"`{command}`", str(len(seconds)), f"{seconds[-1]:.2f}"])
    text += table(["command", "times", "slowest, seconds"], lines)
    return title + text + "\n" + conditions(result)
