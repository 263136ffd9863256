"""The one place where OpenVINO compiles a model: number types, hints, and the memory for keys and values.

Without hints, OpenVINO goes by the processor. Some processors then compute in bfloat16, and others round the inputs of
each matrix to 8 bits, which changes log-probabilities by up to 0.33 nat. On a single core, a model of plain floats even
crashes while it is compiled.
"""

from pathlib import Path
from typing import Any

import openvino as ov
import openvino_genai as genai

from deeper.engine.precision import NumberType

MAX_SEQUENCES = 64
"""Answers that a pipeline writes side by side."""
MAX_BATCHED_TOKENS = 2048
"""Tokens that a pipeline computes in one step."""


def compile_model(model: ov.Model, numbers: NumberType) -> ov.CompiledModel:
    """Compile a model for the CPU, without any rounding to 8 bits.

    Args:
        model: The model.
        numbers: What it computes in, and what its cache of keys and values holds.
    """
    options = {
        "INFERENCE_PRECISION_HINT": numbers,
        "KV_CACHE_PRECISION": numbers,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    }
    return ov.Core().compile_model(model, "CPU", options)


def make_pipeline(
    model: Path, numbers: NumberType, tokenizer: genai.Tokenizer, **options: Any
) -> genai.ContinuousBatchingPipeline:
    """Compile OpenVINO GenAI's pipeline, which generates texts for the CPU.

    Its cache of keys and values grows with what it is asked. Its prefix cache is off: that one's content depends on
    earlier requests and changes the last digits of the logits, so a resumed run would write other texts.

    Args:
        model: A GGUF file, or a folder with OpenVINO files.
        numbers: What the model computes in.
        tokenizer: The tokeniser.
        options: Further options of OpenVINO.
    """
    scheduler = genai.SchedulerConfig()
    scheduler.enable_prefix_caching = False
    scheduler.max_num_seqs = MAX_SEQUENCES
    scheduler.max_num_batched_tokens = MAX_BATCHED_TOKENS
    return genai.ContinuousBatchingPipeline(
        model, tokenizer, scheduler, "CPU", INFERENCE_PRECISION_HINT=numbers, **options
    )
