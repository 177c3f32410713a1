"""Search by file size compared with search by importance, on the splits of `quantisation.py`.

Needs the corpora: SERKIT_CORPORA=/folder python benchmarks/byte_search.py [CORPUS ...]
"""

from __future__ import annotations

from serkit.training import Quantisation

from quantisation import FINE_TUNING, MARGIN, PAPERS_NETWORK, every_table, measure


def plans(network: str) -> dict[str, Quantisation]:
    """Search by importance, and by bytes with one step per layer or per output."""
    by_importance = Quantisation(margin=MARGIN, per_row=False, fine_tuning=FINE_TUNING)
    by_bytes = by_importance.model_copy(update={"search": "bytes"})
    return {
        "adaptive, ours": by_importance,
        "by bytes, ours": by_bytes,
        "by bytes, + fine-tuning": by_bytes.model_copy(update={"per_row": True}),
    }


def main() -> None:
    """Run the searches on the paper's network and a smaller one."""
    measure("byte_search", every_table(plans, (PAPERS_NETWORK, "128-64")))


if __name__ == "__main__":
    main()
