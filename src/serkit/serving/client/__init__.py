"""The client of the server: asks it, and answers on the device where that is better.

Needs the extra `client`; `docs/client.md` describes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serkit._lazy import lazily

if TYPE_CHECKING:
    from serkit.serving.client.answers import Answer, Cost
    from serkit.serving.client.asynchronous import AsyncClient
    from serkit.serving.client.blocking import Client, ClientStream
    from serkit.serving.client.retries import Retries
    from serkit.serving.client.streaming import AsyncClientStream

_EXPORTS: dict[str, tuple[str, ...]] = {
    "serkit.serving.client.answers": ("Answer", "Cost"),
    "serkit.serving.client.asynchronous": ("AsyncClient",),
    "serkit.serving.client.blocking": ("Client", "ClientStream"),
    "serkit.serving.client.retries": ("Retries",),
    "serkit.serving.client.streaming": ("AsyncClientStream",),
}

__all__ = [
    "Answer",
    "AsyncClient",
    "AsyncClientStream",
    "Client",
    "ClientStream",
    "Cost",
    "Retries",
]

__getattr__ = lazily(__name__, _EXPORTS)
