"""What `benchmarks/speed.py` measures with: figures and their targets, turns, watched engines, what is kept."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import speed
from deeper.commands.evaluate import evaluate as pipeline
from deeper.commands.evaluate import plan
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.engine import Prompt, Sampling
from speed_around_model import Forgetful
from speed_shared import WHOLE, Watched, figure, in_turns, planted_windows, ratios, run_planted


@pytest.mark.parametrize(
    ("better", "target", "holds"),
    [("higher", 2.0, True), ("higher", 2.1, False), ("lower", 2.0, True), ("lower", 1.9, False)],
)
def test_a_figure_is_the_median_against_its_target(better, target, holds):
    found = figure([1.0, 5.0, 2.0], target, better, "so", users=3)
    assert (found["value"], found["range"], found["repeats"], found["holds"]) == (2.0, [1.0, 5.0], 3, holds)
    assert found["counts"] == {"users": 3}


def test_sides_take_turns():
    order = []

    def side(name):
        order.append(name)
        return float(len(order))

    told = []
    found = in_turns({"a": lambda: side("a"), "b": lambda: side("b")}, 3, told.append)
    assert order == ["a", "b"] * 3 and len(told) == 6
    assert found == {"a": [1.0, 3.0, 5.0], "b": [2.0, 4.0, 6.0]}
    assert ratios(found["b"], found["a"]) == [2.0, 4 / 3, 6 / 5]


def test_a_watched_engine_answers_as_it_would_and_is_noted():
    prompts, sampling = [Prompt("Say", "this"), Prompt("Say", "that")], Sampling(5)
    watched, silent = Watched(Forgetful()), Watched(Forgetful(), notes=False)
    assert watched.generate(prompts, sampling) == Forgetful().generate(prompts, sampling)
    assert watched.written == [(prompts[0], 5), (prompts[1], 5)] and watched.seconds > 0
    silent.generate(prompts, sampling)
    assert silent.written == [] and silent.fingerprint == Forgetful().fingerprint
    assert silent.usage.calls == 2


def test_a_planted_run_is_timed_by_stage_and_leaves_the_program_as_it_was(tmp_path):
    before = plan.load_windows
    watched = Watched(Forgetful())
    windows = planted_windows(3, 2)
    assert set(windows["domain"].to_pylist()) == {WHOLE.id} and len(set(windows["user"].to_pylist())) == 5
    stages = run_planted(watched, windows, tmp_path / "run", users=3, calibration_users=2)
    assert set(stages) == {"all", "initialise", "predict-0", "predict-controls", "update-1", "predict-1"}
    assert stages["all"] > sum(spent for name, spent in stages.items() if name != "all") > watched.seconds > 0
    assert (tmp_path / "run" / "results.json").exists()
    assert plan.load_windows is before and pipeline.LocalExecutor is LocalExecutor


def test_a_part_is_kept_for_the_same_commit_and_sizes_only(tmp_path):
    origin = {"commit": "a", "sizes": {"users": 3}}
    path = tmp_path / "score.json"
    assert not speed.is_measured(path, origin)
    path.write_bytes(speed.as_json({**origin, "figures": {}}))
    assert speed.is_measured(path, origin) and json.loads(path.read_text("utf-8"))["figures"] == {}
    assert not speed.is_measured(path, {**origin, "commit": "b"}) and not speed.is_measured(
        path, {**origin, "sizes": {"users": 4}}
    )


class Loop:
    """In the place of the bare pipeline: notes what it is asked."""

    def __init__(self):
        self.asked = []

    def answer(self, prompts, lengths):
        self.asked.append((list(prompts), list(lengths)))
        return ["" for _ in prompts]


def test_the_bare_loop_is_asked_for_all_that_a_run_wrote(monkeypatch):
    import speed_engine

    loop = Loop()
    monkeypatch.setattr(speed_engine, "embedded", Forgetful)
    monkeypatch.setattr(speed_engine, "bare", lambda: loop)
    sizes = speed.Sizes(repeats=2, users=2, many=3, read=2, written=2, asked=1)
    found = speed_engine.throughput(sizes, lambda told: None)["throughput_vs_bare"]
    # Call by call as the run (first personas, updates, merges), and then all at once; twice.
    *calls, whole = loop.asked[: len(loop.asked) // 2]
    assert loop.asked[len(calls) + 1 :] == [*calls, whole] and found["repeats"] == found["one_batch"]["repeats"] == 2
    assert len(calls) == 3 and [sum((call[i] for call in calls), []) for i in (0, 1)] == list(whole)
    prompts, lengths = whole
    # S_0 of three users, and of two of them five updates and a short-term persona, of which two are asked for alike.
    assert len(prompts) == found["counts"]["prompts"] == 3 + 2 * 5 and sum(lengths) == found["counts"]["tokens"]
    assert len(found["engine_seconds_a_user"]) == 2 and all(spent > 0 for spent in found["engine_seconds_a_user"])


def test_the_published_flow_is_asked_one_request_at_a_time(monkeypatch):
    import speed_engine
    import speed_published

    class Tokens(Loop):
        def ids(self, text):
            return text.split()

        def tokens(self, prompt):
            return self.ids(prompt.user)

    loop = Tokens()
    monkeypatch.setattr(speed_published, "embedded", Forgetful)
    for module in (speed_engine, speed_published):
        monkeypatch.setattr(module, "bare", lambda rounds=True: loop)
    sizes = speed.Sizes(repeats=1, users=2, many=3, read=3, written=3, asked=2)
    found = speed_published.published(sizes, lambda told: None)
    assert set(found) == {"prediction_vs_published", "refinement_vs_published", "round_vs_published"}
    # Two requests of each kind one by one; and what the bare pipeline takes at best, all at once.
    assert [len(prompts) for prompts, _ in loop.asked] == [1, 1, 3, 3, 1, 1, 1, 1]
    for one in found.values():
        assert one["at_best"]["value"] > 0 and one["at_best"]["target"] == one["target"]
    answers = found["prediction_vs_published"]["answer_tokens"]
    assert answers["numbers"] == 10 < answers["titles"]
    asked = [lengths[0] for prompts, lengths in loop.asked if len(prompts) == 1]
    assert asked.count(10) == 2 and max(asked) == answers["titles"]
    assert found["prediction_vs_published"]["with_titles"]["target"] == 20


def test_a_gpu_is_measured_in_both_precisions(monkeypatch):
    import speed_gpu

    made = []

    class Fake(Forgetful):
        def __init__(self, precision):
            super().__init__()
            made.append(precision)

    monkeypatch.setattr(speed_gpu, "TransformersEngine", Fake)
    found = speed_gpu.gpu(speed.Sizes(repeats=1, users=1, many=1, read=2, written=3, asked=1), lambda told: None)
    assert made == ["auto", "exact"] and set(found) == {"gpu_predicted_vs_exact", "gpu_refined_vs_exact"}
    assert found["gpu_predicted_vs_exact"]["counts"]["count"] == 60
    assert found["gpu_refined_vs_exact"]["counts"]["exact_per_second"] > 0


def test_a_demo_tells_its_stages_and_its_peak(tmp_path, monkeypatch):
    import speed_demo

    made = """
