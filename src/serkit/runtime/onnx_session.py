"""ONNX files of strangers in ONNX Runtime; the only module that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import MissingExtraError, ModelError
from serkit.runtime.onnx_file import check_onnx
from serkit.text import one_line, printable, shortened, shown

MAX_MEMORY = 4 << 30
"""Memory of all graphs of a process together, weights included, at most."""

PROVIDERS: Mapping[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "nnapi": "NnapiExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
}
"""Execution providers of ONNX Runtime by their names here."""


class OnnxSession:
    """An ONNX model, checked and loaded.

    Args:
        content: The content of an ONNX file; nothing else is read.
        inputs: Shape of each input, int64 or float32 by `dtype`; None for a size that may vary.
        outputs: Shape of each output, float32.
        extra: The extra of serkit that installs ONNX Runtime, for messages.
        dtype: Type of all inputs.
        threads: Threads of one run on the CPU; 0 for one per core.
        providers: Keys of `PROVIDERS`, the preferred one first; the CPU runs what they do not.

    Raises:
        ModelError: The content is not ONNX, refers to other files, has operators that are not
            ONNX's own, control flow or functions, or other inputs or outputs; or a provider is
            unknown, or not available.
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
        providers: Sequence[str] = (),
    ) -> None:
        check_onnx(content)
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("onnxruntime", extra, "running an ONNX model") from None
        wanted = _available(providers, onnxruntime)
        _limit_memory(onnxruntime)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # errors are raised; its log would go to stderr
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            self._session = onnxruntime.InferenceSession(
                content,
                options,
                providers=[*wanted, PROVIDERS["cpu"]],
                enable_fallback=0,  # which would print to stdout
            )
        except Exception as error:  # it has many types, without a common root
            raise ModelError(f"ONNX Runtime refuses the graph: {_reason(error)}") from error
        # A provider whose libraries are missing is left out without an error.
        lost = [one for one in wanted if one not in self._session.get_providers()]
        if lost:
            raise ModelError(
                f"ONNX Runtime cannot start {lost[0]}; install its libraries, or use the CPU"
            )
        kinds = {"int64": "tensor(int64)", "float32": "tensor(float)"}
        try:
            _require("inputs", self._session.get_inputs(), inputs, kinds[dtype])
            _require("outputs", self._session.get_outputs(), outputs, kinds["float32"])
        except UnicodeDecodeError:
            raise ModelError("a name in the graph is not UTF-8; get a fresh copy") from None
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


def _available(names: Sequence[str], onnxruntime: Any) -> list[str]:
    """ONNX Runtime's names of the given providers, without the CPU, which is always there."""
    unknown = [name for name in names if name not in PROVIDERS]
    if unknown:
        raise ModelError(
            f"unknown provider {shown(unknown[0], 80)}; expected one of {', '.join(PROVIDERS)}"
        )
    installed = onnxruntime.get_available_providers()
    for name in names:
        if PROVIDERS[name] not in installed:
            known = [key for key, value in PROVIDERS.items() if value in installed]
            raise ModelError(
                f"the provider {name} is not in the installed ONNX Runtime, which has "
                f"{', '.join(known)}; install the onnxruntime package for {name}"
            )
    return [PROVIDERS[name] for name in dict.fromkeys(names) if name != "cpu"]


@cache
def _limit_memory(onnxruntime: Any) -> None:
    """Register the allocator that sessions share; operators beyond its limit fail."""
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    info = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    as_requested = 1  # the other strategy doubles what is asked for
    settings = {"max_mem": MAX_MEMORY, "arena_extend_strategy": as_requested}
    with suppress(RuntimeError):  # the application has registered one of its own
        onnxruntime.create_and_register_allocator(info, onnxruntime.OrtArenaCfg(settings))


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
