"""Trainings as a whole: what they leave behind, and what they survive."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from training_cases import coldstart_settings, predictor_settings, write_behaviour

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.splits import part, user_hash
from deeper.commands.execution.engines import check_adapter
from deeper.commands.execution.population_knowledge import adapter_notes
from deeper.commands.train import from_behaviour, start
from deeper.commands.train.from_behaviour import train_coldstart, train_predictor
from deeper.commands.train.settings import PredictorSettings
from deeper.commands.train.train_users import users_of
from deeper.engine.adapter import AdapterKind, load_adapter
from deeper.engine.torch.model import base_of
from deeper.errors import UserError, install_extra
from deeper.learning.training import trainer
from deeper.learning.training.checkpoints import CHECKPOINTS, WHOLE, newest_whole
from deeper.learning.training.lora import with_lora
from deeper.learning.training.trainer import Progress, save_adapter
from deeper.learning.training_record import training_record
from deeper.persona.item_knowledge.standing_words import words_hash
from deeper.persona.prompts.templates import load_prompts
from deeper.storage.code_hash import joint_hash
from deeper.storage.run_folder import RunFolder

KILLED = """
import json, os, signal, sys
from pathlib import Path
from deeper.commands.train import from_behaviour as train
from deeper.commands.train.settings import ColdstartSettings, PredictorSettings

kind, settings, out = sys.argv[1:]

def show(progress):
    if progress.step == 5:
        os.kill(os.getpid(), signal.SIGKILL)

made = {"predictor": PredictorSettings, "coldstart": ColdstartSettings}[kind](**json.loads(settings))
getattr(train, f"train_{kind}")(made, Path(out), show)
"""


def quiet(progress: Progress) -> None:
    """Show nothing."""


def losses(metrics: dict[str, Any]) -> list[tuple[int, float]]:
    return [(entry["step"], entry["loss"]) for entry in metrics["loss"]]


@pytest.fixture(scope="module")
def trained(behaviour: Path, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A predictor's folder and its metrics."""
    out = tmp_path_factory.mktemp("trained") / "predictor"
    return out, train_predictor(predictor_settings(behaviour, tiny_base), out, quiet)


