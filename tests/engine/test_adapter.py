import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tiny_adapter import BASE, CONFIG, random_tensors, shapes, write_adapter

from deeper.engine.adapter import Adapter, check_base, load_adapter, write_card
from deeper.errors import UserError

FILES = ("adapter_config.json", "adapter_model.safetensors", "deeper.json")


def test_what_a_training_writes_is_read(tmp_path: Path) -> None:
    write_adapter(tmp_path, kind="policy", templates={"refine": "77aa"}, users=["ff01", "ff00", "ff01"])
    adapter = load_adapter(tmp_path)
    assert adapter == Adapter(tmp_path, "policy", BASE, {"refine": "77aa"}, frozenset({"ff00", "ff01"}), adapter.digest)
    assert len(adapter.digest) == 64
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)


def test_the_card_is_as_documented_and_in_one_order(tmp_path: Path) -> None:
    card = {"kind": "policy", "base": BASE, "templates": {"refine": "77aa"}, "provenance": {"seed": 3}}
    write_card(tmp_path, users={"ff02", "ff00", "ff01"}, **card)  # type: ignore[arg-type]
    written = json.loads((tmp_path / "deeper.json").read_text("utf-8"))
    assert written == {**card, "users": ["ff00", "ff01", "ff02"]}


def test_a_card_keeps_what_came_before(tmp_path: Path) -> None:
    first = load_adapter(write_adapter(tmp_path / "first", users=["ff00"], provenance={"seed": 1}))
    card = {"kind": "policy", "base": BASE, "templates": {"refine": "77aa"}, "provenance": {"seed": 2}}
    write_card(write_adapter(tmp_path / "second"), users=["ff01"], **card, before=first)  # type: ignore[arg-type]
    second = load_adapter(tmp_path / "second")
    assert second.users == {"ff00", "ff01"}
    assert second.provenance == {"seed": 2, "before": {"seed": 1}}


def test_a_card_of_no_known_kind_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        write_card(tmp_path, kind="judge", base=BASE, templates={}, users=[], provenance={})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_card_whose_provenance_would_not_be_kept_is_refused(tmp_path: Path) -> None:
    card = (write_adapter(tmp_path, provenance={"seed": 1}) / "deeper.json").read_text("utf-8")
    (tmp_path / "deeper.json").write_text(card.replace('"seed":', '"loss": NaN, "seed":'), "utf-8")
    with pytest.raises(UserError, match=r"the adapter's file cannot be read"):
        load_adapter(tmp_path)


class TestDigest:
    def digest(self, folder: Path, **changes: Any) -> str:
        return load_adapter(write_adapter(folder, **changes)).digest

    def test_is_that_of_an_equal_training_elsewhere(self, tmp_path: Path) -> None:
        other = {"base_model_name_or_path": "elsewhere", "target_modules": CONFIG["target_modules"][::-1]}
        assert self.digest(tmp_path / "a") == self.digest(tmp_path / "b", config=other, provenance={"seed": 2})

    @pytest.mark.parametrize(
        "changes", [{"config": {"lora_alpha": 16}}, {"tensors": random_tensors(shapes(), seed=1)}, {"dtype": "F16"}]
    )
    def test_is_another_for_other_changes_to_the_model(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        assert self.digest(tmp_path / "a") != self.digest(tmp_path / "b", **changes)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (write_adapter(tmp_path) / name).unlink()
    with pytest.raises(UserError, match=rf"the folder is not an adapter \({name} missing\)") as caught:
        load_adapter(tmp_path)
    assert caught.value.where == str(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no adapter of this name") as caught:
        load_adapter(tmp_path / "none")
    assert caught.value.where == str(tmp_path / "none")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    "damage", [cut, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"\xff" * 99)]
)
@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_named(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(write_adapter(tmp_path) / name)
    with pytest.raises(UserError, match="the adapter's file cannot be read") as caught:
        load_adapter(tmp_path)
    assert caught.value.where == str(tmp_path / name)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "judge"}, "kind: Input should be 'policy' or 'predictor'"),
        ({"base": None}, "base: Input should be a valid string"),
        ({"users": "ff00"}, "users: Input should be a valid"),
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_card_is_explained(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write_adapter(tmp_path) / "deeper.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(UserError) as caught:
        load_adapter(tmp_path)
    assert message in caught.value.what


def test_a_configuration_that_is_no_object_is_named(tmp_path: Path) -> None:
    (write_adapter(tmp_path) / "adapter_config.json").write_text("[1]", "utf-8")
    with pytest.raises(UserError, match="not a JSON object"):
        load_adapter(tmp_path)


def test_another_base_is_refused(tmp_path: Path) -> None:
    adapter = load_adapter(write_adapter(tmp_path))
    check_base(adapter, BASE)
    with pytest.raises(UserError, match=f"trained on the weights {BASE}, and the engine's are ba9876543210") as caught:
        check_base(adapter, "ba9876543210")
    assert caught.value.where == str(tmp_path)
