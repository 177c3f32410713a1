"""Exported C code compared with Python on real recordings; its flash and RAM.

Claim: probabilities agree within 1e-4 on at least 200 utterances.

Needs a C compiler, `size` and EmoDB: SERKIT_CORPORA=/folder python benchmarks/c_export.py
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from serkit import corpora
from serkit.adaptation import softmax
from serkit.audio import read
from serkit.compression import export_c, quantize_matrix
from serkit.features import extract
from serkit.runtime import Model, load_network

from harness import machine, versions, write_result

STRICT = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror"]
CHECKED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
MODELS = (("tiny", "emodb"), ("emodb7", "emodb"))

MAIN = """
#include <stdio.h>
#include "{name}.h"
int main(void)
{{
    static float features[{upper}_N_FEATURES];
    float probabilities[{upper}_N_LABELS];
    while (fread(features, sizeof features, 1, stdin) == 1) {{
        {name}_predict(features, probabilities);
        fwrite(probabilities, sizeof probabilities, 1, stdout);
    }}
    return 0;
}}
"""


def compared(model: Model, features: np.ndarray, folder: Path) -> dict[str, Any]:
    """Compile the model, compare its probabilities with Python's, and measure its size."""
    source = export_c(model)
    (folder / f"{source.name}.h").write_text(source.header)
    (folder / f"{source.name}.c").write_text(source.source)
    main = MAIN.format(name=source.name, upper=source.name.upper())
    (folder / "main.c").write_text(main)
    run = {"cwd": folder, "check": True, "capture_output": True}
    unit = f"{source.name}.c"
    subprocess.run([*STRICT, *CHECKED, "main.c", unit, "-o", "main", "-lm"], **run)
    done = subprocess.run([folder / "main"], input=features.astype("<f4").tobytes(), **run)
    probabilities = np.frombuffer(done.stdout, "<f4").reshape(len(features), -1)
    expected = softmax(model.logits(features))
    subprocess.run([*STRICT, "-Os", "-c", unit, "-o", "unit.o"], **run)
    sizes = subprocess.run(["size", "unit.o"], **run).stdout.decode().splitlines()[1].split()
    text, data, bss = map(int, sizes[:3])
    return {
        "utterances": len(features),
        "largest_difference": float(np.abs(probabilities - expected).max()),
        "same_label": float(np.mean(probabilities.argmax(axis=1) == expected.argmax(axis=1))),
        "flash_bytes": text + data,
        "ram_bytes": data + bss,
        "warnings": 0,
    }


def main() -> None:
    """Compare the models at their shipped and at other bit-widths."""
    rows = []
    for name, corpus in MODELS:
        model = load_network(name)
        known = corpora.load(corpus).utterances
        utterances = [u for u in known if u.label in model.card.labels]
        features = np.stack([extract(model.recipe, read(u.audio)) for u in utterances])
        variants = {"as shipped": model}
        for bits in (4, 2, 1):
            layers = (
                replace(layer, weight=quantize_matrix(layer.matrix, bits)) for layer in model.layers
            )
            variants[f"{bits} bits"] = replace(model, layers=tuple(layers))
        for variant, variant_model in variants.items():
            with tempfile.TemporaryDirectory() as folder:
                row = compared(variant_model, features, Path(folder))
            rows.append({"model": name, "variant": variant} | row)
            print(rows[-1])
    compiler = subprocess.run(["cc", "--version"], capture_output=True, check=True, text=True)
    write_result(
        "c_export",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy"]),
            "compiler": compiler.stdout.splitlines()[0],
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
