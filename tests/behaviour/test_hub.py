import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deeper.behaviour.published.domain_folder import find_published, read_published
from deeper.behaviour.published.hub_contexts import is_hub, read_hub, write_hub
from deeper.behaviour.published.hub_pairs import PAIR_TEXT, read_pairs, write_pairs
from deeper.behaviour.published.hub_personas import PERSONA_TEXT, find_method, read_personas, write_personas
from deeper.behaviour.published.merge_records import Quirks
from deeper.behaviour.schema import WINDOW
from deeper.errors import UserError

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "published"
REAL_FOLDERS = find_published(PUBLISHED)


def context(user: str, iteration: int, dataset: str = "amazon_book") -> dict[str, Any]:
    numbers = range(iteration - 1, iteration + 2)
    return {
        "id": user,
        "iteration": iteration,
        "item_type": "book",
        "split": "whatever",
        "dataset_name": dataset,
        "source_url": "",
        **{f"U{k}": [4.0] * 10 for k in numbers},
        **{f"I{k}": [f"Lantern &amp; {user}{k}{n}" for n in range(10)] for k in numbers},
    }


def save(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return path


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


class TestContexts:
    @pytest.fixture
    def hub(self, tmp_path: Path) -> Path:
        root = tmp_path / "hub"
        save(root / "user_context_train/iteration_1.json", [context("t", 1), context("t", 1, "google_local")])
        save(root / "user_context_train/iteration_2.json", json.dumps([context("t", 2)], indent=1))
        save(root / "user_context_test/iteration_1.json", lines(context("e", 1), context("gone", 1)))
        save(root / "user_context_test/iteration_2.json", lines(context("e", 2)))
        save(root / "user_context_test/README.json", "not a context")
        return root

    def test_reads_arrays_and_lines_of_many_domains(self, hub: Path) -> None:
        table, quirks = read_hub(hub)
        assert table.schema == WINDOW
        rows = [(row["domain"], row["split"], row["user"], row["k"]) for row in table.to_pylist()]
        assert rows == [
            *(("amazon_books", "eval", "e", k) for k in range(4)),
            *(("amazon_books", "eval", "gone", k) for k in range(3)),
            *(("amazon_books", "train", "t", k) for k in range(4)),
            *(("google_local", "train", "t", k) for k in range(3)),
        ]
        assert table.to_pylist()[0]["items"][0]["title"] == "Lantern & e00"
        assert quirks == Quirks(users_read=4, users_kept=4, users_vanishing=1, users_shortened=1, entities=140)

    def test_writing_and_reading_gives_the_same_table(self, hub: Path, tmp_path: Path) -> None:
        table, _ = read_hub(hub)
        write_hub(table, tmp_path / "out")
        names = [f"user_context_{part}/iteration_{k}.json" for part in ("test", "train") for k in (1, 2)]
        written = sorted((tmp_path / "out").glob("*/*"))
        assert [str(path.relative_to(tmp_path / "out")) for path in written] == names
        assert isinstance(json.loads(written[0].read_text("utf-8")), list)
        assert read_hub(tmp_path / "out")[0].equals(table)

    def test_is_hub(self, hub: Path, tmp_path: Path) -> None:
        assert is_hub(hub)
        assert not is_hub(tmp_path)

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no contexts in the hub layout"):
            read_hub(tmp_path)

    def test_errors_name_file_and_record(self, hub: Path) -> None:
        bad = context("x", 2)
        del bad["I1"]
        path = save(hub / "user_context_train/iteration_2.json", [context("t", 2), bad])
        with pytest.raises(UserError, match="no 'I1'") as caught:
            read_hub(hub)
        assert caught.value.where == f"{path}, record 2"

    def test_unknown_domain(self, hub: Path) -> None:
        path = save(hub / "user_context_test/iteration_3.json", [context("e", 3, "nobody_knows")])
        with pytest.raises(UserError, match="unknown domain") as caught:
            read_hub(hub)
        assert caught.value.where == f"{path}, record 1"

    def test_a_user_in_both_splits(self, hub: Path) -> None:
        save(hub / "user_context_test/iteration_3.json", [context("t", 3)])
        with pytest.raises(UserError, match="user 't' is in both splits"):
            read_hub(hub)

    def test_users_without_a_context_cannot_be_written(self, hub: Path, tmp_path: Path) -> None:
        table, _ = read_hub(hub)
        with pytest.raises(UserError, match="'e' in amazon_books has 2 windows, and a context takes 3"):
            write_hub(table.slice(0, 2), tmp_path / "out")
        assert not (tmp_path / "out").exists()


ALPACA = {"instruction": "Write.", "input": "Seen: x", "chosen": "good", "rejected": "bad"}
SHAREGPT = {
    "conversations": [{"from": "human", "value": "Write.\nSeen: x"}],
    "chosen": {"from": "gpt", "value": "good"},
    "rejected": {"from": "gpt", "value": "bad"},
}
PAIR = {"prompt": "Write.\nSeen: x", "chosen": "good", "rejected": "bad"}


class TestPairs:
    @pytest.mark.parametrize(
        ("record", "pair"),
        [
            (ALPACA, PAIR),
            (ALPACA | {"system": "", "history": [], "margin": 1}, PAIR),
            ({**ALPACA, "input": None}, PAIR | {"prompt": "Write."}),
            (
                {"instruction": "Write.", "chosen": "", "rejected": "bad"},
                {"prompt": "Write.", "chosen": "", "rejected": "bad"},
            ),
            (ALPACA | {"system": "Be brief."}, PAIR | {"prompt": "Be brief.\n\nWrite.\nSeen: x"}),
            (SHAREGPT, PAIR),
            (SHAREGPT | {"chosen": "good", "rejected": "bad"}, PAIR),
            (
                SHAREGPT
                | {
                    "conversations": [
                        {"role": "system", "content": "Be brief."},
                        {"role": "user", "content": "Write."},
                    ],
                    "chosen": {"role": "assistant", "content": "good"},
                },
                PAIR | {"prompt": "Be brief.\n\nWrite."},
            ),
        ],
    )
    def test_reads_both_forms(self, tmp_path: Path, record: dict[str, Any], pair: dict[str, str]) -> None:
        array = read_pairs(save(tmp_path / "array.json", [record, ALPACA]))
        assert array.schema == PAIR_TEXT
        assert array.to_pylist() == [pair, PAIR]
        assert read_pairs(save(tmp_path / "lines.jsonl", lines(record, ALPACA))).equals(array)

    @pytest.mark.parametrize(
        ("record", "message"),
        [
            ({"chosen": "a", "rejected": "b"}, "neither 'instruction' nor 'conversations'"),
            ({"instruction": "x", "rejected": "b"}, "no 'chosen'"),
            ({"instruction": "x", "chosen": "a"}, "no 'rejected'"),
            ({"instruction": 3, "chosen": "a", "rejected": "b"}, "'instruction' is not text"),
            ({"instruction": "x", "chosen": ["a"], "rejected": "b"}, "'chosen' is not text"),
            ({"instruction": "x", "chosen": "\ud800", "rejected": "b"}, "lone surrogate"),
            (ALPACA | {"history": [["a", "b"]]}, "earlier turns"),
            (SHAREGPT | {"conversations": []}, "not one human message"),
            (SHAREGPT | {"conversations": SHAREGPT["conversations"] * 3}, "not one human message"),
            (SHAREGPT | {"conversations": [{"from": "gpt", "value": "x"}]}, "not one human message"),
            (SHAREGPT | {"conversations": ["x"]}, "message is not a JSON object"),
            (SHAREGPT | {"chosen": {"from": "gpt"}}, "no 'value'"),
        ],
    )
    def test_bad_records(self, tmp_path: Path, record: dict[str, Any], message: str) -> None:
        path = save(tmp_path / "pairs.jsonl", lines(ALPACA, record))
        with pytest.raises(UserError, match=message) as caught:
            read_pairs(path)
        assert caught.value.where == f"{path}, line 2"

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="cannot be read .No such file"):
            read_pairs(tmp_path / "none.json")

    def test_writing_and_reading_gives_the_same_pairs(self, tmp_path: Path) -> None:
        rows = [PAIR, {"prompt": 'a "b" {c}\n\nü\u2028', "chosen": " x ", "rejected": ""}]
        pairs = pa.Table.from_pylist(rows, schema=PAIR_TEXT)
        path = tmp_path / "new" / "pairs.json"
        write_pairs(pairs.append_column("user", pa.array(["u", "v"])), path)
        assert list(json.loads(path.read_text("utf-8"))[0]) == ["instruction", "input", "chosen", "rejected"]
        assert read_pairs(path).equals(pairs)
        with pytest.raises(UserError, match="the file exists"):
            write_pairs(pairs, path)
        assert [name.name for name in path.parent.iterdir()] == ["pairs.json"]

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full_disk(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full_disk)
        with pytest.raises(UserError, match="No space left"):
            write_pairs(pa.Table.from_pylist([PAIR], schema=PAIR_TEXT), tmp_path / "pairs.json")
        assert list(tmp_path.iterdir()) == []

    def test_no_pairs(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no pairs to write"):
            write_pairs(PAIR_TEXT.empty_table(), tmp_path / "pairs.json")


class TestPersonas:
    @pytest.mark.parametrize(
        ("published", "ours"),
        [
            ("deeper", "refine"),
            ("DEEPER", "refine"),
            ("refine", "refine"),
            ("incremental_update", "incremental_update"),
            ("IncUpdate", "incremental_update"),
            ("hierarchical_merge", "hierarchical_merge"),
            ("HierMerge", "hierarchical_merge"),
            ("full_regeneration", "full_regeneration"),
            ("Full-Regen", "full_regeneration"),
            ("slide_regeneration", "slide_regeneration"),
            ("SlideRegen", "slide_regeneration"),
        ],
    )
    def test_methods(self, published: str, ours: str) -> None:
        assert find_method(published) == ours

    def test_unknown_method(self, tmp_path: Path) -> None:
        save(tmp_path / "magic/persona_update_1.jsonl", lines({"id": "a"}))
        with pytest.raises(UserError, match="unknown method 'magic'") as caught:
            read_personas(tmp_path)
        assert caught.value.where == str(tmp_path / "magic")

    def test_reads_all_versions_once(self, tmp_path: Path) -> None:
        root = tmp_path / "model_output"
        first = {"id": "a", "dataset_name": "amazon_book", "S0": "likes moths", "S1": "likes lamps"}
        second = {"id": "a", "dataset_name": "amazon_book", "S1": "likes lamps", "P2_1": [4.0], "S2": "both"}
        save(root / "deeper/persona_update_1.jsonl", lines(first))
        save(root / "deeper/persona_update_2.jsonl", [second])
        save(root / "FullRegen/persona_update_1.jsonl", lines(first))
        save(root / "FullRegen/log.txt", "not a persona")
        personas = read_personas(tmp_path)
        assert personas.schema == PERSONA_TEXT
        assert [tuple(row.values()) for row in personas.to_pylist()] == [
            ("a", "amazon_books", "full_regeneration", 0, "likes moths"),
            ("a", "amazon_books", "full_regeneration", 1, "likes lamps"),
            ("a", "amazon_books", "refine", 0, "likes moths"),
            ("a", "amazon_books", "refine", 1, "likes lamps"),
            ("a", "amazon_books", "refine", 2, "both"),
        ]
        assert read_personas(root).equals(personas)
        write_personas(personas, tmp_path / "out")
        assert (tmp_path / "out/deeper/persona_update_2.jsonl").is_file()
        assert read_personas(tmp_path / "out").equals(personas)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"id": None}, "'id' is not text"),
            ({"dataset_name": "nobody_knows"}, "unknown domain"),
            ({"S1": ["x"]}, "'S1' is not text"),
            ({"S1": "another"}, "persona S1 of user 'a' differs"),
        ],
    )
    def test_bad_records(self, tmp_path: Path, change: dict[str, Any], message: str) -> None:
        good = {"id": "a", "dataset_name": "amazon_book", "S1": "likes lamps"}
        path = save(tmp_path / "deeper/persona_update_1.jsonl", lines(good, good | change))
        with pytest.raises(UserError, match=message) as caught:
            read_personas(tmp_path)
        assert caught.value.where == f"{path}, line 2"

    @pytest.mark.parametrize(
        ("key", "message"), [("id", "no 'id'"), ("dataset_name", "no 'dataset_name'"), ("S1", "no persona")]
    )
    def test_missing_keys(self, tmp_path: Path, key: str, message: str) -> None:
        record = {"id": "a", "dataset_name": "amazon_book", "S1": "x", "P1_0": [4.0]}
        del record[key]
        save(tmp_path / "deeper/persona_update_1.jsonl", lines(record))
        with pytest.raises(UserError, match=message):
            read_personas(tmp_path)

    def test_no_files(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no persona files"):
            read_personas(tmp_path)

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([], "no personas to write"),
            ([("a", "refine"), ("a", "refine")], "two personas S0 of user 'a' by refine"),
            ([("a", "frozen")], "unknown method 'frozen'"),
        ],
    )
    def test_cannot_write(self, tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
        values = [{"user": u, "domain": "food_com", "method": m, "k": 0, "text": "x"} for u, m in rows]
        with pytest.raises(UserError, match=message):
            write_personas(pa.Table.from_pylist(values, schema=PERSONA_TEXT), tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.published
@pytest.mark.skipif(not REAL_FOLDERS, reason="no published files at ../shared/data/published")
def test_real_contexts_of_two_domains_through_the_hub_layout(tmp_path: Path) -> None:
    chosen = [folder for folder in REAL_FOLDERS if folder.name.startswith(("amazon_art", "amazon_grocery"))]
    table = pa.concat_tables([read_published(folder)[0] for folder in chosen])
    assert len(chosen) == 2
    write_hub(table, tmp_path / "out")
    again, quirks = read_hub(tmp_path / "out")
    assert again.equals(table.combine_chunks())
    assert quirks.users_kept == quirks.users_read
