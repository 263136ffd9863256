"""The documents say what the program does: links, flags, settings, columns and the demo's output."""

import io
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console

from deeper.behaviour.planted.plant import TRUTH
from deeper.behaviour.schema import WINDOW
from deeper.cli.main import cli
from deeper.evaluation.methods import METHODS
from deeper.evaluation.results_schema import StageCost, parse_results
from deeper.evaluation.schema import ERROR
from deeper.learning.preferences.schema import CONTEXT, DIRECTION, REWARD
from deeper.persona.prompts.templates import PLACEHOLDERS
from deeper.persona.schema import PERSONA, PREDICTION
from deeper.persona.search import SEARCH
from deeper.report import print_results
from deeper.report.figures import figures
from deeper.storage.stage import COST
from docs_cells import origin
from docs_results import main as docs_results_main
from in_process import run_main

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))}
README_WITH_MARKS = "# Head\n\n<!-- demo:begin -->\nstale\n<!-- demo:end -->\n\nTail\n"

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
GROUPED = "users|raw|check|predictor|coldstart|dpo|llamafactory|hub"
COMMAND = re.compile(rf"(?:^|\s)(?<!from )deeper ((?:[a-z][a-z-]*)(?: (?:{GROUPED}))?)([^\n|>#]*)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def results():
    """A small results.json."""
    entry = {"domain": "sea_glass", "role": "future", "mae": 0.5, "ci": [0.4, 0.6], "rmse": 0.6, "crps": 0.4}
    entry |= {"rank_accuracy": None, "users": 3, "ratings": 30, "search_n": 0, "predictor": "p", "readout": "none"}
    entry |= {"prediction": "none"}
    return {
        "commit": "0123456789abcdef+changes",
        "versions": {},
        "machine": {"system": "Linux", "processor": "A processor", "cores": 2},
        "seed": 7,
        "source": "",
        "notes": [],
        **dict.fromkeys(("config", "calibration", "history", "text"), {}),
        "users": {"sea_glass": 3},
        "errors": [{**entry, "method": "user_median", "round": 0, "calibrated": "off"}],
        "paired": [],
        "reduction": {"across_windows": {}, "same_window": {}},
        **dict.fromkeys(("failures", "persona_failures", "leaks", "unrated"), {}),
        "not_available": [],
        "cost": {"stages": {}, "total": {**dict.fromkeys(StageCost.model_fields, 0), "seconds": 61.4}},
    }


def docs_results(*options):
    return run_main(docs_results_main, *options)


def rendered(root, name, found):
    """A page with the results of one JSON file."""
    (root / "docs" / "results").mkdir(parents=True)
    (root / "docs" / "results" / f"{name}.json").write_text(json.dumps(found), "utf-8")
    (root / "README.md").write_text("", "utf-8")
    page = root / "docs" / "results.md"
    page.write_text(f"<!-- {name}:begin --><!-- {name}:end -->\n", "utf-8")
    assert docs_results("--root", str(root)).returncode == 0
    return page.read_text("utf-8")


def code_of(path):
    return [block or inline for block, inline in CODE.findall(path.read_text("utf-8"))]


def headings(path):
    lines = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def help_of(*words):
    outcome = CliRunner().invoke(cli, [*words, "--help"])
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def commands():
    """The words of all commands, those of groups included."""
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        yield from ([name, sub] for sub in command.commands) if isinstance(command, click.Group) else [[name]]


def tracked():
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: nothing tells which files are tracked")
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            content = (ROOT / name).read_bytes()
            if b"\0" not in content:
                yield name, content.decode("utf-8")


def test_the_documents_hold_the_committed_results():
    outcome = docs_results("--check")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_the_reference_in_the_repository_is_what_the_code_says():
    command = [sys.executable, ROOT / "scripts" / "docs_reference.py", "--check"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    text = (ROOT / "docs" / "reference" / "overview.md").read_text("utf-8")
    for name in (
        "`deeper.errors.UserError(what, *, where='', do='')`",
        "`observe_all(stream)`",
        "| `updater` | empty |",
        "- `deeper demo`:",
    ):
        assert name in text


def test_the_script_writes_what_the_program_prints_and_checks_it(tmp_path):
    readme = tmp_path / "README.md"
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "docs" / "results" / "demo.json").write_text(json.dumps(results()), "utf-8")
    (tmp_path / "docs" / "other.md").write_text("# No results\n", "utf-8")
    readme.write_text(README_WITH_MARKS, "utf-8")
    options = ["--root", str(tmp_path)]

    differs = docs_results("--check", *options)
    assert differs.returncode == 1 and "README.md does not hold" in differs.stdout
    assert readme.read_text("utf-8") == README_WITH_MARKS

    assert docs_results(*options).returncode == 0
    assert docs_results("--check", *options).returncode == 0
    written = readme.read_text("utf-8")
    screen = io.StringIO()
    print_results(results(), Console(file=screen, width=100))
    for line in screen.getvalue().splitlines():
        assert line.rstrip() in written.splitlines()
    assert "From commit `0123456789ab` with changes; A processor, 2 cores; 61 s in the stages; seed 7." in written
    assert written.startswith("# Head\n") and written.endswith("\nTail\n")
    assert "stale" not in written and "\x1b" not in written

    readme.write_text(written.replace("0.500", "0.400"), "utf-8")
    assert docs_results("--check", *options).returncode == 1


@pytest.mark.parametrize(
    ("readme", "said"),
    [
        (README_WITH_MARKS * 2, "each once"),
        ("<!-- demo:end --> <!-- demo:begin -->", "each once"),
        ("<!-- demo:begin -->", "each once"),
        (README_WITH_MARKS.replace("demo", "nothing"), "nothing renders 'nothing'"),
        (README_WITH_MARKS, "there is no demo.json"),
    ],
)
def test_the_script_refuses_marks_that_it_cannot_fill(tmp_path, readme, said):
    (tmp_path / "README.md").write_text(readme, "utf-8")
    outcome = docs_results("--root", str(tmp_path))
    assert outcome.returncode == 1 and said in outcome.stderr
    assert (tmp_path / "README.md").read_text("utf-8") == readme


def test_the_script_writes_the_table_of_predictor_and_policy(tmp_path):
    def told(value):
        return {"value": value, "ci": [value - 0.01, value + 0.01], "users": 9}

    found = {name: results()[name] for name in ("commit", "machine", "seed")}
    found |= {name: told(0.5) for name in ("predictor_vs_user_median", "persona_swap_effect", "rank_accuracy")}
    found |= {"policy_vs_user_median": {**told(1.08), "round_0": told(1.04)}, "split_half_reliability": told(0.31)}
    found |= {"headroom": {"against_old": told(0.02), "against_mean": told(0.03)}, "reward_counts": {"contexts": 24}}
    found |= {"leak_rate": {"value": 0.005, "personas": 200}, "predictor_training_speedup": 3.14}
    found |= {"sample_reward_speedup": 8.75, "personas": [{"domain": "coves", "round": 2, "text": "Kind to coves."}]}
    written = rendered(tmp_path, "readers", found)
    for cells in (
        "1.080 | 1.070..1.090 | 9",
        "0.310 | 0.300..0.320 | 24 contexts",
        "0.5% |  | 200 personas",
        "| 8.8 |",
    ):
        assert cells in written
    assert "- *coves, round 2:* Kind to coves." in written and "0123456789ab" in written


def test_the_script_writes_what_the_model_does_without_adapters(tmp_path):
    found = results()
    entry = {**found["errors"][0], "prediction": "none"}
    found["errors"] = [{**entry, "round": t, "mae": 0.5 + t / 10} for t in (0, 1)]
    found["errors"].append({**entry, "method": "refine", "prediction": "persona", "round": 1})
    written = rendered(tmp_path, "untuned", found)
    assert "| `user_median` | 0.500 (0.400..0.600) | 0.600 (0.400..0.600) |" in written
    assert "| `refine` |  | 0.500 (0.400..0.600) |" in written


def test_the_script_writes_what_can_be_reached(tmp_path):
    def told(value):
        return {name: {"value": value, "ci": [0.4, 1.1]} for name in ("mae_ratio", "crps_ratio", "rank_accuracy")}

    rows = {row: told(0.9 + n / 100) for n, row in enumerate(("level", "own_taste", "items", "all"))}
    some = {row: {"rounds_from_1": told(0.81), "last_round": told(0.82)} for row in ("user_median", "level", "all")}
    found = {name: results()[name] for name in ("commit", "machine", "seed")}
    found |= {
        "split": "validation",
        "sizes": {"coves": {"users": 7, "fit_users": 28}},
        "not_available": {"reefs": "not available: no train users"},
        "pooled": {"coves": rows, "mean": rows},
        "against_level": {"coves": rows, "mean": rows},
        "by_round": {"mean": [{"round": 3, "domains": 1, "rows": rows}]},
        "refining": {"mean": {"all_vs_first": some, "last_vs_all": some}},
        "seconds": 121,
    }
    written = rendered(tmp_path, "ceiling", found)
    assert "| all rounds | known | coves, 7 users | mean |" in written
    assert "| rank accuracy | level and items | 0.920 (0.400..1.100) | 0.920 (0.400..1.100) |" in written
    assert "| CRPS / level's | all | 0.930 (0.400..1.100) | 0.930 (0.400..1.100) |" in written
    assert "| 3 | 1 | 0.900 (0.400..1.100) | 0.910 (0.400..1.100) |" in written
    cell, last = "0.810 (0.400..1.100)", "0.820 (0.400..1.100)"
    assert f"| level, all windows / the first | {cell} | {cell} | {last} | {last} |" in written
    assert "reefs: not available: no train users." in written
    assert "judged on validation users, fitted on 28 in coves; 2 minutes" in written


def test_the_script_writes_what_preference_learning_is_worth(tmp_path):
    def judged(error, **more):
        beside = {name: {"mae": 0.75} for name in ("frozen", "user_median")}
        return {"mae": error, "ci": [error - 0.1, error + 0.1], "users": 9, **beside, **more}

    changed = {"difference": -0.05, "ci": [-0.06, 0.01]}
    reward = {"pairs": {"train": 40, "validation": 8}, "reliability": {"value": 0.31, "ci": [-0.1, 0.6]}}
    found = {name: results()[name] for name in ("commit", "machine", "seed")}
    found |= {
        "validation_mae": {
            "before": judged(0.8),
            "after_iteration_1": judged(0.75, difference=changed),
            "after_iteration_2": judged(0.75, difference=changed),
        },
        "reward": [{**reward, "trustworthy": True}, {**reward, "trustworthy": False}],
        "dpo_vs_llamafactory": 1.44,
        "loss_difference": 9.5e-7,
        "comparison": {"model": "tiny", "pairs": 16, "epochs": 4, "llamafactory_versions": {"llamafactory": "0.9.5"}},
    }
    written = rendered(tmp_path, "preference", found)
    for said in (
        "| before | 0.800 (0.700..0.900) |  | 0.750 | 0.750 | 9 |",
        "| after iteration 2 | 0.750 (0.650..0.850) | -0.050 (-0.060..+0.010) | 0.750 | 0.750 | 9 |",
        "reward 0.310 (-0.100..0.600), which is too low to be trusted.",
        "LLaMA-Factory 0.9.5 (tiny model, 16 pairs, 4 epochs)",
        "at most 9.5e-07, and ours has 1.4 ×",
    ):
        assert said in written


def test_the_script_writes_how_hard_it_is_to_break(tmp_path):
    origin = {name: results()[name] for name in ("commit", "machine", "seed")}
    target = {"inputs": 700, "seconds": 15.8, "coverage": 90, "corpus": 12, "findings": 0}
    chaos = {"runs": 50, "folders": 17, "folders_the_same": 16, "disk_full_by": "tmpfs"}
    chaos |= {"disturbed": {"evaluate: killed": 7}, "outcomes": {"killed: killed": 16, "disk full: spoke clearly": 14}}
    fuzz = {"minutes": 10, "targets": {"own_csv": target, "own_parquet": {**target, "findings": 2}}}
    written = rendered(tmp_path, "robustness", {"fuzz": {**origin, **fuzz}, "chaos": {**origin, **chaos}})
    for said in (
        "| `own_parquet` | 700 | 15.8 | 90 | 12 | 2 |",
        "| all | 1400 | 32 |  | 24 | 2 |",
        "| disk full | spoke clearly | 14 |",
        "16 of 17 folders that were disturbed, 50 times altogether",
        "10 minutes",
    ):
        assert said in written
    assert written.count("0123456789ab") == 2


def test_the_script_writes_what_preparing_costs(tmp_path):
    def run(ratings, **ways):
        sides = {name: {"seconds": seconds, "peak_gib": 1.25} for name, seconds in ways.items()}
        return {"domain": "amazon_books", "format": "amazon_2018", "ratings": ratings, **sides}

    found = {name: results()[name] for name in ("commit", "machine", "seed")}
    found |= {
        "runs": [
            run(5_000_000, prepare=6.0, parse_and_sort=2.0, pandas=54.0, least=4.0),
            run(20_000_000, prepare=21.5, parse_and_sort=8.0),
        ],
        "vs_parse_and_sort": {"amazon_books": 2.69},
        "vs_pandas": {"amazon_books, 5000000 ratings": 9.0},
        "vs_pandas_at_most": {"amazon_books, 5000000 ratings": 13.5},
        "peak_gib_20m": 1.25,
        "peak_gib_100m": None,
        "per_rating_100m_vs_5m": 0.9,
        "memory_gib": 2.0,
    }
    written = rendered(tmp_path, "prepare", found)
    for said in (
        "| amazon_books (amazon_2018) | 5,000,000 | 6.0 | 1.25 | 2.0 | 54.0 | 4.0 |",
        "| amazon_books (amazon_2018) | 20,000,000 | 21.5 | 1.25 | 8.0 |  |  |",
        "| prepare / parse and sort, amazon_books | 2.69 | ≤ 3 | holds |",
        "| pandas / prepare, amazon_books, 5000000 ratings | 9.00 | ≥ 8 | holds |",
        "| pandas / DuckDB's least, amazon_books, 5000000 ratings | 13.50 |  |  |",
        "| peak memory at 100M ratings, GiB | not measured |",
    ):
        assert said in written


def test_the_script_writes_how_fast_it_is(tmp_path):
    def told(value, target, better, holds):
        whole = {"value": value, "target": target, "better": better, "holds": holds}
        return {**whole, "range": [value - 0.01, value + 0.01], "repeats": 3}

    found = {name: results()[name] for name in ("commit", "machine", "seed")}
    lower = ("samples_vs_one_prefill", "help_seconds_over_bare", "memory_ratio_1000_vs_16", "outside_engine_share")
    found |= {name: told(0.11, 0.3, "lower", True) for name in lower}
    higher = ("throughput_vs_bare", "score_vs_limit_1", "score_vs_limit_3", "refinement_vs_published")
    found |= {name: told(0.87, 0.9, "higher", False) for name in higher}
    beside = {"with_titles": told(21.5, 10, "higher", True), "at_best": told(6.5, 10, "higher", False)}
    both = {**told(4.5, 10, "higher", False), **beside}
    found |= {name: both for name in ("prediction_vs_published", "round_vs_published")}
    written = rendered(tmp_path, "speed", found)
    for cells in (
        "| `deeper --help`, seconds over a bare interpreter | 0.11 | 0.1..0.12 | 3 | ≤ 0.3 | holds |",
        "| items scored a second / the limit, one window | 0.87 | 0.86..0.88 | 3 | ≥ 0.9 | **falls short** |",
        "time of the published flow / ours | 4.5 | 4.49..4.51 | 3 | ≥ 10 | **falls short** |",
        "ours, its ratings with titles | 21.5 | 21.5..21.5 | 3 | ≥ 10 | holds |",
        "ours, if ours took what the bare pipeline takes | 6.5 | 6.49..6.51 | 3 | ≥ 10 | **falls short** |",
    ):
        assert cells in written
    assert written.count("| ≥ 10 |") == 6 and "0123456789ab" in written


def test_the_script_writes_how_well_servers_are_used(tmp_path):
    told = {"range": [0.9, 1.0], "repeats": 2, "better": "higher", "target": 0.9}
    found = {name: results()[name] for name in ("commit", "machine", "seed")} | {"model": {"file": "small.gguf"}}
    found["slow_server_retries"] = {**told, "value": 0, "range": [0, 0], "better": "lower", "target": 0, "holds": True}
    found["slow_server_throughput_vs_plain"] = {**told, "value": 0.95, "holds": True}
    found["wide_server_throughput_vs_plain"] = {**told, "value": 0.85, "holds": False}
    written = rendered(tmp_path, "servers", found)
    assert (
        "| requests sent again or cancelled in a run of 4 users, slow server | 0 | 0..0 | 2 | ≤ 0 | holds |" in written
    )
    assert "| 0.95 | 0.9..1 | 2 | ≥ 0.9 | holds |" in written and "| 0.85 | 0.9..1 | 2 | ≥ 0.9 | **falls" in written
    assert "`small.gguf`" in written and "0123456789ab" in written


def test_pictures_of_results_are_drawn_from_their_file_and_checked(tmp_path):
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "docs" / "results" / "small.json").write_text(json.dumps(results()), "utf-8")
    (tmp_path / "README.md").write_text("![Errors](docs/pictures/small/error_by_round.svg)\n", "utf-8")
    picture = tmp_path / "docs" / "pictures" / "small" / "error_by_round.svg"
    options = ["--root", str(tmp_path)]
    missing = docs_results("--check", *options)
    assert missing.returncode == 1 and picture.name in missing.stdout and not picture.exists()
    assert docs_results(*options).returncode == 0
    assert picture.read_bytes() == figures(parse_results(results(), "small.json"))["error_by_round.svg"]
    assert docs_results("--check", *options).returncode == 0
    picture.write_text("<svg/>", "utf-8")
    assert docs_results("--check", *options).returncode == 1
    (tmp_path / "README.md").write_text("![Errors](docs/pictures/small/errors.svg)\n", "utf-8")
    unknown = docs_results(*options)
    assert unknown.returncode == 1 and "choose from error_by_round.svg" in unknown.stderr


