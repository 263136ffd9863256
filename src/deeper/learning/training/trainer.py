"""What all training runs share: the Trainer's arguments, the training loop, validation, progress and saving."""

import errno
import json
import logging
import math
import shutil
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import PrinterCallback, TrainerCallback
from transformers.utils import logging as transformers_logging

from deeper.engine.precision import number_type
from deeper.engine.protocol import Precision
from deeper.errors import UserError
from deeper.learning.training.checkpoints import CHECKPOINTS, mark_whole, newest_whole
from deeper.learning.training.processes import processes
from deeper.learning.training.recipe import ADAPTER

log = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2
"""The older checkpoint stays while the newer one is being written."""


@dataclass(frozen=True)
class TrainingPlan:
    """How to train, for every kind of training.

    Attributes:
        steps: Optimiser steps.
        batch: Examples in a step.
        micro_batch: Examples in a forward pass; divides `batch`.
        learning_rate: Peak of the learning rate; it then falls to zero along a cosine.
        warmup: Steps up to the peak.
        rank: Rank of LoRA.
        alpha: Scale of LoRA.
        layers: Layers with LoRA: all, or the upper half, which saves the backward pass through the lower half.
        save_every: Steps between checkpoints.
        validate_every: Steps between validations.
        seed: Seed of LoRA's initial values.
        report_to: Also log to this backend of transformers (`tensorboard`, `wandb`), or `none`.
        precision: What a CPU computes in; the adapter's weights are 32-bit floats either way.
    """

    steps: int
    batch: int
    micro_batch: int
    learning_rate: float
    warmup: int
    rank: int
    alpha: int
    layers: Literal["all", "upper"]
    save_every: int
    validate_every: int
    seed: int
    report_to: str = "none"
    precision: Precision = "exact"


@dataclass(frozen=True)
class Progress:
    """How far a training has come.

    Attributes:
        step: Steps done.
        steps: Steps in total.
        loss: Mean loss of the step; None before the first.
        examples_per_second: Speed of this process so far, without validation.
        seconds_left: Estimate at that speed.
        validation: Measurements at this step, if any.
        task: `training`, or `reference` while the reference scores the pairs (steps then count pairs).
    """

    step: int
    steps: int
    loss: float | None = None
    examples_per_second: float = 0.0
    seconds_left: float = 0.0
    validation: dict[str, float] | None = None
    task: Literal["training", "reference"] = "training"


Validate = Callable[[], dict[str, float]]
"""Measures the current model on validation users."""
Show = Callable[[Progress], None]


