"""Run one DPO training with `deeper train dpo` and with LLaMA-Factory, and compare losses and speed.

    python benchmarks/dpo_vs_llamafactory.py --llamafactory ENV/bin/llamafactory-cli [--model tiny|small] [--pairs 32]

Both start from the same base model and the same new LoRA (its B is zero). Both use the same invented pairs in the same
order, four epochs, 32-bit floats and the same optimiser. Neither computes activations twice. LLaMA-Factory reads the
files of `deeper export llamafactory`, in its own environment (benchmarks/llamafactory/requirements.txt). Its LoRA has
dropout 0.2, ours 0; equal losses show that dropout has no effect. Tokens are those of all prompts and answers without
padding; a prompt counts once for each of its two answers. Seconds include the reference. Prints JSON. Needs the extra
[train].
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.splits import part
from deeper.commands.export.to_llamafactory import export_llamafactory
from deeper.commands.train.from_pairs import epochs
from deeper.engine.adapter import CONFIG, write_card
from deeper.engine.torch.model import base_of, load_model
from deeper.learning.export.llamafactory_files import ADAPTER_FOLDER
from deeper.learning.preferences.schema import PAIR
from deeper.learning.training.lora import with_lora
from deeper.learning.training.trainer import TrainingPlan, save_adapter
from deeper.storage.provenance import provenance

EPOCHS, BATCH, MICRO_BATCH, WARMUP, SEED, DROPOUT = 4, 8, 4, 2, 1, 0.2
RATE = {"tiny": 1e-3, "small": 1e-4}
DOMAIN = "movielens_small"
STAND_IN = str(Path(__file__).resolve().parent / "llamafactory" / "stand_in")
WORDS = (
    "silent",
    "golden",
    "broken",
    "hollow",
    "velvet",
    "crooked",
    "copper",
    "distant",
    "amber",
    "harbour",
    "lantern",
)
VERSIONS = "import json,importlib.metadata as m;print(json.dumps({n:m.version(n) for n in %r}))"
PACKAGES = ("llamafactory", "torch", "transformers", "peft", "trl", "accelerate")
# No newline after an answer: LLaMA-Factory would count it as a token of the answer.
CHAT = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' }}"
    "{% if not loop.last or m['role'] != 'assistant' %}{{ '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def write_model(folder: Path, size: str) -> tuple[Any, Any]:
    """Write the base model of both: random or the small one, with the small one's tokeniser."""
    model, tokenizer = load_model(None, "cpu")
    tokenizer.chat_template = CHAT
    if size == "tiny":
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(SEED)
        config = LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=128, intermediate_size=384, num_hidden_layers=4,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


def write_start(folder: Path, model: Any, base: str) -> None:
    """Write the LoRA that both start from."""
    folder.mkdir()
    plan = TrainingPlan(1, BATCH, MICRO_BATCH, 1.0, 0, 16, 32, "all", 1, 1, SEED)
    save_adapter(with_lora(model, plan), folder)
    write_card(folder, kind="policy", base=base, templates={"refine": "benchmark"}, users=[], provenance={})


def invented(number: int) -> list[dict[str, Any]]:
    """Return random pairs, about as long as real ones, each of another user."""
    draw = Random(SEED)
    users = islice((f"u{i}" for i in count() if part(DOMAIN, f"u{i}") != "validation"), number)

    def text(words: int) -> str:
        return " ".join(draw.choice(WORDS) for _ in range(words))

    return [
        {
            "user": user,
            "domain": DOMAIN,
            "k": 1,
            "parent": "",
            "method": "refine",
            "prompt": [
                {"role": "system", "content": f"You refine personas. {text(40)}."},
                {"role": "user", "content": f"Old persona: {text(60)}.\n{text(draw.randint(150, 300))}\nRefine it."},
            ],
            "chosen": text(draw.randint(30, 90)),
            "rejected": text(draw.randint(30, 90)),
            "chosen_id": f"c{user}",
            "rejected_id": f"r{user}",
            "r_chosen": 1.0,
            "r_rejected": 0.0,
        }
        for user in users
    ]


def write_pairs(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write a folder as `deeper pairs` does, without validation pairs."""
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=PAIR), folder / "train.parquet")
    pq.write_table(PAIR.empty_table(), folder / "validation.parquet")
    (folder / "pairs.json").write_text(json.dumps({"templates": {"refine": "benchmark"}}), "utf-8")
    return folder


def run(words: Sequence[Any], folder: Path, **variables: str) -> None:
    """Run a training, and show its output if it fails."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **variables}
    words = [str(word) for word in words]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{words[0]} failed:\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}")