@pytest.mark.parametrize("name", ["ablation", "transfer"])
def test_runs_are_shown_against_the_first(tmp_path, name):
    row = {"ratio": {"value": 1.01, "ci": [0.9, 1.1]}, "difference": {"value": 0.02, "ci": [-0.01, 0.05]}, "users": 9}
    found = {key: results()[key] for key in ("commit", "machine", "seed")}
    written = rendered(tmp_path, name, {**found, "runs": [{"name": "without one", **row}]})
    assert "| without one | 1.010 (0.900..1.100) | +0.020 (-0.010..+0.050) | 9 |" in written


@pytest.mark.parametrize("name", DOCUMENTS)
def test_local_links_lead_somewhere(name):
    path = DOCUMENTS[name]
    links = [link for link in LINK.findall(path.read_text("utf-8")) if not link.startswith(("https://", "http://"))]
    for link in links:
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.is_file(), link
        assert not anchor or anchor in headings(target), link
    assert links or name not in ("README.md", "docs/running.md")


@pytest.mark.parametrize("name", sorted(set(DOCUMENTS) - {"docs/extend.md"}))  # its own test follows it file by file
def test_every_path_of_the_project_in_the_documents_exists(name):
    prose = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    named = re.findall(r"`((?:src|tests|scripts|benchmarks|docs)/[\w./-]*)`", prose)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_readme_leads_to_every_document():
    linked = set(LINK.findall(DOCUMENTS["README.md"].read_text("utf-8")))
    assert "docs/index.md" in linked
    listed = re.findall(r"^[a-z]+$", DOCUMENTS["docs/index.md"].read_text("utf-8"), re.MULTILINE)
    assert set(DOCUMENTS) - {"README.md"} <= linked | {f"docs/{name}.md" for name in listed}


