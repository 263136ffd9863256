"""`deeper train dpo` as a whole: what it leaves behind, what it survives, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from pair_folder import pair_row, some_pairs, users_of_part, write_pairs

from deeper.behaviour.splits import user_hash
from deeper.commands.train.from_pairs import train_dpo
from deeper.commands.train.settings import DpoSettings
from deeper.engine.adapter import load_adapter, write_card
from deeper.engine.torch.model import base_of, load_model
from deeper.errors import UserError
from deeper.learning.training import pair_tokens
from deeper.learning.training.collapse import alarms, uneven
from deeper.learning.training.lora import with_lora
from deeper.learning.training.trainer import Progress, TrainingPlan, arguments, save_adapter
from deeper.learning.training_record import training_record

PLAN = TrainingPlan(1, 4, 4, 1e-3, 0, 2, 4, "all", 10, 10, seed=1)

KILLED = """
import json, os, signal, sys
from pathlib import Path
from deeper.commands.train.from_pairs import train_dpo
from deeper.commands.train.settings import DpoSettings

def show(progress):
    if progress.task == "training" and progress.step == 3:
        os.kill(os.getpid(), signal.SIGKILL)

train_dpo(DpoSettings(**json.loads(sys.argv[1])), Path(sys.argv[2]), show)
"""


def quiet(progress: Progress) -> None:
    """Show nothing."""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return some_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def writer(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy adapter to go on with."""
    return write_adapter(tmp_path_factory.mktemp("writer"), tiny_base)


def write_adapter(folder: Path, tiny_base: Path, **changes: Any) -> Path:
    model = with_lora(load_model(str(tiny_base), "cpu", torch.float32)[0], PLAN)
    torch.manual_seed(5)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.3)
    folder.mkdir(exist_ok=True)
    save_adapter(model, folder)
    card = {
        "kind": "policy",
        "base": base_of(str(tiny_base)),
        "templates": {"refine": "v1"},
        "users": ["ab"],
        **changes,
    }
    write_card(folder, **card, provenance={"users": {"reefs": 1}})
    return folder


def settings_of(pairs: Path, tiny_base: Path, **changes: Any) -> DpoSettings:
    values = {
        "pairs": str(pairs), "base": str(tiny_base), "steps": 4, "batch": 4, "micro_batch": 2, "rank": 2, "alpha": 4,
        "learning_rate": 1e-2, "save_every": 2, "validate_every": 2, "cutoff": 4096,
    }  # fmt: skip
    return DpoSettings(**{**values, **changes})


