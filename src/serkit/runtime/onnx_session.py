"""ONNX files of strangers in ONNX Runtime; the only module that runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import MissingExtraError, ModelError
from serkit.text import one_line, printable, shortened, shown

MAX_FIELDS = 4_000_000
"""Fields of an ONNX file, at most; MobileBERT in int8 has about 200,000."""

MAX_MEMORY = 4 << 30
"""Memory of all graphs of a process together, weights included, at most."""

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
_DATA_LOCATION = ("tensor", 14)
_DOMAINS = (("node", 7), ("opset", 1))


class OnnxSession:
    """An ONNX model, checked and loaded.

    Args:
        content: The content of an ONNX file; nothing else is read.
        inputs: Shape of each input, int64 or float32 by `dtype`; None for the number of rows.
        outputs: Shape of each output, float32.
        extra: The extra of serkit that installs ONNX Runtime, for messages.
        dtype: Type of all inputs.
        threads: Threads of one run.

    Raises:
        ModelError: The content is not ONNX, refers to other files, has operators that are not
            ONNX's own, control flow or functions, or other inputs or outputs.
        MissingExtraError: ONNX Runtime is not installed.
    """

    def __init__(
        self,
        content: bytes,
        *,
        inputs: Mapping[str, Sequence[int | None]],
        outputs: Mapping[str, Sequence[int | None]],
        extra: str,
        dtype: str = "int64",
        threads: int = 1,
    ) -> None:
        check_onnx(content)
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("onnxruntime", extra, "running an ONNX model") from None
        _limit_memory(onnxruntime)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # errors are raised; its log would go to stderr
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # it has many types, without a common root
            raise ModelError(f"ONNX Runtime refuses the graph: {_reason(error)}") from error
        kinds = {"int64": "tensor(int64)", "float32": "tensor(float)"}
        _require("inputs", self._session.get_inputs(), inputs, kinds[dtype])
        _require("outputs", self._session.get_outputs(), outputs, kinds["float32"])
        self._outputs = list(outputs)

    def run(self, **inputs: NDArray[Any]) -> list[NDArray[np.float32]]:
        """The outputs of the given inputs, in the order of the constructor.

        Raises:
            ModelError: An operator fails.
        """
        try:
            results: list[NDArray[np.float32]] = self._session.run(self._outputs, inputs)
        except Exception as error:
            raise ModelError(f"the graph cannot be run: {_reason(error)}") from error
        return results


@cache
def _limit_memory(onnxruntime: Any) -> None:
    """Register the allocator that sessions share; operators beyond its limit fail."""
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    info = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    as_requested = 1  # the other strategy doubles what is asked for
    settings = {"max_mem": MAX_MEMORY, "arena_extend_strategy": as_requested}
    with suppress(RuntimeError):  # the application has registered one of its own
        onnxruntime.create_and_register_allocator(info, onnxruntime.OrtArenaCfg(settings))


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


def _require(
    noun: str, found: Sequence[Any], expected: Mapping[str, Sequence[int | None]], kind: str
) -> None:
    """Refuse other names, types and shapes; a named dimension, such as `n`, may have any size."""
    fits = {one.name: one for one in found}.keys() == expected.keys() and all(
        one.type == kind
        and len(one.shape) == len(expected[one.name])
        and all(
            isinstance(size, str) if wanted is None else size == wanted
            for size, wanted in zip(one.shape, expected[one.name], strict=True)
        )
        for one in found
    )
    if not fits:
        names = ", ".join(f"{one.name} {one.type}{list(one.shape)}" for one in found)
        wanted = ", ".join(
            f"{name} {kind}{['n' if s is None else s for s in shape]}"
            for name, shape in expected.items()
        )
        raise ModelError(
            f"the {noun} of the graph are {shortened(printable(names), 300)}; expected {wanted}"
        )


def _reason(error: Exception) -> str:
    return shortened(printable(one_line(error)), 300)
