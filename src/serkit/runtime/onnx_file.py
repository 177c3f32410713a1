"""ONNX files of strangers, read as protobuf messages without a library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from serkit.errors import ModelError
from serkit.text import shown

MAX_FIELDS = 4_000_000
"""Fields of an ONNX file, at most; MobileBERT in int8 has about 200,000."""

_STANDARD = (b"", b"ai.onnx")
_ORT_FORMAT = b"ORTM"

# Messages of onnx.proto as far as they must be walked: field number -> message.
_SPARSE = {1: "tensor", 2: "tensor"}
_MESSAGES: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 8: "opset"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor", 22: "sparse", 23: "sparse"},
    "sparse": _SPARSE,
    "tensor": {},
    "opset": {},
}
_REFUSED: Mapping[tuple[str, int], str] = {
    ("model", 20): "a training graph",
    ("model", 25): "functions",
    ("attribute", 6): "control flow",
    ("attribute", 11): "control flow",
    ("tensor", 13): "weights in other files",
}
# Fields of a model.
_METADATA = 14
_COMPUTED = (7, 8)
_TOP_FIELDS = {2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2}  # number -> wire type
_DATA_LOCATION = ("tensor", 14)
_DOMAINS = (("node", 7), ("opset", 1))


def check_onnx(content: bytes) -> None:
    """Refuse an ONNX file that could reach beyond itself or run without end.

    Args:
        content: The content of the file.

    Raises:
        ModelError: It is not ONNX, refers to other files, or has operators that are not ONNX's
            own, control flow or functions.
    """
    if content[4:8] == _ORT_FORMAT:
        raise ModelError("the graph is in ONNX Runtime's own format; expected ONNX")
    n_fields = 0
    waiting = [("model", memoryview(content))]
    has_graph = False
    while waiting:
        message, part = waiting.pop()
        for number, value in _fields(part):
            n_fields += 1
            if n_fields > MAX_FIELDS:
                raise ModelError(f"the graph has more than {MAX_FIELDS:,} fields")
            problem = _REFUSED.get((message, number))
            if problem is None and (message, number) == _DATA_LOCATION and value != 0:
                problem = "weights in other files"
            if problem is not None:
                raise ModelError(f"the graph has {problem}; expected a graph without")
            if (message, number) in _DOMAINS:
                name = b"?" if isinstance(value, int) else bytes(value[:80])
                if name not in _STANDARD:
                    raise ModelError(
                        f"the graph has operators of {shown(name.decode('utf-8', 'replace'))}; "
                        "expected ONNX's own"
                    )
            child = _MESSAGES[message].get(number)
            if child is not None:
                if isinstance(value, int):
                    raise ModelError("the graph is not ONNX: a number instead of a message")
                has_graph = has_graph or child == "graph"
                waiting.append((child, value))
    if not has_graph:
        raise ModelError("the file is not ONNX: it has no graph")


def metadata_of(content: bytes) -> dict[str, str]:
    """The metadata properties of an ONNX file.

    Args:
        content: The content of the file.

    Raises:
        ModelError: It is not ONNX, or a property is malformed or given twice.
    """
    found: dict[str, str] = {}
    for number, value in _fields(memoryview(content)):
        if number != _METADATA:
            continue
        if isinstance(value, int):
            raise ModelError("the graph is not ONNX: a number instead of a message")
        entry = {key: part for key, part in _fields(value) if not isinstance(part, int)}
        try:
            name, text = (bytes(entry.get(i, b"")).decode() for i in (1, 2))
        except UnicodeDecodeError:
            raise ModelError("a metadata property of the graph is not UTF-8") from None
        if name in found:
            raise ModelError(f"the graph has two metadata properties {shown(name, 80)}")
        found[name] = text
    return found


def digest_of_graph(content: bytes) -> bytes:
    """BLAKE2b of the graph and its operator sets, without producer and metadata; 16 bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for number, value in _fields(memoryview(content)):
        if number in _COMPUTED and not isinstance(value, int):
            digest.update(f"{number} {len(value)} ".encode())
            digest.update(value)
    return digest.digest()


def looks_like_onnx(first: bytes) -> bool:
    """Whether a file may be ONNX, by its first three bytes: a format version, another field.

    ONNX files have no magic number; all known writers begin with the field `ir_version`.
    """
    tags = {number << 3 | wire for number, wire in _TOP_FIELDS.items()}
    return len(first) >= 3 and first[0] == 0x08 and 0 < first[1] < 0x80 and first[2] in tags


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protobuf message; fixed-width values as bytes."""
    position, end = 0, len(content)
    while position < end:
        tag, position = _varint(content, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(content, position)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(content, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ModelError("the file is not ONNX: an invalid field")
        if length > end - position:
            raise ModelError("the file is not ONNX, or truncated")
        yield number, content[position : position + length]
        position += length


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(content) and shift < 70:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    raise ModelError("the file is not ONNX, or truncated")