def test_the_first_commands_of_the_readme_run_as_they_stand():
    [commands] = re.findall(r"^```\n(.*?)^```", DOCUMENTS["README.md"].read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for line in commands.splitlines():
        command = line.partition("#")[0]
        assert not re.search(r"\b[A-Z]{3,}\b(?!=)", command), f"a word to fill in: {line}"
    made = re.findall(r"^make ([\w-]+)", commands, re.MULTILINE)
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert made and set(made) <= set(targets)


def test_the_readme_is_read_in_a_few_minutes():
    assert len(DOCUMENTS["README.md"].read_text("utf-8").split()) <= 900


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_and_flag_in_the_documents_exists(name):
    known = {" ".join(words): set(FLAG.findall(help_of(*words))) for words in commands()}
    anywhere = set().union(*known.values())
    for code in code_of(DOCUMENTS[name]):
        for command, rest in COMMAND.findall(code.replace("\\\n", " ")):
            assert command in known, f"{name}: deeper {command}"
            assert set(FLAG.findall(rest)) <= known[command], f"{name}: deeper {command}{rest}"
        if code.startswith("--"):
            assert set(FLAG.findall(code)) <= anywhere, f"{name}: {code}"


def test_the_documents_mention_every_command():
    text = "\n".join(code for path in DOCUMENTS.values() for code in code_of(path))
    for words in commands():
        assert f"deeper {' '.join(words)}" in text


@pytest.mark.parametrize(
    ("document", "names"),
    [
        (
            "docs/running.md",
            [*PERSONA.names, *PREDICTION.names, *SEARCH.names, *ERROR.names, *WINDOW.names, *COST.names],
        ),
        ("docs/running.md", [f"${word}" for words in PLACEHOLDERS.values() for word in words]),
        ("docs/running.md", [f"{name}.txt" for name in PLACEHOLDERS]),
        ("docs/method.md", METHODS),
        ("docs/data.md", TRUTH.names),
        ("docs/learning.md", [*CONTEXT.names, *DIRECTION.names, *REWARD.names]),
    ],
    ids=["columns", "placeholders", "prompts", "methods", "truth", "directions"],
)
def test_the_documents_name_all(document, names):
    found = set(code_of(DOCUMENTS[document]))
    assert set(names) <= found, sorted(set(names) - found)


def test_no_tracked_file_names_a_place_on_a_machine_or_a_package_index():
    # Written in parts, so that this file does not name them.
    place = re.compile(
        "|".join(f"(?<![\\w.~$-])/{top}/[\\w.-]" for top in ("home", "root", "work", "Users", "opt", "mnt"))
    )
    index = re.compile("|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "(?:extra-)?index-" + "url [^-]")))
    for name, text in tracked():
        for number, line in enumerate(text.splitlines(), 1):
            assert not place.search(line), f"{name}, line {number}: {line.strip()[:100]}"
            assert not index.search(line), f"{name}, line {number}: {line.strip()[:100]}"


def test_the_citation_file_is_whole():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {"cff-version", "type", "title", "message", "version", "license", "authors", "references"} <= set(citation)
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert str(citation["version"]) == project["version"]
    # Several licences would mean a choice between them there; NOTICE has the one of the adapters.
    assert f"{citation['license']} AND CC-BY-NC-4.0" == project["license"]
    for work in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(work)
        assert all({"family-names", "given-names"} == set(author) for author in work["authors"])
    first = citation["references"][0]
    assert "2025.acl-long.1177" in first["url"] and first["identifiers"][0]["value"] == "arXiv:2502.11078"
    assert len(first["authors"]) == 9
    scopes = " ".join(work["scope"] for work in citation["references"])
    assert all(data in scopes for data in ("MovieLens", "Amazon Reviews 2018", "2023", "Google Local", "Food.com"))


def test_the_conda_environment_takes_the_pinned_requirements():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    [pip] = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert project["requires-python"] == ">=3.11" and "python=3.11" in environment["dependencies"]
    # A folder has no hash: were it listed with them, pip would refuse all.
    assert [shlex.split(line) for line in pip] == [["-r", "requirements/demo.txt"]]
    assert (ROOT / "requirements/demo.txt").is_file()


def test_a_table_names_the_gpu_that_its_figures_are_of():
    found = {"commit": "0123456789abcdef", "seed": 1, "machine": {"processor": "a processor", "cores": 4}}
    assert "; a processor, 4 cores; seed 1." in origin(found)
    found["machine"]["accelerator"] = "a GPU"
    assert "; a GPU, a processor, 4 cores; seed 1." in origin(found)


def test_a_table_names_the_precision_that_its_figures_are_of():
    found = {"commit": "0123456789abcdef", "seed": 1, "machine": {"processor": "a processor", "cores": 4}}
    found["engines"] = {role: {"computes_in": "32-bit floats"} for role in ("policy", "predictor")}
    assert "; a processor, 4 cores; computed in 32-bit floats; seed 1." in origin(found)
    found["engines"]["policy"]["computes_in"] = "bfloat16"
    assert "; computed in policy bfloat16, predictor 32-bit floats; seed 1." in origin(found)
