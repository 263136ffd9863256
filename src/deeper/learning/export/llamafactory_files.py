"""Writes preference pairs and the published settings in LLaMA-Factory's formats.

Each iteration becomes two data sets in alpaca form with a system message, their entries in `dataset_info.json`, and a
YAML file for `llamafactory-cli train`. Iteration 2 continues from iteration 1's adapter.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from deeper.engine.control_tokens import as_text
from deeper.errors import UserError

LLAMAFACTORY_VERSION = "0.9.5"
"""The version of LLaMA-Factory that the files are written for."""
ADAPTER_FOLDER = "policy_adapter"
"""Folder of the adapter to start from, in the exported folder."""

PUBLISHED_METHOD: dict[str, Any] = {
    "stage": "dpo",
    "do_train": True,
    "finetuning_type": "lora",
    "lora_target": "all",
    "lora_rank": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.2,
    "pref_beta": 0.2,
    "pref_loss": "sigmoid",
    "pref_ftx": 0.1,
}
"""The published method, for both iterations."""
PUBLISHED_TRAINING: dict[str, Any] = {
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 8,
    "learning_rate": 5.0e-6,
    "num_train_epochs": 4.0,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 250,
    "max_grad_norm": 1.0,
    "optim": "adamw_torch",
    "bf16": True,
}
"""The published training settings, for both iterations."""

_CONTROL = re.compile(r"<\|[^\s<>|]+\|>|</?(?:s|unk|pad)>")
_SLOT = re.compile(r"\{\{(?=\w+\}\})")
_COLUMNS = {"prompt": "instruction", "system": "system", "chosen": "chosen", "rejected": "rejected"}
# JSON may hold these characters unescaped, YAML may not. Half a surrogate pair cannot come from Arrow.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class Iteration:
    """The pairs of one iteration, as `PAIR` tables.

    Attributes:
        train: Pairs to learn from.
        validation: Pairs of other users to validate on; may be empty.
    """

    train: pa.Table
    validation: pa.Table


@dataclass(frozen=True)
class LlamaFactoryOptions:
    """Settings in the YAML files besides the published ones.

    Attributes:
        model: A hub name or a folder.
        template: LLaMA-Factory's name of the chat format; empty for the model's own.
        starts_from_adapter: Whether iteration 1 continues from the adapter in `ADAPTER_FOLDER`.
    """

    model: str
    template: str
    starts_from_adapter: bool


def llamafactory_files(iterations: Sequence[Iteration], options: LlamaFactoryOptions) -> dict[str, str]:
    """The files to run `llamafactory-cli train` on, by name.

    Args:
        iterations: The first iteration, and the second if there is one.
        options: What to train.

    Raises:
        UserError: An iteration has no pairs, or a prompt is not one system and one user message.
    """
    files: dict[str, str] = {}
    info: dict[str, Any] = {}
    for number, iteration in enumerate(iterations, 1):
        for name, table in _sets(number, iteration).items():
            files[f"{name}.jsonl"] = "".join(_line(row) for row in table.to_pylist())
            info[name] = {"file_name": f"{name}.jsonl", "ranking": True, "columns": _COLUMNS}
        files[f"iteration_{number}.yaml"] = _yaml(number, iteration, options)
    files["dataset_info.json"] = json.dumps(info, indent=1) + "\n"
    return files


def _sets(number: int, iteration: Iteration) -> dict[str, pa.Table]:
    if not iteration.train.num_rows:
        raise UserError(f"iteration {number} has no pairs to learn from", do="make some with deeper pairs")
    found = {_name(number): iteration.train}
    return found | ({f"{_name(number)}_validation": iteration.validation} if iteration.validation.num_rows else {})


def _name(number: int) -> str:
    return f"deeper_iteration_{number}"


def _line(row: Mapping[str, Any]) -> str:
    """A pair in alpaca form, as one line of JSON."""
    messages: Sequence[Mapping[str, str]] = row["prompt"]
    if [message["role"] for message in messages] != ["system", "user"]:
        raise UserError("a prompt is not one system and one user message", do="make the pairs again with deeper pairs")
    system, instruction = (message["content"] for message in messages)
    texts = {
        "system": system,
        "instruction": instruction,
        "chosen": row["chosen"],
        "rejected": row["rejected"],
    }
    return json.dumps({name: _plain(text) for name, text in texts.items()}, ensure_ascii=False) + "\n"


def _plain(text: str) -> str:
    """Text without control tokens and template slots, which LLaMA-Factory would interpret."""
    return _SLOT.sub("{ {", as_text(text, sorted(set(_CONTROL.findall(text)))))


def _yaml(number: int, iteration: Iteration, options: LlamaFactoryOptions) -> str:
    data = {"dataset_dir": ".", "dataset": _name(number), "cutoff_len": 2048, "overwrite_cache": True}
    evaluation: dict[str, Any] = {}
    if iteration.validation.num_rows:
        data["eval_dataset"] = f"{_name(number)}_validation"
        evaluation = {"per_device_eval_batch_size": 4, "eval_strategy": "steps", "eval_steps": 100}
    if options.template:
        data["template"] = options.template
    model: dict[str, Any] = {"model_name_or_path": options.model}
    if number > 1:
        model["adapter_name_or_path"] = f"saves/iteration_{number - 1}"
    elif options.starts_from_adapter:
        model["adapter_name_or_path"] = ADAPTER_FOLDER
    output = {
        "output_dir": f"saves/iteration_{number}",
        "logging_steps": 10,
        "save_steps": 100,
        "plot_loss": True,
        "report_to": "none",
    }
    reference = "Without ref_model the reference is the model with its adapter off: the base model."
    if number > 1:
        reference += (
            "\n# This holds here too: the reference is not the policy of iteration 1, whose adapter is trained on."
        )
    parts = [
        (f"Iteration {number}. Run it in this folder: llamafactory-cli train iteration_{number}.yaml", model),
        (f"{reference}\n# Dropout has no effect: LLaMA-Factory turns it off in DPO.", PUBLISHED_METHOD),
        ("Validation uses pairs of validation users instead of a random tenth (val_size 0.1).", data),
        ("Output", output),
        ("32 pairs in a step on one GPU.", PUBLISHED_TRAINING),
        ("", evaluation),
    ]
    return "\n".join(
        (f"# {said}\n" if said else "") + "".join(f"{name}: {yaml_scalar(value)}\n" for name, value in part.items())
        for said, part in parts
        if part
    )


def yaml_scalar(value: str | float | bool) -> str:
    """A value on one line that YAML 1.1 and 1.2 read back exactly."""
    if isinstance(value, str):
        return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
    # YAML 1.1 reads 5e-06 as text.
    return f"{value:.1e}" if isinstance(value, float) and value < 1e-3 else json.dumps(value)