@pytest.fixture(scope="module")
def written(behaviour: Path, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A cold-started policy's folder and its metrics."""
    out = tmp_path_factory.mktemp("written") / "policy"
    return out, train_coldstart(coldstart_settings(behaviour, tiny_base), out, quiet)


@pytest.mark.parametrize("kind", ["predictor", "coldstart"])
def test_a_killed_training_continues_with_the_losses_of_an_undisturbed_one(
    kind: str, behaviour: Path, tiny_base: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    make, run, undisturbed = {
        "predictor": (predictor_settings, train_predictor, "trained"),
        "coldstart": (coldstart_settings, train_coldstart, "written"),
    }[kind]
    _, expected = request.getfixturevalue(undisturbed)
    settings = make(behaviour, tiny_base)
    words = [sys.executable, "-c", KILLED, kind, settings.model_dump_json(), str(tmp_path / "out")]
    assert subprocess.run(words, capture_output=True, check=False).returncode == -signal.SIGKILL
    checkpoints = {path.name for path in (tmp_path / "out" / CHECKPOINTS).glob("checkpoint-*")}
    assert checkpoints == {"checkpoint-2", "checkpoint-4"}
    assert not (tmp_path / "out" / "deeper.json").exists()

    shown: list[int] = []
    metrics = run(settings, tmp_path / "out", lambda progress: shown.append(progress.step))  # type: ignore[arg-type]
    assert shown == [5, 6]
    assert [step for step, _ in losses(metrics)] == [1, 2, 3, 4, 5, 6]
    assert losses(metrics) == losses(expected)
    assert metrics["validation"] == expected["validation"]


def test_a_training_is_not_continued_on_other_ratings(tiny_base: Path, tmp_path: Path) -> None:
    data = write_behaviour(tmp_path / "data")
    settings = predictor_settings(data, tiny_base)

    def stop(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_predictor(settings, tmp_path / "out", stop)
    table = data / "behaviour.csv"
    table.write_text(table.read_text("utf-8").replace(",1,", ",2,"), "utf-8")
    with pytest.raises(UserError, match="behaviour [0-9a-f]{16} is now [0-9a-f]{16}"):
        train_predictor(settings, tmp_path / "out", quiet)


@pytest.mark.parametrize(("stopped_at", "is_continued"), [(5, True), (1, False)])
def test_a_training_continues_with_other_code_and_says_so(
    stopped_at: int,
    is_continued: bool,
    behaviour: Path,
    tiny_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == stopped_at:
            raise KeyboardInterrupt

    settings, out = predictor_settings(behaviour, tiny_base), tmp_path / "out"
    codes = [{"loss": "old", "order": "same"}, {"loss": "new", "order": "same"}]
    monkeypatch.setattr(from_behaviour, "code_modules", lambda *things: codes[0])
    with pytest.raises(KeyboardInterrupt):
        train_predictor(settings, out, stop)
    assert (newest_whole(out) is not None) == is_continued

    monkeypatch.setattr(from_behaviour, "code_modules", lambda *things: codes[1])
    metrics = train_predictor(settings, out, quiet)
    warning = "the training began with other code (loss changed since) and continues"
    assert (warning in caplog.messages) == is_continued
    assert metrics["code"] == [joint_hash(code) for code in (codes if is_continued else codes[1:])]
    assert training_record(load_adapter(out)).code == metrics["code"]

    monkeypatch.setattr(from_behaviour, "code_modules", lambda *things: {"loss": "newest"})
    assert train_predictor(settings, out, quiet)["code"] == metrics["code"], "a finished training stays as it is"


@pytest.mark.parametrize(("kind", "make"), [("trained", predictor_settings), ("written", coldstart_settings)])
def test_a_training_leaves_fingerprints_of_all_that_it_learnt_from_or_was_judged_on(
    kind: str, make: Any, behaviour: Path, tiny_base: Path, request: pytest.FixtureRequest
) -> None:
    users = users_of(make(behaviour, tiny_base))
    windows = [window for user in (*users.train, *users.validation) for window in user.windows]
    out, _ = request.getfixturevalue(kind)
    assert json.loads((out / FINGERPRINTS).read_text("utf-8"))["windows"] == fingerprints(windows) != []


def test_a_finished_training_is_not_repeated(
    trained: tuple[Path, dict[str, Any]], behaviour: Path, tiny_base: Path
) -> None:
    out, metrics = trained

    def refuse(progress: Progress) -> None:
        raise AssertionError

    again = train_predictor(predictor_settings(behaviour, tiny_base), out, refuse)
    assert again == json.loads(json.dumps(metrics))


def test_the_folder_of_other_settings_is_refused(
    trained: tuple[Path, dict[str, Any]], behaviour: Path, tiny_base: Path
) -> None:
    with pytest.raises(UserError, match="other settings: batch = 4"):
        train_predictor(predictor_settings(behaviour, tiny_base, batch=4), trained[0], quiet)


@pytest.mark.parametrize(("kind", "fixture"), [("predictor", "trained"), ("policy", "written")])
def test_the_adapter_says_what_it_is(
    kind: AdapterKind, fixture: str, behaviour: Path, tiny_base: Path, request: pytest.FixtureRequest
) -> None:
    out, metrics = request.getfixturevalue(fixture)
    adapter = load_adapter(out)
    users = users_of(predictor_settings(behaviour, tiny_base))
    assert (adapter.kind, adapter.base) == (kind, base_of(str(tiny_base)))
    assert adapter.templates == load_prompts().hashes_for(kind)
    assert adapter.users == {user_hash("coves", user.user) for user in users.train}
    assert not adapter.users & {user_hash("coves", user.user) for user in users.validation}
    assert str(tiny_base) not in (out / "adapter_config.json").read_text("utf-8")
    assert metrics["provenance"]["versions"].keys() >= {"torch", "transformers", "peft", "trl"}
    assert metrics["users"] == {"coves": len(users.train)}
    examples = {"predictor": {"readings", "predictor"}, "policy": {"lessons", "coldstart"}}[kind]
    assert metrics["recipes"].keys() == {"behaviour", "persona", "evidence", "describer", "adapter", *examples}
    assert training_record(adapter).recipes == metrics["recipes"]
    assert len(metrics["code"]) == 1


def test_the_card_says_which_item_knowledge_was_learnt(
    trained: tuple[Path, dict[str, Any]], behaviour: Path, tiny_base: Path, tmp_path: Path
) -> None:
    settings = predictor_settings(behaviour, tiny_base, steps=2, item_knowledge="population")
    metrics = train_predictor(settings, tmp_path / "known", quiet)
    adapter = load_adapter(tmp_path / "known")
    assert adapter.templates == {**load_prompts().hashes_for("predictor"), "item_knowledge": words_hash()}
    assert training_record(adapter).settings["item_knowledge"] == metrics["settings"]["item_knowledge"] == "population"
    for source, folder, notes in (("population", "known", 0), ("none", "known", 1), ("population", trained[0], 1)):
        assert len(adapter_notes(source, "transformers", [str(tmp_path / folder)])) == notes
    assert check_adapter("predictor", tmp_path / "known", load_prompts().hashes_for("predictor")).digest
    card = json.loads((tmp_path / "known" / "deeper.json").read_text("utf-8"))
    card["templates"]["item_knowledge"] = "00000000"
    (tmp_path / "known" / "deeper.json").write_text(json.dumps(card), "utf-8")
    with pytest.raises(UserError, match="another text of the prompt item_knowledge"):
        check_adapter("predictor", tmp_path / "known", load_prompts().hashes_for("predictor"))


def test_the_adapter_is_what_was_validated_last(
    trained: tuple[Path, dict[str, Any]], behaviour: Path, tiny_base: Path
) -> None:
    from peft import PeftModel

    from deeper.engine.torch.model import load_model
    from deeper.learning.examples.readings import validation_readings
    from deeper.learning.examples.user_windows import one_prefix_each
    from deeper.learning.training.predictor import Encoder, validate

    out, metrics = trained
    model, tokenizer = load_model(str(tiny_base), "cpu", torch.float32)
    users = users_of(predictor_settings(behaviour, tiny_base))
    readings = validation_readings(one_prefix_each(users.validation, 1), {}, 1)
    examples = [Encoder(tokenizer, load_prompts())(reading) for reading in readings]
    first, *_, last = metrics["validation"]
    assert validate(model, examples) | {"step": 0} == pytest.approx(first, abs=1e-4)
    found = validate(PeftModel.from_pretrained(model, out), examples)
    assert found | {"step": 6} == pytest.approx(last, abs=1e-4)
    assert last["crps"] != first["crps"]


def test_a_training_goes_on_with_an_adapter(
    trained: tuple[Path, dict[str, Any]], behaviour: Path, tiny_base: Path, tmp_path: Path
) -> None:
    out, metrics = trained
    settings = predictor_settings(behaviour, tiny_base, fold="b", adapter=str(out))
    further = train_predictor(settings, tmp_path / "further", quiet)
    first, last = further["validation"][0], metrics["validation"][-1]
    assert first | {"step": 0} == pytest.approx(last | {"step": 0}, abs=1e-4)
    everyone = users_of(predictor_settings(behaviour, tiny_base, fold="all")).train
    adapter = load_adapter(tmp_path / "further")
    assert adapter.users == {user_hash("coves", user.user) for user in everyone}
    assert adapter.provenance["before"] == load_adapter(out).provenance


def test_an_adapter_that_does_not_fit_is_not_gone_on_with(
    trained: tuple[Path, dict[str, Any]], behaviour: Path, tiny_base: Path, tmp_path: Path
) -> None:
    other = coldstart_settings(behaviour, tiny_base, adapter=str(trained[0]))
    with pytest.raises(UserError, match="of a predictor, not of a policy"):
        train_coldstart(other, tmp_path / "other", quiet)
    wider = predictor_settings(behaviour, tiny_base, adapter=str(trained[0]), rank=4)
    with pytest.raises(UserError, match="the adapter has rank 2") as refusal:
        train_predictor(wider, tmp_path / "wider", quiet)
    assert "--rank 2" in str(refusal.value)


@pytest.mark.parametrize("fold", ["a", "b"])
def test_folds_share_no_user_and_validation_is_apart(fold: str, behaviour: Path, tiny_base: Path) -> None:
    chosen = users_of(predictor_settings(behaviour, tiny_base, fold=fold, validation_users=100))
    assert {part("coves", user.user) for user in chosen.train} == {fold}
    assert {part("coves", user.user) for user in chosen.validation} == {"validation"}
    everyone = users_of(predictor_settings(behaviour, tiny_base, fold="all"))
    assert {user.user for user in chosen.train} < {user.user for user in everyone.train}
    fewer = users_of(predictor_settings(behaviour, tiny_base, fold=fold, users=2))
    assert {user.user for user in fewer.train} < {user.user for user in chosen.train}


def test_domains_are_chosen_by_id_or_by_the_name_of_their_published_folder(behaviour: Path, tiny_base: Path) -> None:
    both = predictor_settings(behaviour, tiny_base).model_copy(update={"data": (str(behaviour), "movielens_small")})
    for chosen in (("coves",), ("coves", "movielens_small")):
        users = users_of(both.model_copy(update={"domains": chosen}))
        assert {user.domain.id for user in users.train} == set(chosen)
    with pytest.raises(UserError, match="the data has no domain amazon_books"):
        users_of(predictor_settings(behaviour, tiny_base, domains=("amazon_book",)))


def test_a_loss_that_is_no_number_ends_the_training_and_keeps_what_was_good(
    behaviour: Path, tiny_base: Path, tmp_path: Path
) -> None:
    settings = predictor_settings(behaviour, tiny_base, learning_rate=1e38, save_every=1, warmup=0.5)
    with pytest.raises(UserError, match="the loss is nan at step 3"):
        train_predictor(settings, tmp_path / "out", quiet)
    assert not (tmp_path / "out" / "deeper.json").exists()
    newest = newest_whole(tmp_path / "out")
    assert newest is not None
    state = json.loads((newest / "trainer_state.json").read_text("utf-8"))
    assert state["global_step"] == 2


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no room for a checkpoint"),
        (RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"), "no room for a checkpoint"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "the GPU's memory is full"),
    ],
)
def test_a_full_disk_or_gpu_is_said_in_words(
    error: Exception, what: str, behaviour: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Trainer

    save = Trainer._save_optimizer_and_scheduler  # pyright: ignore[reportPrivateUsage]

    def fail(self: Any, folder: str) -> None:
        if folder.endswith("-4"):
            raise error
        save(self, folder)

    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", fail)
    settings = predictor_settings(behaviour, tiny_base)
    with pytest.raises(UserError, match=what) as caught:
        train_predictor(settings, tmp_path / "out", quiet)
    assert ("choose another --out" if isinstance(error, torch.OutOfMemoryError) else "continues") in caught.value.do
    monkeypatch.undo()
    shown: list[int] = []
    train_predictor(settings, tmp_path / "out", lambda progress: shown.append(progress.step))
    assert shown == [3, 4, 5, 6]


def test_other_errors_are_not_taken_for_a_full_disk(behaviour: Path, tiny_base: Path, tmp_path: Path) -> None:
    def fail(progress: Progress) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        train_predictor(predictor_settings(behaviour, tiny_base), tmp_path / "out", fail)


def test_only_whole_checkpoints_count_and_the_others_go(tmp_path: Path) -> None:
    assert newest_whole(tmp_path) is None
    for step, sizes in {9: {"a": 3}, 10: {"a": 3}, 11: {"a": 4}, 12: None}.items():
        folder = tmp_path / CHECKPOINTS / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "a").write_text("abc", "utf-8")
        if sizes:
            (folder / WHOLE).write_text(json.dumps(sizes), "utf-8")
    newest = newest_whole(tmp_path)
    assert newest is not None
    assert newest.name == "checkpoint-10"
    assert sorted(os.listdir(tmp_path / CHECKPOINTS)) == ["checkpoint-10", "checkpoint-9"]


@pytest.mark.parametrize(("layers", "expected"), [("all", {0, 1}), ("upper", {1})])
def test_lora_is_all_that_learns(layers: Any, expected: set[int], tiny_base: Path) -> None:
    from deeper.engine.torch.model import load_model

    model, _ = load_model(str(tiny_base), "cpu")
    plan = trainer.TrainingPlan(1, 1, 1, 1e-3, 0, 2, 4, layers, 1, 1, seed=1)
    names = [name for name, value in with_lora(model, plan).named_parameters() if value.requires_grad]
    assert all("lora_" in name for name in names)
    assert {int(name.split(".layers.")[1].split(".")[0]) for name in names} == expected
    assert len(names) == 2 * 7 * len(expected)


def test_a_step_in_one_batch_or_in_parts_is_the_same(behaviour: Path, tiny_base: Path, tmp_path: Path) -> None:
    found: list[list[tuple[int, float]]] = []
    for n in (1, 2):
        settings = predictor_settings(behaviour, tiny_base, steps=2, micro_batch=n)
        found.append(losses(train_predictor(settings, tmp_path / str(n), quiet)))
    for (_, one), (_, other) in zip(*found, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("train", ["predictor", "coldstart"])
def test_bfloat16_is_nearly_the_same_where_the_processor_has_it(
    train: str, behaviour: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without instructions for it torch computes the same, only slowly.
    monkeypatch.setattr(trainer, "number_type", {"exact": "f32", "fast": "bf16"}.get)
    run, settings = (
        (train_predictor, predictor_settings) if train == "predictor" else (train_coldstart, coldstart_settings)
    )
    exact, rounded = (
        [loss for _, loss in losses(run(settings(behaviour, tiny_base, precision=name), tmp_path / name, quiet))]
        for name in ("exact", "fast")
    )
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.05)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has bfloat16")
def test_bfloat16_is_refused_where_the_processor_has_none(
    behaviour: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openvino.Core.get_property", lambda *_: ["FP32"])
    with pytest.raises(UserError, match="no instructions for bfloat16"):
        train_predictor(predictor_settings(behaviour, tiny_base, precision="fast"), tmp_path / "out", quiet)


def test_it_learns(behaviour: Path, tiny_base: Path, tmp_path: Path) -> None:
    settings = predictor_settings(behaviour, tiny_base, steps=10, batch=2, rank=8, validate_every=10)
    metrics = train_predictor(settings, tmp_path / "out", quiet)
    found = [loss for _, loss in losses(metrics)]
    assert sum(found[-3:]) < 0.7 * sum(found[:3])


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"cutoff": 64}, "12 of 12 examples have more than 64 tokens"),
        ({"cutoff": 400, "over_cutoff": "refuse"}, "examples have more than 400 tokens"),
        ({"domains": ("reefs",)}, "reefs"),
        ({"personas": ("nowhere.parquet",)}, "the table of personas cannot be read"),
    ],
)
def test_bad_settings(changes: dict[str, Any], what: str, behaviour: Path, tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=what):
        train_predictor(predictor_settings(behaviour, tiny_base, **changes), tmp_path / "out", quiet)
    assert not (tmp_path / "out" / "deeper.json").exists()


def test_longer_examples_are_dropped_and_counted(behaviour: Path, tiny_base: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from deeper.learning.examples.readings import training_readings
    from deeper.learning.training.fit_expected_ratings import fit_expected_ratings
    from deeper.learning.training.predictor import Encoder

    settings = predictor_settings(behaviour, tiny_base, steps=2)
    encode = Encoder(AutoTokenizer.from_pretrained(tiny_base), load_prompts())
    readings, _ = training_readings(users_of(settings).train, {}, 4, settings.seed, fit_expected_ratings)
    lengths = sorted(encode(reading).tokens for reading in readings)
    assert lengths[1] < lengths[2]
    metrics = train_predictor(settings.model_copy(update={"cutoff": lengths[1]}), tmp_path / "out", quiet)
    assert metrics["over_cutoff"] == 2
    assert len(metrics["loss"]) == 2


def test_without_train_users_nothing_begins(tiny_base: Path, tmp_path: Path) -> None:
    data = write_behaviour(tmp_path / "few", users=2)
    with pytest.raises(UserError, match="there are no train users"):
        train_predictor(predictor_settings(data, tiny_base, fold="b"), tmp_path / "out", quiet)


def test_a_user_in_two_splits_or_folders_is_refused(behaviour: Path, tiny_base: Path, tmp_path: Path) -> None:
    other = write_behaviour(tmp_path / "other", users=40)
    settings = predictor_settings(behaviour, tiny_base)
    settings = settings.model_copy(update={"data": (str(behaviour), str(other))})
    with pytest.raises(UserError, match="of coves occurs twice"):
        users_of(settings)


def test_the_missing_extra_is_named(
    behaviour: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "find_spec", lambda name: None if name in ("trl", "peft") else object())
    with pytest.raises(UserError, match=r"not installed \(peft, trl\)") as caught:
        train_predictor(predictor_settings(behaviour, tiny_base), tmp_path / "out", quiet)
    assert caught.value.do == install_extra("train")
    assert not (tmp_path / "out").exists()


def test_an_adapter_that_was_half_saved_is_in_nobodys_way(tmp_path: Path) -> None:
    class Model:
        def save_pretrained(self, folder: Path) -> None:
            folder.mkdir()
            (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "/somewhere"}')
            (folder / "adapter_model.safetensors").write_bytes(b"weights")

    folder = RunFolder(tmp_path / "run", PredictorSettings())
    (folder.path / ".adapter").mkdir(parents=True)
    (folder.path / ".adapter" / "adapter_model.safetensors").write_bytes(b"half")
    with folder.held():
        save_adapter(Model(), folder.path)
    assert (folder.path / "adapter_model.safetensors").read_bytes() == b"weights"
    assert folder.read_json("adapter_config.json") == {"base_model_name_or_path": None}
    assert not (folder.path / ".adapter").exists()


def test_no_room_for_the_adapter_is_said_in_words(tmp_path: Path) -> None:
    class Model:
        def save_pretrained(self, folder: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match="no room for a checkpoint") as caught:
        save_adapter(Model(), tmp_path)
    assert caught.value.where == str(tmp_path)
    assert not (tmp_path / "adapter_config.json").exists()
