"""Rows that the two sections on Shinde et al. share: accuracy, difference and size of a file."""

from __future__ import annotations

from typing import Any

from page.markdown import percent, points, table, with_interval
from page.names import plan_name

Row = dict[str, Any]
Networks = dict[str, list[Row]]
"""Rows by network, of one corpus and protocol."""

PAPERS_NETWORK = "256-512-64"
CONTROL = "8 bits, ours"
"""Fine-tuned like the rows below 8 bits, so that fine-tuning does not explain a difference."""

HEADER = [
    "network, bits", "accuracy %", "difference to 32 bits", "difference to 8 bits, serkit", "UA %",
    "bytes", "average bits",
]  # fmt: skip


def serkit_rows(rows: list[Row]) -> list[Row]:
    """The rows at 32 bits and of serkit's own quantisation."""
    return [row for row in rows if row["name"] == "32 bits" or "ours" in row["name"]]


def line(network: str, row: Row, rows: list[Row]) -> list[str]:
    """The cells of `HEADER` for one row; `rows` are all rows of the same network."""
    accuracy = row["accuracy"]
    control = next(other for other in rows if other["name"] == CONTROL)
    return [
        f"{network}, {plan_name(row['name'])}",
        with_interval(accuracy["mean"], accuracy.get("interval")),
        difference(row),
        points(accuracy["mean"] - control["accuracy"]["mean"]),
        percent(row["ua"]["mean"]),
        file_size(row),
        f"{row['average_bits']:.2f}",
    ]


def results_table(networks: Networks) -> str:
    """A table of the rows of each network, the largest files first."""
    return table(
        HEADER,
        (
            line(network, row, rows)
            for network, rows in networks.items()
            for row in sorted(rows, key=lambda row: -row["bytes"])
        ),
    )


def difference(row: Row) -> str:
    """Difference of the accuracy to 32 bits, paired by seed, with its interval."""
    return points(row["accuracy"]["difference"], row["accuracy"].get("difference_interval"))


def file_size(row: Row) -> str:
    """Mean file size in bytes; the largest too where the search decides it."""
    largest = row["most_bytes"]
    at_most = f" (at most {largest:,.0f})" if largest > 1.02 * row["bytes"] else ""
    return f"{row['bytes']:,.0f}{at_most}"


def _smallest(networks: Networks, reference: str) -> tuple[str, Row]:
    """The smallest file that loses at most one point to the reference row of its network."""
    candidates = [
        (row["most_bytes"], network, row)
        for network, rows in networks.items()
        for base in rows
        if base["name"] == reference
        for row in rows
        if row["accuracy"]["mean"] >= base["accuracy"]["mean"] - 0.01
    ]
    _, network, row = min(candidates, key=lambda candidate: candidate[:2])
    return f"{network}, {plan_name(row['name'])}", row


def smallest_and_best(networks: Networks) -> str:
    """The smallest files that lose at most one point, and the most accurate one, in a sentence."""
    parts = []
    for reference in ("32 bits", CONTROL):
        name, row = _smallest(networks, reference)
        size = f"at most {row['most_bytes']:,.0f} bytes"
        parts.append(f"{name}, compared with its own {plan_name(reference)} ({size})")
    accuracy, name = max(
        (row["accuracy"]["mean"], f"{network}, {plan_name(row['name'])}")
        for network, rows in networks.items()
        for row in rows
    )
    return (
        "Smallest file whose mean accuracy falls by at most one point: "
        + "; ".join(parts)
        + f". Highest mean accuracy: {name} ({percent(accuracy)} %)."
    )
