"""Names shown on the pages for names in results."""

from __future__ import annotations

_CORPORA = {
    "crema_d": "CREMA-D",
    "emodb": "EmoDB",
    "nemo": "nEMO",
    "ravdess": "RAVDESS",
    "savee": "SAVEE",
    "tess": "TESS",
}


def corpus_name(name: str) -> str:
    """A corpus as its authors write it; names that are not listed stay as they are."""
    return _CORPORA.get(name, name)


def plan_name(name: str) -> str:
    """A row of the quantisation tables."""
    return name.replace(", ours", ", serkit").replace("1 bits", "1 bit")
