"""Two writers on one profile, killed at random instants.

Claim: after SIGKILL at any instant the file of a profile holds the state before an update or after
it; no update that was accepted is lost; whoever writes next is not kept waiting, and removes what
the killed writers left. In each round two processes learn corrections as fast as they can; one is
killed, the other a little later. The file is compared with the sums of all corrections, which are
computed beside it.

python benchmarks/profile_kills.py
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import hashlib
import json
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from serkit.adaptation.corrections import Example
from serkit.adaptation.profile import Owner, ProfileState
from serkit.adaptation.profile_file import LOCK, load_profile, update_profile
from serkit.adaptation.profile_store import ProfileStore

from harness import machine, versions, write_result

WRITERS = 2
# Of the size of `tiny`.
OWNER = Owner("toy", "0" * 32, ("angry", "happy", "neutral", "sad"), 32)
LONGEST_S = 0.03

# What a writer reports of an update, one byte each.
BEGUN, ACCEPTED = b"b", b"a"


def example(writer: int, number: int) -> tuple[Example, int]:
    """The update of a number, always the same."""
    rng = np.random.default_rng([writer, number])
    vector = rng.standard_normal(OWNER.embedding_width).astype(np.float32)
    logits = rng.normal(0.0, 2.0, len(OWNER.labels)).astype(np.float32)
    digest = hashlib.blake2b(f"{writer} {number}".encode(), digest_size=16).hexdigest()
    return Example(digest, vector / np.linalg.norm(vector), logits), number % len(OWNER.labels)


def write_on(path: Path, writer: int, number: int, report: int) -> None:
    """Learn from a number on, until killed."""
    while True:
        learned, label = example(writer, number)
        os.write(report, BEGUN)
        update_profile(
            path, lambda s, e=learned, i=label: s.with_corrections(s.corrections.learned(e, i))
        )
        os.write(report, ACCEPTED)
        number += 1


class Ledger:
    """What the profile must hold.

    Attributes:
        counts: Updates of each writer that the file holds.
        moments: Sum of their outer products.
        sums: Sum of their errors.
    """

    def __init__(self) -> None:
        self.counts = [0] * WRITERS
        width = OWNER.embedding_width + 1
        self.moments = np.zeros((width, width))
        self.sums = np.zeros((width, len(OWNER.labels)))

    def extend(self, writer: int) -> None:
        """Add the next update of a writer."""
        learned, label = example(writer, self.counts[writer])
        row = np.append(learned.vector.astype(np.float64), 1.0)
        wanted = np.eye(len(OWNER.labels))[label]
        self.moments += np.outer(row, row)
        exponentials = np.exp(learned.logits.astype(np.float64))
        self.sums += np.outer(row, wanted - exponentials / exponentials.sum())
        self.counts[writer] += 1

    def matches(self, state: ProfileState) -> bool:
        """Whether a profile holds just these updates."""
        found = state.corrections
        return (
            found.n_learned == sum(self.counts)
            and np.allclose(found.moments, self.moments, rtol=0, atol=1e-9)
            and np.allclose(found.sums, self.sums, rtol=0, atol=1e-9)
        )


def start(path: Path, writer: int, number: int) -> tuple[int, int]:
    """A process that writes, and the pipe of its reports."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            write_on(path, writer, number, writing)
        finally:
            os._exit(1)
    os.close(writing)
    return child, reading


def killed(child: int, reading: int) -> bytes:
    """Kill a writer, and return its reports."""
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise RuntimeError("a writer ended by itself")
    reports = b""
    while part := os.read(reading, 1 << 16):
        reports += part
    os.close(reading)
    return reports


def run(rounds: int, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Kill `WRITERS` writers in each round.

    Returns:
        Figures; `damaged`, `lost` and `left_behind` must be 0.
    """
    rng = random.Random(seed)  # noqa: S311
    path = ProfileStore(folder).create("anna", ProfileState.empty(OWNER))
    ledger = Ledger()
    figures = dict.fromkeys(
        ("kills", "within_an_update", "accepted", "applied_unreported", "unfinished_files",
         "damaged", "lost", "left_behind"), 0,
    )  # fmt: skip
    longest_wait = 0.0
    for _ in range(rounds):
        writers = [start(path, i, ledger.counts[i]) for i in range(WRITERS)]
        reports = [b""] * WRITERS
        for i in rng.sample(range(WRITERS), WRITERS):
            time.sleep(rng.uniform(0.0, LONGEST_S))
            reports[i] = killed(*writers[i])
            load_profile(path)  # whole at any time, also while the other writes
        state = load_profile(path)
        listed = {entry.digest for entry in state.corrections.entries}
        for i, report in enumerate(reports):
            accepted = report.count(ACCEPTED)
            for _ in range(accepted):
                ledger.extend(i)
            inside = report.endswith(BEGUN)
            unreported = inside and example(i, ledger.counts[i])[0].digest in listed
            if unreported:
                ledger.extend(i)
            figures["accepted"] += accepted
            figures["within_an_update"] += inside
            figures["applied_unreported"] += unreported
        figures["kills"] += WRITERS
        figures["lost"] += max(0, sum(ledger.counts) - state.corrections.n_learned)
        figures["damaged"] += not ledger.matches(state)
        figures["unfinished_files"] += len(_others(folder, path))
        begun = time.perf_counter()
        update_profile(path, lambda s: s)
        longest_wait = max(longest_wait, time.perf_counter() - begun)
        figures["left_behind"] += len(_others(folder, path))
    size = path.stat().st_size
    return figures | {"next_update_ms": 1000.0 * longest_wait, "file_bytes": size}


def _others(folder: Path, path: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.name not in (path.name, LOCK)]


def main() -> None:
    """Run all rounds, or a few for the tests."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--print", action="store_true", help="print the figures only")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(given.rounds, Path(folder) / "profiles")
    if given.print:
        print(json.dumps(figures))
        return
    conditions = {"machine": machine(), "versions": versions(["serkit", "numpy"])}
    write_result("profile_kills", {**conditions, "rounds": given.rounds, **figures})


if __name__ == "__main__":
    main()
