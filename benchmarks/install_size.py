"""Packages and bytes of an installation of the core.

Claims: at most 7 direct dependencies, at most 130 MB, none of the heavy packages. Installs the
core into an empty folder, which needs a package index.

python benchmarks/install_size.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from harness import machine, versions, write_result

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "scipy", "scikit-learn", "librosa", "onnxruntime", "transformers")


def main() -> None:
    """Install the core and measure the folder."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "site"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--target", str(target), str(ROOT)], check=True)
        listed = subprocess.run(
            [*pip, "list", "--path", str(target), "--format", "json"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        installed = {entry["name"]: entry["version"] for entry in json.loads(listed)}
        size = sum(f.stat().st_size for f in target.rglob("*") if f.is_file())
        own = sum(f.stat().st_size for f in (target / "serkit").rglob("*") if f.is_file())
    heavy = sorted(set(HEAVY) & {name.lower() for name in installed})
    result = {
        "machine": machine(),
        "versions": versions(["serkit"]),
        "direct_dependencies": len(project["dependencies"]),
        "installed": installed,
        "megabytes": size / 1e6,
        "serkit_megabytes": own / 1e6,
        "heavy": heavy,
    }
    print(f"{result['direct_dependencies']} direct dependencies, {result['megabytes']:.1f} MB")
    write_result("install_size", result)


if __name__ == "__main__":
    main()
