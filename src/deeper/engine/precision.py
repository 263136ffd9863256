"""What a model computes in on this machine's processor: 32-bit floats, or bfloat16 where it multiplies them."""

from collections.abc import Mapping
from typing import Literal

from deeper.engine.protocol import Precision
from deeper.errors import UserError

NumberType = Literal["f32", "bf16"]
IN_WORDS: Mapping[NumberType, str] = {"f32": "32-bit floats", "bf16": "bfloat16"}
"""The types in words for readers of results."""


def number_type(precision: Precision) -> NumberType:
    """Return the type that the body of a model computes in on the processor.

    Args:
        precision: The setting. `auto` takes bfloat16 only where the processor multiplies it; it is slower elsewhere.

    Raises:
        UserError: `fast` is wanted, and the processor does not multiply bfloat16.
    """
    import openvino

    multiplies_bfloat16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "fast" and not multiplies_bfloat16:
        raise UserError(
            "this processor has no instructions for bfloat16", where="precision = fast", do="use --precision auto"
        )
    return "bf16" if multiplies_bfloat16 and precision != "exact" else "f32"