@pytest.fixture(scope="module")
def trained(
    pairs: Path, tiny_base: Path, writer: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("trained") / "refiner"
    return out, train_dpo(settings_of(pairs, tiny_base, policy_adapter=str(writer)), out, quiet)


def test_the_adapter_and_its_metrics_say_what_they_are(
    trained: tuple[Path, dict[str, Any]], tiny_base: Path, writer: Path
) -> None:
    out, metrics = trained
    adapter = load_adapter(out)
    assert (adapter.kind, adapter.base, adapter.templates) == ("policy", base_of(str(tiny_base)), {"refine": "v1"})
    assert adapter.users == {user_hash("coves", user) for user in users_of_part("b", 8)} | {"ab"}
    assert adapter.provenance["users"] == {"coves": 8}
    assert adapter.provenance["before"] == {"users": {"reefs": 1}}
    assert metrics["recipes"].keys() == {"alarms", "adapter"}
    assert training_record(adapter).recipes == metrics["recipes"]
    assert len(metrics["code"]) == 1 and training_record(adapter).code == metrics["code"]
    assert metrics == json.loads((out / "metrics.json").read_text("utf-8"))
    assert [entry["step"] for entry in metrics["loss"]] == [1, 2, 3, 4]
    assert metrics["loss"][0].keys() == {
        "step", "loss", "preference", "sft", "accuracy", "margin", "reward_chosen", "reward_rejected", "logp_chosen",
        "logp_rejected", "kl", "grad_norm", "tokens_per_second", "learning_rate", "seconds",
    }  # fmt: skip
    assert [entry["step"] for entry in metrics["validation"]] == [0, 2, 4]
    assert metrics["validation"][-1]["loss"] < metrics["validation"][0]["loss"]
    assert (metrics["pairs"], metrics["validation_pairs"], metrics["over_cutoff"]) == (8, 2, 0)
    assert metrics["alarms"] == []
    assert metrics["policy_adapter"] == load_adapter(writer).digest
    assert metrics["tokens_per_second"] > 0


def test_the_card_of_published_pairs_counts_no_users(tiny_base: Path, tmp_path: Path) -> None:
    rows = [[pair_row(user, domain="published") for user in users_of_part(part, 2)] for part in ("b", "validation")]
    pairs = write_pairs(tmp_path / "pairs", rows[0], rows[1])
    metrics = train_dpo(settings_of(pairs, tiny_base, steps=1, batch=2), tmp_path / "out", quiet)
    assert (metrics["pairs"], metrics["users"]) == (2, {})


def test_a_finished_training_is_not_repeated(
    trained: tuple[Path, dict[str, Any]], pairs: Path, tiny_base: Path, writer: Path
) -> None:
    out, metrics = trained

    def refuse(progress: Progress) -> None:
        raise AssertionError

    assert train_dpo(settings_of(pairs, tiny_base, policy_adapter=str(writer)), out, refuse) == metrics


def test_a_killed_training_continues_with_the_losses_of_an_undisturbed_one(
    trained: tuple[Path, dict[str, Any]],
    pairs: Path,
    tiny_base: Path,
    writer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = settings_of(pairs, tiny_base, policy_adapter=str(writer))
    words = [sys.executable, "-c", KILLED, settings.model_dump_json(), str(tmp_path / "out")]
    assert subprocess.run(words, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "out" / "deeper.json").exists()

    def refuse(*_: Any) -> None:
        raise AssertionError

    # What the reference says is not computed again.
    monkeypatch.setattr(pair_tokens, "log_probs_of", refuse)
    shown: list[int] = []

    def show(progress: Progress) -> None:
        if progress.task == "training":
            shown.append(progress.step)

    metrics = train_dpo(settings, tmp_path / "out", show)
    assert shown == [3, 4]
    clocks = {"seconds", "tokens_per_second"}
    steps, expected = (
        [{name: value for name, value in entry.items() if name not in clocks} for entry in found["loss"]]
        for found in (metrics, trained[1])
    )
    assert steps == expected
    assert metrics["validation"] == trained[1]["validation"]
    assert metrics["reference_seconds"] > 0


@pytest.mark.parametrize("reference", ["base", "previous"])
def test_the_reference_is_what_the_settings_say(
    reference: str, pairs: Path, tiny_base: Path, writer: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    settings = settings_of(pairs, tiny_base, policy_adapter=str(writer), reference=reference, steps=1)
    metrics = train_dpo(settings, tmp_path / "out", quiet)
    before = metrics["validation"][0]
    assert (before["kl"] == pytest.approx(0, abs=1e-6)) == (reference == "previous")
    assert (before["preference"] == pytest.approx(0.69315, abs=1e-5)) == (reference == "previous")

    model, tokenizer = load_model(str(tiny_base), "cpu", torch.float32)
    if reference == "previous":
        model = PeftModel.from_pretrained(model, writer)
    [shard] = (tmp_path / "out" / "reference").glob("*.parquet")
    stored = pq.read_table(shard).to_pylist()[0]["chosen"]
    row = pq.read_table(pairs / "train.parquet").to_pylist()[0]
    chat = [*row["prompt"], {"role": "assistant", "content": row["chosen"]}]
    prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
    text = tokenizer.apply_chat_template(chat, tokenize=False)
    assert text.startswith(prompt)
    ids = tokenizer.encode(prompt + row["chosen"], add_special_tokens=False) + [tokenizer.eos_token_id]
    with torch.inference_mode():
        log_probs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(dim=1)
    by_hand = [float(log_probs[at - 1, ids[at]]) for at in range(len(ids) - len(stored), len(ids))]
    assert stored == pytest.approx(by_hand, abs=1e-3)


def test_pairs_over_the_cutoff_are_dropped_and_counted(tiny_base: Path, tmp_path: Path) -> None:
    [user] = users_of_part("a", 1)
    folder = write_pairs(tmp_path / "pairs", [pair_row(user), pair_row(user, chosen="Warm. " * 100)], [])
    settings = settings_of(folder, tiny_base, cutoff=400, steps=1)
    metrics = train_dpo(settings, tmp_path / "out", quiet)
    assert (metrics["pairs"], metrics["over_cutoff"]) == (1, 1)
    assert metrics["validation"] == []
    with pytest.raises(UserError, match="1 of 2 examples have more than 400 tokens"):
        train_dpo(settings.model_copy(update={"over_cutoff": "refuse"}), tmp_path / "refused", quiet)


def test_bad_pairs_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    [judged], [learnt] = users_of_part("validation", 1), users_of_part("b", 1)
    mixed = write_pairs(tmp_path / "mixed", [pair_row(learnt), pair_row(judged)], [])
    empty = write_pairs(tmp_path / "empty", [], [pair_row(judged)])
    other = write_pairs(tmp_path / "other", [pair_row(learnt, prompt=[{"role": "user", "content": "?"}])], [])
    broken = write_pairs(tmp_path / "broken", [pair_row(learnt)], [])
    (broken / "train.parquet").write_bytes(b"PAR1")
    for folder, words in (
        (mixed, "the pairs to learn from include 1 validation users"),
        (empty, "the folder holds no pair to train on"),
        (other, "not one system message and one user message"),
        (broken, "the pairs cannot be read"),
        (tmp_path / "nowhere", "the folder holds no preference pairs"),
    ):
        with pytest.raises(UserError, match=words):
            train_dpo(settings_of(folder, tiny_base), tmp_path / f"out-{folder.name}", quiet)


@pytest.mark.parametrize(
    ("card", "changes", "words"),
    [
        ({"kind": "predictor"}, {}, "the adapter of a predictor, not of a policy"),
        ({"base": "another"}, {}, "trained on the weights another"),
        ({"templates": {"refine": "v0"}}, {}, "trained with another text of the prompt refine"),
        ({}, {"rank": 8}, "rank 2, alpha 4 and layers all, but the settings say 8"),
        ({}, {"warmup_steps": 4}, "4 warm-up steps are not fewer than the 4 steps"),
    ],
)
def test_adapters_and_settings_that_do_not_fit_are_refused(
    card: dict[str, str], changes: dict[str, Any], words: str, pairs: Path, tiny_base: Path, tmp_path: Path
) -> None:
    adapter = write_adapter(tmp_path / "adapter", tiny_base, **card)
    with pytest.raises(UserError, match=words):
        train_dpo(settings_of(pairs, tiny_base, policy_adapter=str(adapter), **changes), tmp_path / "out", quiet)
    assert not (tmp_path / "out" / "deeper.json").exists()


def test_other_pairs_are_not_continued_with(pairs: Path, tiny_base: Path, tmp_path: Path) -> None:
    folder = some_pairs(tmp_path / "pairs")
    settings = settings_of(folder, tiny_base)

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_dpo(settings, tmp_path / "out", stop)
    write_pairs(folder, [pair_row(users_of_part("b", 1)[0])], [])
    with pytest.raises(UserError, match="started from another model, other prompts or other data"):
        train_dpo(settings, tmp_path / "out", quiet)


def test_a_loss_that_is_no_number_ends_the_training(pairs: Path, tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the loss is nan at step"):
        train_dpo(settings_of(pairs, tiny_base, learning_rate=1e38, warmup=0.5), tmp_path / "out", quiet)
    assert not (tmp_path / "out" / "deeper.json").exists()


def test_processes_share_a_batch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = TrainingPlan(1, 8, 2, 1e-3, 0, 2, 4, "all", 10, 10, seed=1)
    assert arguments(plan, tmp_path)["gradient_accumulation_steps"] == 4
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "4")
    assert arguments(plan, tmp_path)["gradient_accumulation_steps"] == 1
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "3")
    with pytest.raises(UserError, match="batch 8 is not a multiple of micro_batch 2 × 3 processes"):
        arguments(plan, tmp_path)


def steps_of(count: int, **changes: Any) -> list[dict[str, float]]:
    usual = {"preference": 0.5, "accuracy": 0.8, "reward_chosen": 0.1, "reward_rejected": -0.1}
    made = {name: value if callable(value) else lambda _, v=value: v for name, value in {**usual, **changes}.items()}
    return [{"step": n, **{name: value(n) for name, value in made.items()}} for n in range(1, count + 1)]


def test_alarms() -> None:
    assert alarms(steps_of(40), beta=0.2) == []
    [early] = alarms(steps_of(40, accuracy=1.0, preference=lambda n: 0.001 if n > 3 else 0.5), beta=0.2)
    assert "accuracy 1 and a preference term below 0.01 from step 4 of 40 on" in early
    late = steps_of(40, accuracy=1.0, preference=lambda n: 0.001 if n > 30 else 0.5)
    assert alarms(late, beta=0.2) == []
    falling = {"reward_chosen": lambda n: -0.05 * n, "reward_rejected": lambda n: -0.1 * n}
    [both] = alarms(steps_of(40, **falling), beta=0.2)
    assert "keep falling (by 7.5 and 15.0 nats" in both
    assert alarms(steps_of(40, reward_rejected=lambda n: -0.1 * n), beta=0.2) == []
    assert alarms(steps_of(3, **falling), beta=0.2) == []


def test_a_cutoff_that_drops_pairs_of_one_updater_alone_raises_an_alarm(tiny_base: Path, tmp_path: Path) -> None:
    users = users_of_part("b", 4)
    rows = [pair_row(user) for user in users] + [
        pair_row(user, method="full_regeneration", chosen="Warm" + ", warm" * 300 * (user == users[0]))
        for user in users
    ]
    folder = write_pairs(tmp_path / "pairs", rows, [])
    metrics = train_dpo(settings_of(folder, tiny_base, cutoff=400, steps=1), tmp_path / "out", quiet)
    whole, cut = {"pairs": 4, "over_cutoff": 0}, {"pairs": 4, "over_cutoff": 1}
    assert metrics["methods"] == {"refine": whole, "full_regeneration": cut} and metrics["over_cutoff"] == 1
    [alarm] = metrics["alarms"]
    assert alarm.startswith("uneven: the cutoff of 400 tokens drops pairs: 0 of 4 of refine, 1 of 4 of full_regen")
    assert uneven({"refine": cut, "full_regeneration": cut}, 400) == uneven({"refine": cut}, 400) == []
