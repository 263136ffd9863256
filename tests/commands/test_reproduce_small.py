"""`scripts/reproduce_small.py`: its commands are pinned, deeper accepts them, and the lowest error is chosen."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from shutil import copyfile

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import reproduce_small
from deeper.cli.main import cli
from in_process import run_main
from reproduce_small import choose_policy, train_policy, train_predictor
from reproduction import ROOT, Reproduction

PLANS = Path(__file__).with_name("reproduce_small_plans.txt")
"""Every command, without flags and with --gpu. Change it only together with the settings of the published results."""


@pytest.fixture(name="published")
def fixture_published(tmp_path: Path) -> Path:
    """Empty folders of the published domains."""
    for name in ("food_com", "amazon_clothing_shoes_and_jewelry", "amazon_movies_and_TV", "amazon_book"):
        (tmp_path / "published" / name).mkdir(parents=True)
    return tmp_path / "published"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return run_main(reproduce_small.main, *words)


def test_the_plan_is_the_one_of_the_published_results(published: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    for flags in ((), ("--gpu",)):
        done = run(published, tmp_path / "runs", "--plan", *flags)
        assert done.returncode == 0, done.stderr
        lines += [" ".join(("#", "flags:", *flags)).strip()]
        lines += [line[2:] for line in done.stdout.splitlines() if line.startswith("$ ")]
    plans = "\n".join(lines) + "\n"
    places = {
        str(published): "PUBLISHED",
        str(tmp_path / "runs"): "RUNS",
        str(Path(sys.executable).with_name("deeper")): "deeper",
        sys.executable: "python",
        f"{ROOT}/": "",
        str(ROOT): ".",
    }
    for place, name in places.items():
        plans = plans.replace(place, name)
    assert plans.splitlines() == PLANS.read_text("utf-8").splitlines()


def test_every_command_of_the_plan_is_one_of_deeper(published: Path, tmp_path: Path) -> None:
    done = run(published, tmp_path / "runs", "--plan")
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line[2:]) for line in done.stdout.splitlines() if line.startswith("$ ")]
    ours = [words[1:] for words in commands if Path(words[0]).name == "deeper"]
    for words in ours:
        command: click.Command = cli
        # With the settings that a real call has: what is parsed first decides a command's help flags for good.
        with click.Context(cli, **cli.context_settings) as context:
            while isinstance(command, click.Group):
                name, found, words = command.resolve_command(context, words)  # noqa: PLW2901
                assert found is not None, name
                command = found
            # Refuses flags and values that the command does not have.
            command.make_context(command.name, list(words), parent=context)
    assert {words[0] for words in ours} == {"train", "learn", "reward", "pairs", "evaluate", "demo"}
    assert not (tmp_path / "runs").exists()


def test_eval_users_of_every_domain_are_judged_and_only_some_domains_learnt_from(
    published: Path, tmp_path: Path
) -> None:
    lines = run(published, tmp_path / "runs", "--plan", "--steps", "policy,learn,results").stdout.splitlines()
    policy, learn, results = (line for line in lines if line.startswith("$ "))
    assert "amazon_book" in results
    assert "--split" not in results
    assert "amazon_book" not in policy + learn


def test_ablated_rewards_train_from_the_policy_that_learning_trains_from(published: Path, tmp_path: Path) -> None:
    # `deeper learn` always refers to the policy before; for `deeper train dpo` that is not the default.
    lines = run(published, tmp_path / "runs", "--plan", "--steps", "ablation").stdout.splitlines()
    trainings = [shlex.split(line) for line in lines if "train dpo" in line]
    assert len(trainings) == 4
    for words in trainings:
        assert words[words.index("--reference") + 1] == "previous"


def test_on_a_gpu_batches_are_whole_and_transformers_writes_and_reads(published: Path, tmp_path: Path) -> None:
    steps = ("--plan", "--steps", "policy,learn,ship,results")
    for flags in (("--gpu",), ()):
        lines = run(published, tmp_path / "runs", *steps, *flags).stdout.splitlines()
        policy, learn, together, _, results = (shlex.split(line) for line in lines if line.startswith("$ "))
        whole = policy[policy.index("--batch") + 1]
        assert int(whole) > 1 and policy[policy.index("--micro-batch") + 1] == (whole if flags else "1")
        assert ("--micro-batch" in learn) == ("transformers" in learn) == bool(flags)
        # What ships runs on processors, and is judged there.
        assert "transformers" not in [*together, *results]


def test_rewards_come_from_a_predictor_of_users_that_are_not_sampled(published: Path, tmp_path: Path) -> None:
    plan = run(published, tmp_path / "runs", "--plan", "--steps", "policy,second,learn").stdout.splitlines()
    policy, second, learn = (shlex.split(line) for line in plan if line.startswith("$ "))
    assert policy[policy.index("--fold") + 1] == second[second.index("--fold") + 1] == "a"
    assert learn[learn.index("--predictor-adapter") + 1] == second[second.index("--out") + 1]


def test_a_training_that_is_there_is_not_done_again(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str | Path, ...]] = []
    monkeypatch.setattr(Reproduction, "deeper", lambda _, command, *words: asked.append((command, *words)))
    steps = Reproduction(published, tmp_path, plan_only=False)
    train_policy(steps)
    assert asked[0][0] == "train coldstart" and asked[0][-2:] == ("--out", tmp_path / "policy")
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy/deeper.json").touch()
    train_policy(steps)
    train_predictor(steps)
    assert [words[0] for words in asked] == ["train coldstart", "train predictor"]


def test_an_unknown_step_and_missing_data_say_what_there_is(published: Path, tmp_path: Path) -> None:
    unknown = run(published, tmp_path / "runs", "--steps", "polcy")
    assert unknown.returncode == 2
    assert "no step polcy; choose from start, policy, predictor" in unknown.stderr
    missing = run(tmp_path, tmp_path / "runs")
    assert missing.returncode == 2
    assert "docs/data.md says where" in " ".join(missing.stderr.split())


def test_the_policy_with_the_lowest_error_against_the_median_is_chosen(published: Path, tmp_path: Path) -> None:
    # Means of users, then of domains: two users of one domain weigh as much as one of the other.
    errors = {"before": (0.9, 0.9, 0.6), "1/validation": (0.9, 0.9, 0.3), "2/validation": (0.7, 0.7, 0.7)}
    for name, refine in errors.items():
        rows = [
            {
                "method": method,
                "domain": domain,
                "user": user,
                "round": 1,
                "role": "future",
                "prediction": kind,
                "mae": mae,
            }
            for domain, user, value in zip(("one", "one", "two"), "abc", refine, strict=True)
            for method, kind, mae in (("refine", "persona", value), ("user_median", "none", 0.6))
        ]
        (tmp_path / "learnt" / name).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "learnt" / name / "errors.parquet")
        # Any results will do: only the engines that they name are read.
        copyfile(ROOT / "docs/results/demo.json", tmp_path / "learnt" / name / "results.json")
    choose_policy(Reproduction(published, tmp_path, plan_only=False))
    assert (tmp_path / "chosen").readlink() == tmp_path / "learnt/1/policy"
    ratios = [one["ratio"]["value"] for one in json.loads((tmp_path / "choice.json").read_text("utf-8"))["runs"]]
    assert ratios == pytest.approx([1.25, 1.0, 7 / 6], abs=1e-4)


def test_a_copy_is_whole_or_not_there(published: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/rewards").write_text("new", "utf-8")
    (tmp_path / "place.part").mkdir()
    (tmp_path / "place.part/rest").touch()
    steps = Reproduction(published, tmp_path, plan_only=False)
    steps.copy(tmp_path / "source", tmp_path / "place")
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["rewards"]
    (tmp_path / "place/rewards").write_text("changed", "utf-8")
    steps.copy(tmp_path / "source", tmp_path / "place")
    assert (tmp_path / "place/rewards").read_text("utf-8") == "changed"
