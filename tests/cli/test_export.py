"""`deeper export`: what it writes and says, and bad input that is told in one message."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import CommandLine

sys.path.append(str(Path(__file__).resolve().parents[1] / "learning"))
from export_cases import pair, users, write_pair_folder, write_policy

from deeper.commands.export.to_hub import KINDS
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE, words_hash
from deeper.persona.prompts.templates import Evidence, load_prompts


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    train, held = users("b", 2), users("validation", 1)
    return str(write_pair_folder(tmp_path / "pairs", [pair(user) for user in train], [pair(held[0])]))


def test_two_iterations_for_llamafactory(deeper: CommandLine, pairs: str) -> None:
    flags = ("--model", "someone/model", "--template", "qwen")
    result = deeper("export", "llamafactory", "--pairs", pairs, "--pairs", pairs, *flags, "--out", "lf")
    assert result.code == 0, result.err
    assert "iteration 1, train 2; iteration 1, validation 1; iteration 2, train 2" in result.out
    assert "llamafactory-cli train iteration_2.yaml" in result.out
    read = yaml.safe_load(Path("lf/iteration_2.yaml").read_text("utf-8"))
    assert (read["model_name_or_path"], read["template"]) == ("someone/model", "qwen")
    assert len(json.loads(Path("lf/dataset_info.json").read_text("utf-8"))) == 4


def pairs_with(folder: Path, evidence: Evidence, asked: str = "Coves: 4") -> str:
    """Pairs of the built-in prompts."""
    templates = load_prompts("", evidence).hashes_for("policy")
    prompt = [{"role": "system", "content": "Refine."}, {"role": "user", "content": asked}]
    rows = [pair(user, prompt=prompt) for user in users("b", 2)]
    return str(write_pair_folder(folder, rows, [], templates=templates))


@pytest.mark.parametrize("evidence", ["none", "kinds"])
def test_llamafactory_asks_as_the_pairs_were_made_and_the_readme_says_how_to_use_the_adapter(
    deeper: CommandLine, tmp_path: Path, evidence: Evidence
) -> None:
    asked = "clearly predicted too low: Crime (great, from seven)\nRefine it."
    made = pairs_with(tmp_path / "made", evidence, asked)
    learnt = write_policy(tmp_path / "policy", templates=load_prompts("", evidence).hashes_for("policy"))
    result = deeper("export", "llamafactory", "--pairs", made, "--policy-adapter", str(learnt), "--out", "lf")
    assert result.code == 0, result.err
    lines = Path("lf/deeper_iteration_1.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["instruction"] for line in lines] == [asked] * 2
    assert f"--policy-adapter saves/iteration_1 --evidence {evidence}`" in Path("lf/README.md").read_text("utf-8")


def test_llamafactory_refuses_an_adapter_and_pairs_of_other_evidence(deeper: CommandLine, tmp_path: Path) -> None:
    made = {evidence: pairs_with(tmp_path / evidence, evidence) for evidence in ("none", "kinds")}
    learnt = write_policy(tmp_path / "policy", templates=load_prompts("", "kinds").hashes_for("policy"))
    refused = deeper("export", "llamafactory", "--pairs", made["none"], "--policy-adapter", str(learnt), "--out", "lf")
    assert refused.code == 2
    assert "trained with evidence kinds, and the pairs were sampled with evidence none" in refused.err
    assert "deeper sample --evidence kinds" in refused.err
    mixed = deeper("export", "llamafactory", "--pairs", made["none"], "--pairs", made["kinds"], "--out", "lf")
    assert mixed.code == 2 and "the same --evidence" in mixed.err
    assert not Path("lf").exists()


def test_own_prompts_are_said_to_have_no_evidence_that_is_known(deeper: CommandLine, pairs: str) -> None:
    assert deeper("export", "llamafactory", "--pairs", pairs, "--out", "lf").code == 0
    assert "--evidence" not in Path("lf/README.md").read_text("utf-8")


def test_the_card_of_an_adapter_gives_the_flags_of_what_it_learnt(deeper: CommandLine, tmp_path: Path) -> None:
    known: dict[str, dict[str, Any]] = {
        " --evidence kinds": {"templates": load_prompts("", "kinds").hashes_for("policy")},
        "": {"templates": load_prompts("", "none").hashes_for("policy")},
        " --item-knowledge population": {
            "kind": "predictor",
            "templates": {**load_prompts().hashes_for("predictor"), ITEM_KNOWLEDGE: words_hash()},
        },
    }
    for number, (flags, card) in enumerate(known.items()):
        source = write_policy(tmp_path / str(number), **card)
        result = deeper("export", "hub", "adapter", str(source), "--base-model", "some/model", "--out", f"hub{number}")
        assert result.code == 0, result.err
        lines = Path(f"hub{number}/README.md").read_text("utf-8").splitlines()
        [command] = [line for line in lines if line.startswith("deeper evaluate ")]
        assert command.endswith(f"-adapter FOLDER_OR_NAME{flags}")


def test_a_folder_for_the_hub(deeper: CommandLine, pairs: str) -> None:
    result = deeper("export", "hub", "pairs", pairs, "--license", "cc0-1.0", "--out", "hub")
    assert result.code == 0, result.err
    assert result.out.startswith("pairs: 2 pairs, train, 1 pairs, validation, 3 users.")
    assert Path("hub/README.md").read_text("utf-8").startswith('---\nlicense: "cc0-1.0"\n')


def test_domains_are_chosen(deeper: CommandLine) -> None:
    result = deeper("export", "hub", "windows", "movielens_small", "--domains", "food_com", "--out", "hub")
    assert result.code == 2 and "the data has no domain food_com" in result.err


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("llamafactory", "--pairs", "./nowhere"), ("nowhere", "no preference pairs")),
        (("llamafactory",), ("--pairs",)),
        (("llamafactory", *("--pairs", "{pairs}") * 3), ("3 folders of pairs", "once for each iteration")),
        (("llamafactory", "--pairs", "{pairs}", "--policy-adapter", "./gone"), ("gone", "no adapter")),
        (("llamafactory", "--pairs", "{pairs}", "--policy-adapter", "{reader}"), ("adapter of a predictor",)),
        (("hub", "adapter", "./gone"), ("gone", "no adapter")),
        (("hub", "adapter", "{reader}"), ("--base-model",)),
        (("hub", "personas", "./gone"), ("gone", "no personas")),
        (("hub", "pairs", "./gone"), ("gone", "no preference pairs")),
        (("hub", "windows", "./gone"), ("no such folder",)),
        (("hub", "contexts", "{own}"), ("hold only built-in domains", "coves")),
        (("hub", "spells", "x"), (*KINDS,)),
    ],
)
def test_bad_input_is_told_in_one_message(
    deeper: CommandLine, pairs: str, data: Path, tmp_path: Path, words: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    places = {"pairs": pairs, "own": data, "reader": write_policy(tmp_path / "reader", kind="predictor")}
    result = deeper("export", *(word.format(**places) for word in words), "--out", "out")
    assert result.code == 2, result
    assert result.out == "" and "Traceback" not in result.err
    for part in parts:
        assert part in result.err
    assert not Path("out").exists()


def test_a_folder_with_something_in_it_is_left_alone(deeper: CommandLine, pairs: str) -> None:
    Path("out").mkdir()
    Path("out/diary.txt").write_text("mine", "utf-8")
    for words in (("llamafactory", "--pairs", pairs), ("hub", "pairs", pairs)):
        result = deeper("export", *words, "--out", "out")
        assert result.code == 2 and "the folder is not empty" in result.err
    assert [path.name for path in Path("out").iterdir()] == ["diary.txt"]
