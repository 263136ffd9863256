"""The adapters that the package brings: what their cards and licence say."""

import json
from pathlib import Path

import pytest

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.load import load_windows
from deeper.engine.adapter import CARD, SHIPPED, TENSORS, load_adapter
from deeper.engine.openvino.weights import WHEEL_SHA256
from deeper.errors import UserError
from deeper.persona.prompts.templates import load_prompts
from ship_adapters import fingerprints_below

KINDS = ("policy", "predictor")
LIMIT = 20e6
"""Bytes of all that is shipped."""


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_each_kind_is_found_by_its_name(kind: str) -> None:
    adapter = load_adapter(Path(f"small-{kind}"))
    assert (adapter.kind, adapter.base) == (kind, WHEEL_SHA256[:12])
    assert len(adapter.users) > 100


def test_they_have_learnt_from_the_prompts_that_are_here() -> None:
    prompts = load_prompts()
    assert load_adapter(Path("small-policy")).templates == prompts.hashes_for("policy")
    assert load_adapter(Path("small-predictor")).templates == prompts.hashes_for("predictor")


def test_a_folder_of_the_same_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small-policy").mkdir()
    with pytest.raises(UserError, match="the folder is not an adapter"):
        load_adapter(Path("small-policy"))


def test_they_are_small_and_in_half_the_bits() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= LIMIT
    for kind in KINDS:
        with (SHIPPED / f"small-{kind}" / TENSORS).open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        assert {one["dtype"] for name, one in header.items() if name != "__metadata__"} == {"BF16"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_tells_base_data_terms_command_seed_commit_figures_and_limits(kind: str) -> None:
    card = (SHIPPED / f"small-{kind}" / "README.md").read_text("utf-8")
    made = json.loads((SHIPPED / f"small-{kind}" / CARD).read_text("utf-8"))["provenance"]
    for told in ("SmolLM2-135M-Instruct", "cc-by-nc-4.0", "MovieLens", "## Terms", "## Limits", "95 % interval"):
        assert told in card
    assert f"| seed | {made['seed']} |" in card
    assert made["provenance"]["commit"][:12] in card
    for domain, users in made["users"].items():
        assert f"{domain.replace('_', chr(92) + '_')} {users}" in card


def test_fingerprints_of_all_that_was_used_are_shipped_once(tmp_path: Path) -> None:
    for place, windows in (("policy", ["b", "a"]), ("learnt/1/sampled", ["c", "a"])):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "fingerprints.json").write_text(json.dumps({"windows": windows}), "utf-8")
    assert fingerprints_below(tmp_path) == ["a", "b", "c"]
    assert fingerprints_below(tmp_path / "policy" / "none") == []


def test_no_bundled_eval_user_is_among_the_shipped_fingerprints() -> None:
    used = set(json.loads((SHIPPED / FINGERPRINTS).read_text("utf-8"))["windows"])
    rows = load_windows("movielens_small").windows.to_pylist()
    judged, learnt = (
        set(fingerprints([row["items"] for row in rows if row["split"] == split])) for split in ("eval", "train")
    )
    assert judged and not used & judged
    assert used & learnt


def test_their_licence_stands_beside_them() -> None:
    text = (SHIPPED / "LICENSE").read_text("utf-8")
    assert "CC BY-NC 4.0" in text
    assert "10.1145/2827872" in text
