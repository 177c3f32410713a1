"""Small ONNX models, whose answers follow from the mean magnitude of the samples."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from serkit.container import METADATA_KEY
from serkit.runtime import ModelCard, Waveform
from serkit.runtime.onnx_model import GraphDescription, description_of

LABELS = ("quiet", "loud", "third")
# Logits and dimensions per unit of the mean magnitude.
SLOPES = np.array([[-3.0, 20.0, 1.0]], "f4")
DIMENSIONS = np.array([[4.0, -2.0]], "f4")


def card(**changes):
    return ModelCard(**{"name": "level", "labels": LABELS, "input": Waveform()} | changes)


def content(
    a_card=None, *, description=None, slopes=SLOPES, opset=17, nodes=(), edit=None, text=None
):
    """A model file.

    Args:
        a_card: Its card.
        description: Of its graph.
        slopes: Logits per unit of the mean magnitude, shape `[1, n_labels]`.
        opset: Version of the operators.
        nodes: Further nodes.
        edit: Changes the model before it is written.
        text: Metadata property instead of the card's; False for none.
    """
    a_card = a_card or card()
    description = description or GraphDescription(2, 6)
    outputs = {"logits": slopes.shape[1], "dimensions": 2, "embeddings": 2}
    weights = {
        "w.logits": slopes,
        "w.dimensions": DIMENSIONS,
        "w.embeddings": np.ones((1, 2), "f4"),
    }
    if not a_card.dimensions:
        del outputs["dimensions"]
    if not a_card.labels:
        del outputs["logits"]
    graph = helper.make_graph(
        [
            helper.make_node("Abs", ["samples"], ["magnitudes"]),
            helper.make_node("ReduceMean", ["magnitudes"], ["level"], axes=[1], keepdims=1),
            *(helper.make_node("MatMul", ["level", f"w.{name}"], [name]) for name in outputs),
            *nodes,
        ],
        "level",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["n", "n_samples"])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
            for name, width in outputs.items()
        ],
        [numpy_helper.from_array(weights[f"w.{name}"], f"w.{name}") for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    if text is not False:
        text = description_of(a_card, description) if text is None else text
        model.metadata_props.add(key=METADATA_KEY, value=text)
    if edit is not None:
        edit(model)
    return model.SerializeToString()
