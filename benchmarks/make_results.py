"""Write docs/results.md and docs/results/ from results/*.json and the shipped models.

python benchmarks/make_results.py [--check]   (--check: fail if a page is out of date)
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness import RESULTS
from page.section import load_results, shipped_models
from page.site import site

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Write the pages and pictures, or check them; the folder holds nothing else."""
    wanted = site(load_results(RESULTS) | {"models": shipped_models()})
    folder = DOCS / "results"
    stale = [path for path in folder.glob("*") if f"results/{path.name}" not in wanted]
    changed = [
        DOCS / name
        for name, text in wanted.items()
        if not (DOCS / name).exists() or (DOCS / name).read_text("utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        if stale or changed:
            names = ", ".join(str(path.relative_to(DOCS)) for path in sorted([*stale, *changed]))
            raise SystemExit(f"out of date in docs: {names}; run: make results")
        return
    folder.mkdir(exist_ok=True)
    for path in stale:
        path.unlink()
    for name, text in wanted.items():
        (DOCS / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
