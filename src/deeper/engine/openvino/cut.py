"""Cut a language model into parts that are compiled in their own precision.

    tokens ─▶ lower layers ─▶ upper layers ─▶ states at wanted positions      head: states ─▶ log-probabilities

The cut between the layers is a sum on the residual stream, the only thing that a layer hands to the next one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13
from openvino._offline_transformations import paged_attention_transformation

LAYER_OUTPUT = "model.layers.self_attn.add1.layer{}"
"""How OpenVINO GenAI names the sum that leaves a layer when it builds a model from a GGUF file."""


def cut_model(path: Path, upper_share: float) -> tuple[list[ov.Model], ov.Model]:
    """Read a model with paged attention, and cut it between its layers and behind its last hidden state.

    Args:
        path: The model's OpenVINO file.
        upper_share: Share of the layers, at least 0 and below 1, that form an upper part of their own.

    Returns:
        The parts in order (one if no layer is in the upper part), and the head. The first part reads `input_ids`, a
        second one `hidden`, the output of the first. The last part returns hidden states at the positions of its input
        `wanted`. The head reads `hidden` states and returns the log-probabilities of the `tokens`.
    """
    whole = _read(path)
    layers = sum(node.get_type_name() == "PagedAttentionExtension" for node in whole.get_ordered_ops())
    upper_layers = round(layers * upper_share)
    head = _cut_head(whole)
    if not upper_layers:
        return [whole], head
    name = LAYER_OUTPUT.format(layers - upper_layers - 1)
    other = _read(path)
    lower = _part([opset13.result(_output(other, name))], "lower")
    states = _output(whole, name)
    hidden = _input("hidden", states.get_partial_shape(), np.float32)
    for reader in states.get_target_inputs():
        reader.replace_source_output(hidden.output(0))
    return [lower, _part(whole.get_results(), "upper")], head


def _read(path: Path) -> ov.Model:
    model = ov.Core().read_model(path)
    paged_attention_transformation(model)
    return model


def _cut_head(model: ov.Model) -> ov.Model:
    """Let the model return its last hidden states at the positions of a new input, `wanted`; return its head."""
    result = model.get_results()[0]
    logits = result.input_value(0)
    matrix = logits.get_node()
    while matrix.get_type_name() != "MatMul":
        matrix = matrix.input_value(0).get_node()
    states = matrix.input_value(0)

    wanted = _input("wanted", [-1], np.int64)
    result.input(0).replace_source_output(opset13.gather(states, wanted, _axis(0)).output(0))
    model.add_parameters([wanted])
    model.validate_nodes_and_infer_types()

    hidden = _input("hidden", [-1, states.get_partial_shape()[-1].get_length()], np.float32)
    tokens = _input("tokens", [-1], np.int64)
    matrix.input(0).replace_source_output(hidden.output(0))
    log_probs = opset13.gather(opset13.log_softmax(logits, -1), tokens, _axis(1))
    return ov.Model([log_probs], [hidden, tokens], "head")  # type: ignore[reportGeneralTypeIssues] (wrong stubs)


def _output(model: ov.Model, name: str) -> ov.Output:
    return next(node for node in model.get_ordered_ops() if node.get_friendly_name() == name).output(0)


def _part(results: Sequence[ov.Node], name: str) -> ov.Model:
    """Return a model of what the results need, with the inputs that this reads."""
    found: dict[str, ov.Node] = {}
    waiting = list(results)
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in found:
            found[node.get_friendly_name()] = node
            waiting += [node.input_value(index).get_node() for index in range(node.get_input_size())]
    inputs = [node for node in found.values() if node.get_type_name() == "Parameter"]
    return ov.Model(list(results), inputs, name)  # type: ignore[reportGeneralTypeIssues] (wrong stubs)


def _input(name: str, shape: list[int] | ov.PartialShape, numbers: type) -> ov.Node:
    parameter = opset13.parameter(shape, numbers, name=name)
    parameter.output(0).set_names({name})
    return parameter


def _axis(number: int) -> ov.Node:
    return opset13.constant(np.array(number, np.int64))
