"""The bits of the weights of an integer model, as commands take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from serkit.errors import ModelError

if TYPE_CHECKING:
    from serkit.compression.onnx_integers import Packing

Bits = Annotated[
    str | None,
    typer.Option(
        metavar="N|search",
        help="int8: bits of the weights in the file, 1 to 7, or by a search (minutes).",
    ),
]


def packing(bits: str | None, *, int8: bool, option: str) -> Packing | None:
    """What chooses the weights of less than 8 bits; None for 8 bits.

    Args:
        bits: A number, `search`, or None.
        int8: Whether the model is one of integers.
        option: What makes it one, for the message.

    Raises:
        ModelError: It is something else, or the model is not one of integers.
    """
    from serkit.compression.onnx_integers import in_bits, search_by_agreement

    if bits is None:
        return None
    if not int8:
        raise ModelError(f"--bits needs {option}")
    if bits == "search":
        return search_by_agreement
    if bits not in map(str, range(1, 8)):
        raise ModelError(f"--bits is {bits!r:.40}; expected 1 to 7, or search")
    return lambda graph, _: in_bits(graph, int(bits))
