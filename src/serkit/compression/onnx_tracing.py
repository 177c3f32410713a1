"""Export of networks to ONNX by tracing."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from serkit.errors import MissingExtraError, ModelError
from serkit.text import printable, shortened

_OPSET = 17


def traced(
    network: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
) -> bytes:
    """The network as ONNX with float32 weights.

    Args:
        network: The network, in evaluation mode.
        example: Inputs to trace it with.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        axes: By input or output, the axes whose size may vary, and their names.

    Raises:
        ModelError: The network has no ONNX form.
        MissingExtraError: onnx is not installed.
    """
    try:
        import onnx  # noqa: F401  # torch's exporter reports its absence less clearly
    except ImportError:
        raise MissingExtraError("onnx", "import", "exporting a model") from None
    buffer: Any = io.BytesIO()
    try:
        # The exporter by tracing: it keeps the names of the outputs, and lengths stay variable.
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                example,
                buffer,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={name: dict(sizes) for name, sizes in axes.items()},
                opset_version=_OPSET,
                dynamo=False,
            )
    except Exception as error:  # of many types, for layers without an ONNX form
        raise ModelError(
            f"the network cannot be exported to ONNX: {shortened(printable(error), 300)}"
        ) from error
    return bytes(buffer.getvalue())
