"""Int8 on processors without integer dot products: time and rounding, one thread.

Claim: there, DistilHuBERT in int8 is no slower than in float32, and the mean difference of its
probabilities to float32 is at most 0.02.

Method: the architecture and the files of `speech_latency.py`. Every process is told by
`mask_cpuid.c` that its processor has no VNNI and AMX, or nothing beyond AVX2, so that ONNX Runtime
takes its code for such processors, at the clock and with the memory of this one. Times are
processor time, medians of all windows of all rounds, the systems in turn in every round. Rounding
is measured on clips of CREMA-D, which nothing was calibrated on; weights are random.

Needs Linux on x86 with the flag `cpuid_fault`, and a C compiler:
SERKIT_CORPORA=/folder python benchmarks/no_dot_products.py
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from speech_latency import (
    CALIBRATION,
    ROUNDS,
    TESTED,
    WINDOW_S,
    WINDOWS,
    clips,
    export,
    instructions,
    make_folder,
    runner,
    softmax,
    windows,
)

from harness import machine, versions, write_result

MASKS: dict[str, dict[str, str] | None] = {
    "all of the processor": None,
    "without VNNI and AMX": {},
    "AVX2": {"MASK_AVX512": "1"},
}
SYSTEMS = ("fp32", "int8")


def child(path: Path, sounds: Path) -> None:
    """Time a system on the windows, and print the probabilities of the clips."""
    run = runner(path)
    with np.load(sounds) as arrays:
        named = {name: arrays[name] for name in arrays}
    full = named.pop("windows")
    run(full[0])
    seconds = []
    for one in full:
        start = time.process_time()
        run(one)
        seconds.append(time.process_time() - start)
    print(json.dumps({"seconds": seconds, "p": [softmax(run(x)).tolist() for x in named.values()]}))


def timed(path: Path, sounds: Path, library: Path, mask: dict[str, str] | None) -> dict[str, Any]:
    """A run of a system in a process of its own, with the instructions masked."""
    masked = {} if mask is None else {"LD_PRELOAD": str(library), **mask}
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(path), str(sounds)],
        capture_output=True, text=True, check=True, env={**os.environ, **masked},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(mask: str, runs: dict[str, list[dict[str, Any]]], expected: Any) -> dict[str, Any]:
    """Times of both systems, and the rounding of int8."""
    medians = {
        name: [statistics.median(one["seconds"]) for one in found] for name, found in runs.items()
    }
    ratios = [a / b for a, b in zip(medians["fp32"], medians["int8"], strict=True)]
    found = np.array(runs["int8"][0]["p"])
    return {
        "instructions": mask,
        "fp32_s": statistics.median(s for one in runs["fp32"] for s in one["seconds"]),
        "int8_s": statistics.median(s for one in runs["int8"] for s in one["seconds"]),
        "faster_than_fp32": statistics.median(ratios),
        "mean_difference": float(np.abs(found - expected).mean()),
        "largest_difference": float(np.abs(found - expected).max()),
        "same_label": float((found.argmax(1) == expected.argmax(1)).mean()),
    }


def main() -> None:
    """Export, time and compare."""
    if "--child" in sys.argv[1:]:
        child(*map(Path, sys.argv[2:4]))
        return
    tested = clips("crema_d", "AudioWAV/*.opus", TESTED)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        library = root / "mask_cpuid.so"
        source = Path(__file__).with_name("mask_cpuid.c")
        command = ["cc", "-O1", "-shared", "-fPIC", str(source), "-o", str(library)]
        subprocess.run(command, check=True)
        make_folder(root / "distilhubert")
        paths = {name: root / f"{name}.onnx" for name in SYSTEMS}
        export(root / "distilhubert", paths["fp32"])
        speech = clips("ravdess", "Actor_0[12]/*.flac", CALIBRATION)
        export(root / "distilhubert", paths["int8"], int8=True, sounds=speech)
        sounds = root / "sounds.npz"
        full = np.stack(windows(tested)[:WINDOWS])
        np.savez(sounds, windows=full, **{f"{i:04}": one for i, one in enumerate(tested)})
        runs: dict[str, dict[str, list[dict[str, Any]]]] = {
            mask: {name: [] for name in SYSTEMS} for mask in MASKS
        }
        for _ in track(range(ROUNDS), "Rounds"):
            for name, mask in MASKS.items():
                for system in SYSTEMS:
                    runs[name][system].append(timed(paths[system], sounds, library, mask))
    expected = np.array(runs["all of the processor"]["fp32"][0]["p"])
    write_result(
        "no_dot_products",
        {
            "machine": machine(),
            "versions": versions(["serkit", "torch", "transformers", "onnxruntime"]),
            "instructions": instructions(),
            "threads": 1,
            "window_s": WINDOW_S,
            "rounds": ROUNDS,
            "windows": WINDOWS,
            "clips": len(tested),
            "rows": [row(mask, found, expected) for mask, found in runs.items()],
        },
    )


if __name__ == "__main__":
    main()