import pyarrow, pyarrow.parquet
Path("cost").mkdir()
pyarrow.parquet.write_table(pyarrow.table({"seconds": [1.5, 2.0]}), "cost/a.parquet")
"""
    ran = speed_demo.DEMO.replace("main()", made).replace("from deeper.cli.main import main", "")
    monkeypatch.setattr(speed_demo, "DEMO", ran)
    spent, peak = speed_demo.run(speed_demo.ROOT, tmp_path / "out", speed.TRIAL)
    assert spent == 3.5 and 0.01 < peak < 1
    monkeypatch.setattr(speed_demo, "DEMO", "raise SystemExit('no disk')")
    with pytest.raises(RuntimeError, match="no disk"):
        speed_demo.run(speed_demo.ROOT, tmp_path / "again", speed.TRIAL)


def test_the_page_of_copied_users_is_measured(monkeypatch):
    import speed_report

    opened = []
    monkeypatch.setattr(
        speed_report, "open_page", lambda path, users: opened.append((path.stat().st_size, users)) or (2.0, 0.1)
    )
    monkeypatch.setattr(speed_report, "PERSONA_WORDS", 12)
    sizes = speed.Sizes(repeats=2, users=2, many=60, read=3, written=3, asked=2)
    found = speed_report.report(sizes, lambda told: None)
    assert [users for _, users in opened] == [100, 100]
    assert found["report_seconds_open"]["value"] == 2.0 and found["report_seconds_open"]["holds"]
    assert found["report_megabytes"]["value"] == round(opened[0][0] / 1e6, 4)
    assert found["report_megabytes"]["counts"] == {"users": 100, "methods": 9, "rounds": 5, "words": 12}