def by_deeper(place: Path, pairs: Path, rate: float, out: Path) -> tuple[list[float], float]:
    """Train, and return the loss of each step and the seconds."""
    words = [
        sys.executable, "-m", "deeper.cli.main", "train", "dpo", "--pairs", pairs, "--base", place / "model",
        "--policy-adapter", place / "start", "--reference", "base", "--epochs", EPOCHS, "--batch", BATCH,
        "--micro-batch", MICRO_BATCH, "--learning-rate", rate, "--warmup-steps", WARMUP, "--save-every", 10**6,
        "--validate-every", 10**6, "--seed", SEED, "--out", out,
    ]  # fmt: skip
    run(words, place)
    metrics = json.loads((out / "metrics.json").read_text("utf-8"))
    return [entry["loss"] for entry in metrics["loss"]], metrics["seconds"] + metrics["reference_seconds"]


def by_llamafactory(command: Path, folder: Path, rate: float, out: str) -> tuple[list[float], float]:
    """Train, and return the loss of each step and the seconds."""
    changes = {
        "num_train_epochs": 1, "disable_shuffling": "true", "per_device_train_batch_size": MICRO_BATCH,
        "gradient_accumulation_steps": BATCH // MICRO_BATCH, "learning_rate": rate, "warmup_steps": WARMUP,
        "bf16": "false", "use_cpu": "true", "logging_steps": 1, "save_steps": 10**6, "plot_loss": "false",
        "seed": SEED, "output_dir": out, "disable_gradient_checkpointing": "true",
    }  # fmt: skip
    run(
        [command, "train", "iteration_1.yaml", *(f"{name}={value}" for name, value in changes.items())],
        folder,
        PYTHONPATH=STAND_IN,
    )
    steps = json.loads((folder / out / "trainer_state.json").read_text("utf-8"))["log_history"]
    seconds = json.loads((folder / out / "train_results.json").read_text("utf-8"))["train_runtime"]
    return [entry["loss"] for entry in steps if "loss" in entry], seconds


def tokens_of(rows: Sequence[dict[str, Any]], tokenizer: Any) -> int:
    """Return the tokens of all sequences (prompt and answer), without padding."""
    return sum(
        len(tokenizer.apply_chat_template([*row["prompt"], {"role": "assistant", "content": row[side]}])["input_ids"])
        for row in rows
        for side in ("chosen", "rejected")
    )


def main() -> None:
    """Train with both and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--llamafactory", type=Path, required=True, help="llamafactory-cli in its own environment")
    parser.add_argument("--model", choices=tuple(RATE), default="tiny")
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=1, help="trainings of each, in turns; figures are medians")
    asked = parser.parse_args()
    command, rate, rows = asked.llamafactory.absolute(), RATE[asked.model], invented(asked.pairs)
    with TemporaryDirectory() as name:
        place = Path(name)
        model, tokenizer = write_model(place / "model", asked.model)
        write_start(place / "start", model, base_of(str(place / "model")))
        pairs = write_pairs(place / "pairs", rows)
        # The order of all epochs, written out: LLaMA-Factory would draw another.
        used = list(islice(epochs(rows, SEED), EPOCHS * len(rows) // BATCH * BATCH))
        in_order = write_pairs(place / "in_order", used)
        lf = place / "lf"
        export_llamafactory([str(in_order)], lf, model=str(place / "model"), policy_adapter=str(place / "start"))
        config = json.loads((lf / ADAPTER_FOLDER / CONFIG).read_text("utf-8")) | {"lora_dropout": DROPOUT}
        (lf / ADAPTER_FOLDER / CONFIG).write_text(json.dumps(config), "utf-8")
        ours, theirs = [], []
        for turn in range(asked.repeats):
            ours.append(by_deeper(place, pairs, rate, place / f"ours-{turn}"))
            theirs.append(by_llamafactory(command, lf, rate, f"saves/{turn}"))
        tokens = tokens_of(used, tokenizer)
    versions = subprocess.check_output([command.with_name("python"), "-c", VERSIONS % (PACKAGES,)], text=True)
    losses = [
        {"step": step, "deeper": a, "llamafactory": b, "difference": abs(a - b)}
        for step, (a, b) in enumerate(zip(ours[0][0], theirs[0][0], strict=True), 1)
    ]
    speed = {
        "deeper": tokens / median(seconds for _, seconds in ours),
        "llamafactory": tokens / median(seconds for _, seconds in theirs),
    }
    print(
        json.dumps(
            {
                "dpo_vs_llamafactory": speed["deeper"] / speed["llamafactory"],
                "loss_difference": max(step["difference"] for step in losses),
                "tokens_per_second": speed,
                "losses": losses,
                "model": asked.model,
                "pairs": len(rows),
                "epochs": EPOCHS,
                "batch": BATCH,
                "micro_batch": MICRO_BATCH,
                "learning_rate": rate,
                "tokens": tokens,
                "repeats": asked.repeats,
                "threads": os.environ.get("OMP_NUM_THREADS", "default"),
                "llamafactory_versions": json.loads(versions),
                "seed": SEED,
                **provenance(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
