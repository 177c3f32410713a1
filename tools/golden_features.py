"""Write tests/features/golden.npz: the feature vectors that `RECIPE_VERSION` stands for.

python tools/golden_features.py

Nothing is written if a recipe gives other numbers than in the file, and the version is the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from features import golden


def main() -> None:
    """Write the file."""
    try:
        golden.write()
    except ValueError as error:
        raise SystemExit(str(error)) from None
    print(f"{golden.FILE}: {golden.FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
