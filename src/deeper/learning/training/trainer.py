"""What all trainings share: the Trainer's arguments, checkpoints that are whole, and what is said meanwhile."""

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

from deeper.errors import UserError
from deeper.learning.training.checkpoints import CHECKPOINTS, mark_whole, newest_whole
from deeper.learning.training.processes import processes

log = logging.getLogger(__name__)

KEPT = 2
"""Checkpoints kept: the older one is there while the newer is being written."""


@dataclass(frozen=True)
class Plan:
    """How to train, whatever is trained.

    Attributes:
        steps: Optimiser steps.
        batch: Examples of a step.
        micro_batch: Examples of a forward pass; divides `batch`.
        learning_rate: Its peak; cosine to zero.
        warmup: Steps up to the peak.
        rank: Rank of LoRA.
        alpha: Scale of LoRA.
        layers: All layers, or the upper half, through which gradients need not flow further down.
        save_every: Steps from checkpoint to checkpoint.
        judge_every: Steps from validation to validation.
        seed: Seed of LoRA's first values.
        report_to: Where the Trainer logs besides: `none`, or what transformers knows (`tensorboard`, `wandb`).
        precision: What a processor computes in; the adapter's weights are float32 either way.
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
    judge_every: int
    seed: int
    report_to: str = "none"
    precision: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Mean loss of the step; None before the first.
        examples_per_second: Of this process so far, without validation.
        seconds_left: At that speed.
        validation: What was measured at this step, if anything.
        task: What is going on: `training`, or `reference` (the reference reads the pairs; steps are pairs).
    """

    step: int
    steps: int
    loss: float | None = None
    examples_per_second: float = 0.0
    seconds_left: float = 0.0
    validation: dict[str, float] | None = None
    task: Literal["training", "reference"] = "training"


Judge = Callable[[], dict[str, float]]
"""Measures the model as it is on validation users."""
Show = Callable[[Progress], None]


@contextmanager
def without_deprecations() -> Generator[None]:
    """Keep quiet what the libraries say to each other about names that they will drop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def arguments(plan: Plan, folder: Path) -> dict[str, Any]:
    """Arguments for `TrainingArguments` and those made from it.

    Examples come in the order in which they are given, so that a continued training sees those that are left.

    Args:
        plan: How to train.
        folder: The training's folder.

    Raises:
        UserError: The batch cannot be shared among the processes, or the processor has no bfloat16.
    """
    if plan.batch % (plan.micro_batch * processes()):
        raise UserError(
            f"batch {plan.batch} is not a multiple of micro_batch {plan.micro_batch} × {processes()} processes",
            do="choose another --batch or --micro-batch, or another number of processes",
        )
    on_processor = not torch.cuda.is_available()
    if on_processor and plan.precision == "bfloat16" and not computes_bfloat16():
        raise UserError("this processor has no instructions for bfloat16", do="give --precision float32")
    transformers_logging.set_verbosity_error()
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "max_steps": plan.steps,
        "per_device_train_batch_size": plan.micro_batch,
        "per_device_eval_batch_size": plan.micro_batch,
        "gradient_accumulation_steps": plan.batch // (plan.micro_batch * processes()),
        "learning_rate": plan.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": plan.warmup,
        "weight_decay": 0.0,
        "seed": plan.seed,
        "train_sampling_strategy": "sequential",
        "remove_unused_columns": False,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": plan.save_every,
        "save_total_limit": KEPT,
        "report_to": plan.report_to,
        "disable_tqdm": True,
        "use_cpu": on_processor,
        "dataloader_pin_memory": not on_processor,
        "bf16": on_processor and plan.precision == "bfloat16",
    }


def computes_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16; without them it is slower than float32."""
    known = torch.cpu.get_capabilities()
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


class Watch(TrainerCallback):
    """Stops at a loss that is no number, measures now and then, marks whole checkpoints, says how far it is."""

    def __init__(self, plan: Plan, judge: Judge, show: Show) -> None:
        """Watch a training.

        Args:
            plan: How is trained.
            judge: Measures the model.
            show: Is told after each step.
        """
        self._plan, self._judge, self._show = plan, judge, show
        self._started, self._begun_at, self._before, self._judging = 0.0, 0, 0.0, 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure an untrained model, and take up the clock of a training that is continued."""
        self._begun_at = state.global_step
        self._before = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)
        if state.global_step:
            log.info("continuing behind step %d of %d", state.global_step, self._plan.steps)
        else:
            validation = self._judge()
            state.log_history.append({"step": 0, "validation": validation})
            self._show(Progress(0, self._plan.steps, validation=validation))
        self._started = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Look at a step's loss; comes before the step's checkpoint is written."""
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
        if step % self._plan.judge_every == 0 or step == self._plan.steps:
            since = time.perf_counter()
            validation = self._judge()
            self._judging += time.perf_counter() - since
            state.log_history.append({"step": step, "validation": validation})
        spent = time.perf_counter() - self._started - self._judging
        state.log_history[-1 if validation is None else -2]["seconds"] = round(self._before + spent, 3)
        speed = (step - self._begun_at) / spent
        left = (self._plan.steps - step) / speed
        self._show(Progress(step, self._plan.steps, loss, speed * self._plan.batch, left, validation))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the checkpoint as whole."""
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def train(trainer: Any, watch: Watch, folder: Path) -> list[dict[str, Any]]:
    """Train to the end, from the newest whole checkpoint on if there is one.

    Args:
        trainer: A Trainer of transformers, made with `arguments`.
        watch: Watches it.
        folder: The training's folder.

    Returns:
        What was logged, step by step, of all processes that took part: `loss`, `learning_rate`, `grad_norm`,
        `seconds`, or `validation`.

    Raises:
        UserError: The loss is no number, the GPU's memory or the disk is full.
    """
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(watch)
    checkpoint = newest_whole(folder)
    with _errors_in_words(folder), without_deprecations():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return list(trainer.state.log_history)


def save_adapter(model: Any, folder: Path) -> None:
    """Write PEFT's two files, each whole or not at all.

    Raises:
        UserError: The disk is full.
    """
    staging = folder / ".adapter"
    shutil.rmtree(staging, ignore_errors=True)
    with _errors_in_words(folder):
        model.save_pretrained(staging)
        # The model's place on this machine means nothing elsewhere; `deeper.json` identifies the weights.
        config = json.loads((staging / "adapter_config.json").read_text("utf-8")) | {"base_model_name_or_path": None}
        (staging / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (staging / name).replace(folder / name)
    shutil.rmtree(staging)


@contextmanager
def _errors_in_words(folder: Path) -> Generator[None]:
    """Turn a full GPU and a full disk into messages that say what to do."""
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
            "there is no room for a checkpoint",
            where=str(folder),
            do="free space; the same command continues from the checkpoint before",
        ) from error


def _disk_is_full(error: Exception) -> bool:
    """Whether a file could not be written for want of room; torch says so in words only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(words in str(error) for words in ("No space left", "PytorchStreamWriter failed writing"))
