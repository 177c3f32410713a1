"""The search by bytes on disk beside the search by importance, on the splits of `quantisation.py`.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/byte_search.py
"""

from __future__ import annotations

from serkit.training import Quantisation

from harness import machine, versions, write_result
from quantisation import FINE_TUNING, MARGIN, PAPERS_NETWORK, every_table

MARGINS = (0.0, MARGIN)


def plans(network: str) -> dict[str, Quantisation]:
    """By importance, and by bytes at several margins; a step for each output or for the layer."""
    found = {
        "adaptive, ours": Quantisation(margin=MARGIN, per_row=False, fine_tuning=FINE_TUNING),
        "by bytes, + fine-tuning": Quantisation(
            search="bytes", margin=MARGIN, fine_tuning=FINE_TUNING
        ),
    }
    for margin in MARGINS:
        found[f"by bytes, ours, margin {margin}"] = Quantisation(
            search="bytes", margin=margin, per_row=False, fine_tuning=FINE_TUNING
        )
    return found


def main() -> None:
    """The paper's network and a smaller one."""
    write_result(
        "byte_search",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "torch"]),
            "fine_tuning": FINE_TUNING,
            "margin": MARGIN,
            "tables": list(every_table(plans, (PAPERS_NETWORK, "128-64"))),
        },
    )


if __name__ == "__main__":
    main()