@contextmanager
def without_deprecations() -> Generator[None]:
    """Hide the libraries' FutureWarnings, which concern each other's names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def arguments(plan: TrainingPlan, folder: Path) -> dict[str, Any]:
    """Arguments for `TrainingArguments` and its subclasses.

    Examples keep their order, so a continued training uses exactly those that are left.

    Args:
        plan: How to train.
        folder: The training's folder.

    Raises:
        UserError: The processes cannot share the batch equally, or the CPU has no bfloat16.
    """
    if plan.batch % (plan.micro_batch * processes()):
        raise UserError(
            f"batch {plan.batch} is not a multiple of micro_batch {plan.micro_batch} × {processes()} processes",
            do="choose another --batch or --micro-batch, or another number of processes",
        )
    on_processor = not torch.cuda.is_available()
    computes_bfloat16 = on_processor and number_type(plan.precision) == "bf16"
    transformers_logging.set_verbosity_error()
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "max_steps": plan.steps,
        "per_device_train_batch_size": plan.micro_batch,
        "per_device_eval_batch_size": plan.micro_batch,
        "gradient_accumulation_steps": plan.batch // (plan.micro_batch * processes()),
        "learning_rate": plan.learning_rate,
        "lr_scheduler_type": ADAPTER.schedule,
        "warmup_steps": plan.warmup,
        "weight_decay": ADAPTER.weight_decay,
        "seed": plan.seed,
        "train_sampling_strategy": "sequential",
        "remove_unused_columns": False,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": plan.save_every,
        "save_total_limit": CHECKPOINTS_KEPT,
        "report_to": plan.report_to,
        "disable_tqdm": True,
        "use_cpu": on_processor,
        "dataloader_pin_memory": not on_processor,
        "bf16": computes_bfloat16,
    }


class Monitor(TrainerCallback):
    """Validates at intervals, reports progress, marks complete checkpoints, and stops at a loss that is not finite."""

    def __init__(self, plan: TrainingPlan, validate: Validate, show: Show) -> None:
        """Monitor a training.

        Args:
            plan: How the model is trained.
            validate: Measures the model.
            show: Called after each step.
        """
        self._plan, self._validate, self._show = plan, validate, show
        self._started, self._first_step, self._seconds_before, self._seconds_validating = 0.0, 0, 0.0, 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Validate an untrained model, or restore the clock of a continued training."""
        self._first_step = state.global_step
        self._seconds_before = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)
        if state.global_step:
            log.info("continuing after step %d of %d", state.global_step, self._plan.steps)
        else:
            validation = self._validate()
            state.log_history.append({"step": 0, "validation": validation})
            self._show(Progress(0, self._plan.steps, validation=validation))
        self._started = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Check a step's loss and report progress; runs before the step's checkpoint is written."""
        if not logs or "loss" not in logs:
            return
        step, loss = state.global_step, float(logs["loss"])
        if not math.isfinite(loss):
            raise UserError(
                f"the loss is {loss} at step {step}",
                where=args.output_dir,
                do="lower --learning-rate and choose another --out; the checkpoints before this step are kept",
            )
        validation = None
        if step % self._plan.validate_every == 0 or step == self._plan.steps:
            since = time.perf_counter()
            validation = self._validate()
            self._seconds_validating += time.perf_counter() - since
            state.log_history.append({"step": step, "validation": validation})
        spent = time.perf_counter() - self._started - self._seconds_validating
        state.log_history[-1 if validation is None else -2]["seconds"] = round(self._seconds_before + spent, 3)
        speed = (step - self._first_step) / spent
        left = (self._plan.steps - step) / speed
        self._show(Progress(step, self._plan.steps, loss, speed * self._plan.batch, left, validation))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the checkpoint as complete."""
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def train(trainer: Any, monitor: Monitor, folder: Path) -> list[dict[str, Any]]:
    """Train to the end, starting from the newest complete checkpoint if there is one.

    Args:
        trainer: A Trainer of transformers, made with `arguments`.
        monitor: Its callback.
        folder: The training's folder.

    Returns:
        The log, an entry a step or validation: `loss`, `learning_rate`, `grad_norm` and `seconds`, or `validation`.

    Raises:
        UserError: The loss is not finite, or the GPU's memory or the disk is full.
    """
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(monitor)
    checkpoint = newest_whole(folder)
    with _readable_errors(folder), without_deprecations():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return list(trainer.state.log_history)


def save_adapter(model: Any, folder: Path) -> None:
    """Write PEFT's two files, each atomically.

    Raises:
        UserError: The disk is full.
    """
    staging = folder / ".adapter"
    shutil.rmtree(staging, ignore_errors=True)
    with _readable_errors(folder):
        model.save_pretrained(staging)
        # The model's path on this machine means nothing elsewhere; `deeper.json` identifies the weights.
        config = json.loads((staging / "adapter_config.json").read_text("utf-8")) | {"base_model_name_or_path": None}
        (staging / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (staging / name).replace(folder / name)
    shutil.rmtree(staging)


@contextmanager
def _readable_errors(folder: Path) -> Generator[None]:
    """Turn a full GPU or disk into a message that says what to do."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"the GPU's memory is full ({str(error).splitlines()[0][:120]})",
            where=str(folder),
            do="choose another --out with a lower --micro-batch or --cutoff; the checkpoints here are kept",
        ) from error
    except (OSError, RuntimeError, SafetensorError) as error:
        if not _disk_is_full(error):
            raise
        raise UserError(
            "the disk has no room for a checkpoint",
            where=str(folder),
            do="free space; the same command continues from the previous checkpoint",
        ) from error


def _disk_is_full(error: Exception) -> bool:
    """Whether the disk is full; torch says so only in its message."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(words in str(error) for words in ("No space left", "PytorchStreamWriter failed writing"))
