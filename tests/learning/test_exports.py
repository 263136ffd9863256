"""Exports: what LLaMA-Factory and the hub's readers find in the files, whatever the texts hold."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from export_cases import DOMAIN, NASTY, pair, put_on_hub, table, users, write_pair_folder, write_policy

from deeper.behaviour.load import load_windows
from deeper.behaviour.published.hub_pairs import read_pairs as read_published_pairs
from deeper.behaviour.published.hub_personas import read_personas
from deeper.commands.execution.engines import check_adapter
from deeper.commands.export.to_hub import HubOptions, export_hub
from deeper.commands.export.to_llamafactory import export_llamafactory
from deeper.commands.pairs.pair_folder import read_pairs
from deeper.commands.train.settings import DPO_PRESETS, DpoSettings
from deeper.engine.adapter import load_adapter
from deeper.engine.openvino.weights import WHEEL_SHA256
from deeper.errors import UserError
from deeper.learning.export.hub_cards import without_places
from deeper.learning.export.llamafactory_files import Iteration, LlamaFactoryOptions, llamafactory_files, yaml_scalar
from deeper.persona.schema import PERSONA
from deeper.storage.hub import is_hub_name
from deeper.storage.settings import resolve

OPTIONS = LlamaFactoryOptions("someone/model", "llama3", starts_from_adapter=False)
PUBLISHED = {
    "stage": "dpo", "finetuning_type": "lora", "lora_target": "all", "lora_rank": 16, "lora_alpha": 32,
    "lora_dropout": 0.2, "pref_beta": 0.2, "pref_loss": "sigmoid", "pref_ftx": 0.1, "learning_rate": 5e-6,
    "lr_scheduler_type": "cosine", "warmup_steps": 250, "num_train_epochs": 4.0, "max_grad_norm": 1.0, "bf16": True,
    "per_device_train_batch_size": 4, "gradient_accumulation_steps": 8, "cutoff_len": 2048, "eval_steps": 100,
    "save_steps": 100,
}  # fmt: skip


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub of which only the cache can be reached."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def front_matter(card: str) -> dict[str, Any]:
    """The YAML header of a card, which must end where it should."""
    start, header, body = card.split("---\n", 2)
    assert start == "" and body.startswith("\n# ")
    return yaml.safe_load(header)


class TestLlamaFactory:
    def files(
        self, *rows: dict[str, Any], iterations: int = 1, options: LlamaFactoryOptions = OPTIONS
    ) -> dict[str, str]:
        return llamafactory_files([Iteration(table(list(rows)), table([pair("v")]))] * iterations, options)

    def test_the_published_settings_are_in_both_files(self) -> None:
        files = self.files(pair("u"), iterations=2)
        for number in (1, 2):
            read = yaml.safe_load(files[f"iteration_{number}.yaml"])
            assert {name: read[name] for name in PUBLISHED} == PUBLISHED
            assert read["dataset"] == f"deeper_iteration_{number}"
            assert "val_size" not in read and "create_new_adapter" not in read and "ref_model" not in read

    def test_the_preset_paper_trains_the_same(self) -> None:
        read = yaml.safe_load(self.files(pair("u"))["iteration_1.yaml"])
        paper = resolve(DpoSettings, None, {"pairs": "pairs"}, DPO_PRESETS["paper"])
        assert paper.layers == "all"
        assert paper.batch == read["per_device_train_batch_size"] * read["gradient_accumulation_steps"]
        same = {
            "beta": "pref_beta", "sft_weight": "pref_ftx", "rank": "lora_rank", "alpha": "lora_alpha",
            "learning_rate": "learning_rate", "epochs": "num_train_epochs", "warmup_steps": "warmup_steps",
            "micro_batch": "per_device_train_batch_size", "cutoff": "cutoff_len", "save_every": "save_steps",
            "validate_every": "eval_steps",
        }  # fmt: skip
        assert {ours: getattr(paper, ours) for ours in same} == {ours: read[theirs] for ours, theirs in same.items()}

    def test_iteration_2_goes_on_where_iteration_1_ends(self) -> None:
        files = self.files(pair("u"), iterations=2)
        first, second = (yaml.safe_load(files[f"iteration_{number}.yaml"]) for number in (1, 2))
        assert "adapter_name_or_path" not in first
        assert second["adapter_name_or_path"] == first["output_dir"] != second["output_dir"]
        started = self.files(pair("u"), options=LlamaFactoryOptions("m", "", starts_from_adapter=True))
        read = yaml.safe_load(started["iteration_1.yaml"])
        assert read["adapter_name_or_path"] == "policy_adapter" and "template" not in read

    def test_data_sets_are_declared_with_the_columns_they_have(self) -> None:
        files = self.files(pair("u"), pair("w", 2), iterations=2)
        info = json.loads(files["dataset_info.json"])
        assert len(info) == 4
        for name, entry in info.items():
            assert entry["file_name"] == f"{name}.jsonl" and entry["ranking"] is True
            for line in files[entry["file_name"]].splitlines():
                assert set(entry["columns"].values()) == set(json.loads(line))
        first = json.loads(files["deeper_iteration_1.jsonl"].splitlines()[0])
        assert first["system"] == "You refine personas." and first["instruction"] == "Silent Cove 0: 4"
        assert first["chosen"].startswith("Loves") and first["rejected"].startswith("Hates")

    def test_without_validation_pairs_nothing_is_judged(self) -> None:
        files = llamafactory_files([Iteration(table([pair("u")]), table([]))], OPTIONS)
        assert set(files) == {"deeper_iteration_1.jsonl", "dataset_info.json", "iteration_1.yaml"}
        assert not {"eval_dataset", "eval_strategy"} & set(yaml.safe_load(files["iteration_1.yaml"]))

    def test_text_is_neither_control_token_nor_slot_and_stays_on_its_line(self) -> None:
        prompt = [{"role": "system", "content": NASTY}, {"role": "user", "content": NASTY}]
        written = self.files(pair("u", prompt=prompt, chosen=NASTY))["deeper_iteration_1.jsonl"]
        assert written.count("\n") == 1
        for name, text in json.loads(written).items():
            assert name == "rejected" or text.replace("< ", "<").replace("{ {", "{{") == NASTY
            for token in ("<|im_end|>", "</s>", "{{content}}", "{{idx}}"):
                assert token not in text

    @pytest.mark.parametrize(
        "value", [NASTY, "yes", "1e5", "null", "~", "- a", "a: b", "", " x ", "5e-06", 5e-6, 0.2, 4, True]
    )
    def test_scalars_are_read_as_they_were(self, value: Any) -> None:
        text = f"a: {yaml_scalar(value)}\nb: 1\n"
        assert len(text.splitlines()) == 2
        assert yaml.safe_load(text) == {"a": value, "b": 1}

    def test_iterations_without_pairs_are_refused(self) -> None:
        with pytest.raises(UserError, match="iteration 1 has no pairs"):
            llamafactory_files([Iteration(table([]), table([]))], OPTIONS)

    def test_other_prompts_than_a_system_and_a_user_message_are_refused(self) -> None:
        with pytest.raises(UserError, match="not one system and one user message"):
            self.files(pair("u", prompt=[{"role": "user", "content": "x"}]))


class TestLlamaFactoryFolder:
    @pytest.fixture
    def folders(self, tmp_path: Path) -> list[str]:
        train, held = users("b", 3), users("validation", 2)
        first = write_pair_folder(tmp_path / "p1", [pair(user) for user in train], [pair(user) for user in held])
        second = write_pair_folder(tmp_path / "p2", [pair(user, 2) for user in train], [])
        return [str(first), str(second)]

    def test_the_folder_is_whole_and_names_no_place(self, folders: list[str], tmp_path: Path) -> None:
        adapter = write_policy(tmp_path / "cold")
        counts = export_llamafactory(folders, tmp_path / "out", policy_adapter=str(adapter))
        assert counts == {
            "iteration 1, train": 3, "iteration 1, validation": 2,
            "iteration 2, train": 3, "iteration 2, validation": 0,
        }  # fmt: skip
        assert load_adapter(tmp_path / "out" / "policy_adapter").digest == load_adapter(adapter).digest
        for path in (tmp_path / "out").glob("*.*"):
            assert str(tmp_path) not in path.read_text("utf-8")
        read = yaml.safe_load((tmp_path / "out" / "iteration_1.yaml").read_text("utf-8"))
        assert (read["model_name_or_path"], read["template"]) == ("meta-llama/Llama-3.1-8B-Instruct", "llama3")

    def test_what_was_written_can_be_read_as_published_pairs(self, folders: list[str], tmp_path: Path) -> None:
        export_llamafactory(folders, tmp_path / "out")
        read = read_published_pairs(tmp_path / "out" / "deeper_iteration_1.jsonl").to_pylist()
        assert read[0]["prompt"] == "You refine personas.\n\nSilent Cove 0: 4" and len(read) == 3

    def test_a_user_learnt_from_in_one_iteration_and_judged_in_the_other_is_refused(self, tmp_path: Path) -> None:
        user, other = users("b", 2)
        first = write_pair_folder(tmp_path / "p1", [pair(user)], [])
        second = write_pair_folder(tmp_path / "p2", [pair(other)], [pair(user)])
        with pytest.raises(UserError, match="the pairs to learn from include 1 validation users"):
            export_llamafactory([str(first), str(second)], tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_different_prompts_are_refused(self, folders: list[str], tmp_path: Path) -> None:
        other = write_pair_folder(tmp_path / "p3", [pair(users("b", 1)[0])], [], templates={"refine": "88bb"})
        with pytest.raises(UserError, match=r"different prompts \(refine\)"):
            export_llamafactory([folders[0], str(other)], tmp_path / "out")
        adapter = write_policy(tmp_path / "cold", templates={"refine": "88bb"})
        with pytest.raises(UserError, match="trained with another text of the prompt refine"):
            export_llamafactory(folders, tmp_path / "out", policy_adapter=str(adapter))


class TestHub:
    def test_windows_and_contexts_are_read_back(self, tmp_path: Path) -> None:
        loaded = load_windows(DOMAIN)
        for kind in ("windows", "contexts"):
            export_hub(kind, DOMAIN, tmp_path / kind, HubOptions())
            header = front_matter((tmp_path / kind / "README.md").read_text("utf-8"))
            paths = [part["path"] for config in header["configs"] for part in config["data_files"]]
            assert paths and all((tmp_path / kind / path).is_file() for path in paths)
            assert (tmp_path / kind / "MOVIELENS-LICENSE.txt").is_file()
        again = load_windows(str(tmp_path / "windows")).windows
        assert again.num_rows == loaded.windows.num_rows
        assert again.select(["user", "split", "k"]).equals(loaded.windows.select(["user", "split", "k"]))
        titles = [[item["title"] for item in row] for row in loaded.windows["items"].to_pylist()]
        assert [[item["title"] for item in row] for row in again["items"].to_pylist()] == titles
        assert 0 < load_windows(str(tmp_path / "contexts")).windows.num_rows <= loaded.windows.num_rows

    def test_pairs_are_read_back_in_both_forms(self, tmp_path: Path) -> None:
        user, held = users("b", 1)[0], users("validation", 1)[0]
        settings = {"config": {"force": False, "note": NASTY, "place": "/secret/place/pairs"}}
        folder = write_pair_folder(tmp_path / "p", [pair(user, chosen=NASTY)], [pair(held)], **settings)
        export_hub("pairs", str(folder), tmp_path / "out", HubOptions(license="cc-by-4.0"))
        assert read_pairs(tmp_path / "out").train.equals(read_pairs(folder).train)
        [published] = read_published_pairs(tmp_path / "out" / "train.json").to_pylist()
        assert published["chosen"] == NASTY
        header = front_matter((tmp_path / "out" / "README.md").read_text("utf-8"))
        assert header["license"] == "cc-by-4.0" and header["size_categories"] == ["n<1K"]
        assert [part["split"] for part in header["configs"][0]["data_files"]] == ["train", "validation"]
        for path in (tmp_path / "out").iterdir():
            assert b"/secret" not in path.read_bytes()

    def test_personas_evolve_from_the_shared_first_one(self, tmp_path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        def row(method: str, k: int, text: str, stage: str = "final") -> dict[str, Any]:
            return {
                "id": f"{method}{k}{stage}", "user": "u1", "domain": DOMAIN, "method": method, "k": k, "stage": stage,
                "text": text, "parent": None, "engine": "e", "prompt_version": "p", "seed": 1, "tokens": 3, "leaks": [],
                "failure": "",
            }  # fmt: skip

        rows = [row("initialise", 0, NASTY), row("refine", 1, "likes coves"), row("frozen", 0, "x"),
                row("hierarchical_merge", 1, "both"), row("hierarchical_merge", 1, "x", "short_term")]  # fmt: skip
        run = tmp_path / "run"
        run.mkdir()
        pq.write_table(pa.Table.from_pylist(rows, schema=PERSONA), run / "personas.parquet")
        (run / "manifest.json").write_text(json.dumps({"commit": "abc", "config": {"data": "/secret/d"}}), "utf-8")
        export_hub("personas", str(run), tmp_path / "out", HubOptions())
        found = {(r["method"], r["k"]): r["text"] for r in read_personas(tmp_path / "out").to_pylist()}
        assert found == {
            ("refine", 0): NASTY, ("refine", 1): "likes coves",
            ("hierarchical_merge", 0): NASTY, ("hierarchical_merge", 1): "both",
        }  # fmt: skip
        card = (tmp_path / "out" / "README.md").read_text("utf-8")
        assert len(front_matter(card)["configs"]) == 4 and "/secret" not in card

    def test_an_adapter_is_read_back_and_tells_what_it_is(self, tmp_path: Path) -> None:
        made = {
            "settings": {"data": ["/secret/ratings"], "learning_rate": 0.001, "report_to": NASTY},
            "users": {"movielens_small": 7, NASTY: 1},
            "steps": 20,
            "seed": 3,
            "provenance": {"commit": "abc", "versions": {"torch": "2.13"}},
        }
        source = write_policy(tmp_path / "a", kind="predictor", base=WHEEL_SHA256[:12], provenance=made)
        looks = [{"step": 0, "mae": 0.9}, {"step": 20, "mae": 0.5, "vs_user_median": 1.01}]
        (source / "metrics.json").write_text(json.dumps({"validation": looks, "alarms": [NASTY]}), "utf-8")
        export_hub("adapter", str(source), tmp_path / "out", HubOptions(license="apache-2.0"))
        assert load_adapter(tmp_path / "out").digest == load_adapter(source).digest
        assert load_adapter(tmp_path / "out").users == {"ff00"}
        config = json.loads((tmp_path / "out" / "adapter_config.json").read_text("utf-8"))
        assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
        card = (tmp_path / "out" / "README.md").read_text("utf-8")
        header = front_matter(card)
        assert (header["license"], header["base_model"]) == ("apache-2.0", "HuggingFaceTB/SmolLM2-135M-Instruct")
        for told in ("deeper train predictor", "| mae | 0.9000 | 0.5000 |", "MovieLens", "| seed | 3 |", "abc"):
            assert told in card
        assert card.count("\n## ") == 4
        for path in (tmp_path / "out").iterdir():
            assert b"/secret" not in path.read_bytes()

    def test_the_card_of_an_adapter_tells_of_every_training(self, tmp_path: Path) -> None:
        first = {"settings": {"data": ["/secret/x"]}, "users": {"food_com": 3}, "steps": 500, "seed": 3}
        made = {"settings": {"pairs": "y"}, "users": {"movielens_small": 2}, "steps": 24, "pairs": 66, "before": first}
        source = write_policy(tmp_path / "a", base=WHEEL_SHA256[:12], provenance=made)
        export_hub("adapter", str(source), tmp_path / "out", HubOptions())
        card = (tmp_path / "out" / "README.md").read_text("utf-8")
        assert "/secret" not in card and "Data: not known" not in card
        told = (
            "| train users, each once | 1 |", "### Training 1", "food\\_com 3 |", "| steps | 500 |",
            "deeper train coldstart", "### Training 2", "movielens\\_small 2 |", "| pairs | 66 |", "deeper train dpo",
            "- food\\_com: Food.com", "- movielens\\_small: MovieLens",
        )  # fmt: skip
        places = [card.find(text) for text in told]
        assert -1 not in places and places == sorted(places)

    def test_data_that_a_training_does_not_tell_is_not_passed_over(self, tmp_path: Path) -> None:
        made = {"users": {"food_com": 2}, "before": {"steps": 500}}
        source = write_policy(tmp_path / "a", base=WHEEL_SHA256[:12], provenance=made)
        export_hub("adapter", str(source), tmp_path / "out", HubOptions())
        terms = (tmp_path / "out" / "README.md").read_text("utf-8").partition("## Terms")[2]
        assert "Food.com" in terms and "- Data: not known" in terms

    def test_the_base_of_an_adapter_must_be_known(self, tmp_path: Path) -> None:
        source = write_policy(tmp_path / "a")
        with pytest.raises(UserError, match="base model is unknown"):
            export_hub("adapter", str(source), tmp_path / "out", HubOptions())
        assert not (tmp_path / "out").exists()
        export_hub("adapter", str(source), tmp_path / "out", HubOptions(base_model="someone/model"))
        assert front_matter((tmp_path / "out" / "README.md").read_text("utf-8"))["base_model"] == "someone/model"

    def test_places_of_a_machine_are_left_out(self) -> None:
        value = {"a": ["/x/y/", "~/z", "C:\\d\\e", "runs/r", "a/b"], "b": {"c": 3, "d": None}}
        assert without_places(value) == {"a": ["y", "z", "e", "runs/r", "a/b"], "b": {"c": 3, "d": None}}
        assert without_places("movielens_small,/x/y, /x/z") == "movielens_small,y, z"
        assert without_places("/x, y/z,movielens_small") == "z,movielens_small"


class TestNames:
    def test_what_could_be_a_path_is_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "runs").mkdir()
        assert is_hub_name("deeper-team/DEEPER-llama-8B")
        for path in ("runs/gone", "/a/b", "./a/b", "../a/b", "a", "a/b/c", "a/", "~/b", ""):
            assert not is_hub_name(path)

    def test_an_adapter_of_another_tool_can_be_a_policy_and_no_predictor(
        self, hub_cache: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        put_on_hub(hub_cache, "model", "someone/DPO-8B", write_policy(tmp_path / "a", with_card=False))
        adapter = check_adapter("policy", Path("someone/DPO-8B"), "77aa")
        assert (adapter.kind, adapter.base, adapter.templates, adapter.users) == (None, "", {}, frozenset())
        assert (adapter.folder / "adapter_model.safetensors").is_file()
        assert "someone/DPO-8B has no deeper.json" in caplog.text
        with pytest.raises(UserError, match=r"the folder is not an adapter \(deeper.json missing\)"):
            check_adapter("predictor", Path("someone/DPO-8B"), "77aa")

    def test_an_adapter_of_ours_is_checked_wherever_it_lies(self, hub_cache: Path, tmp_path: Path) -> None:
        put_on_hub(hub_cache, "model", "someone/writer", write_policy(tmp_path / "a"))
        assert check_adapter("policy", Path("someone/writer"), {"refine": "77aa"}).users == {"ff00"}
        with pytest.raises(UserError, match="adapter of a policy"):
            check_adapter("predictor", Path("someone/writer"), {"refine": "77aa"})

    def test_a_whole_model_is_told_from_an_adapter(self, hub_cache: Path, tmp_path: Path) -> None:
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / "config.json").write_text("{}", "utf-8")
        put_on_hub(hub_cache, "model", "someone/whole", tmp_path / "m")
        with pytest.raises(UserError, match="adapter_config.json, adapter_model.safetensors missing") as caught:
            check_adapter("policy", Path("someone/whole"), {"refine": "77aa"})
        assert "transformers:someone/whole" in caught.value.do

    def test_pairs_and_windows_are_read_by_name(self, hub_cache: Path, tmp_path: Path) -> None:
        folder = write_pair_folder(tmp_path / "p", [pair(users("b", 1)[0])], [])
        put_on_hub(hub_cache, "dataset", "someone/pairs", folder)
        assert read_pairs(Path("someone/pairs")).train.num_rows == 1
        export_hub("contexts", DOMAIN, tmp_path / "c", HubOptions())
        here = load_windows(str(tmp_path / "c")).windows
        put_on_hub(hub_cache, "dataset", "someone/contexts", tmp_path / "c")
        assert load_windows("someone/contexts").windows.equals(here)

    def test_what_is_not_there_is_told(self, hub_cache: Path) -> None:
        with pytest.raises(UserError, match="the data set cannot be fetched") as caught:
            load_windows("someone/nothing")
        assert caught.value.where == "someone/nothing" and "give the folder of a data set" in caught.value.do


class TestAdaptersWithoutACard:
    """On the engine `transformers`: PEFT itself would leave what does not fit without a word."""

    @pytest.fixture
    def adapter(self, tiny_base: Path, tmp_path: Path) -> Path:
        peft = pytest.importorskip("peft")
        from transformers import AutoModelForCausalLM

        config = peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
        peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_base), config).save_pretrained(tmp_path / "a")
        return tmp_path / "a"

    def test_one_that_fits_is_used(self, tiny_base: Path, adapter: Path) -> None:
        from deeper.engine.torch.engine import TransformersEngine

        with_adapter = TransformersEngine(str(tiny_base), adapter, "cpu").fingerprint
        assert load_adapter(adapter, needs_card=False).digest[:12] in with_adapter

    def test_one_of_a_larger_model_is_refused(self, tiny_base: Path, adapter: Path) -> None:
        from safetensors.numpy import load_file, save_file

        from deeper.engine.torch.engine import TransformersEngine

        path = adapter / "adapter_model.safetensors"
        tensors = load_file(path)
        more = {name.replace("layers.1", "layers.7"): value for name, value in tensors.items()}
        save_file(tensors | more, path)
        with pytest.raises(UserError, match=r"does not fit the model \(6 matrices in the file, 4 in the model\)"):
            TransformersEngine(str(tiny_base), adapter, "cpu")
        save_file({name: value[:, :-1] if "lora_A" in name else value for name, value in tensors.items()}, path)
        with pytest.raises(UserError, match="does not fit the model"):
            TransformersEngine(str(tiny_base), adapter, "cpu")
