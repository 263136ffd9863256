"""The larger models that `deeper models` lists, and which of them `deeper doctor` names."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from deeper.cli.main import cli
from deeper.commands import doctor, models
from deeper.commands.models import SUGGESTIONS, Room, largest_that_fits
from deeper.engine.openvino.cost import MEMORY_TO_RUN, cost_of_weights
from deeper.engine.registry import KINDS
from deeper.storage.hub import megabytes

RESULTS = Path(__file__).parents[2] / "docs" / "results"
SMALLEST, LARGEST = SUGGESTIONS[0], SUGGESTIONS[-1]
PLENTY = 10**13


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which only the smallest model fits."""
    here = Room(int(SMALLEST.memory_bytes) + 1, PLENTY)
    monkeypatch.setattr(models, "room_here", lambda: here)


@pytest.mark.parametrize("model", SUGGESTIONS, ids=lambda model: model.name)
class TestEachModel:
    def test_may_be_used_by_anyone(self, model: models.Suggestion) -> None:
        assert model.licence in ("Apache-2.0", "MIT")

    def test_is_one_file_on_the_hub(self, model: models.Suggestion) -> None:
        assert model.spec.startswith("embedded:hf:") and "embedded" in KINDS
        assert model.file.count("/") == 2 and model.file.endswith(".gguf") and "-of-" not in model.file

    def test_is_called_measured_only_with_results(self, model: models.Suggestion) -> None:
        assert not model.measured or (RESULTS / model.measured).is_file()

    def test_needs_room_for_its_download_and_its_weights(self, model: models.Suggestion) -> None:
        assert model.disk_bytes > model.download_bytes + model.weights
        assert model.memory_bytes >= model.weights * MEMORY_TO_RUN

    def test_is_listed_with_what_to_type_and_what_is_known(self, model: models.Suggestion, room: None) -> None:
        shown = CliRunner().invoke(cli, ["models"], catch_exceptions=False).output
        lines = shown.splitlines()
        place = lines.index(f"{'✓' if model == SMALLEST else '–'} {model.spec}")
        assert f"needs {megabytes(model.memory_bytes)} of memory and " in lines[place + 1]
        assert lines[place + 2] == f"  licence: {model.licence}; its personas: {model.measured or 'not measured'}"


def test_they_are_sorted_by_need() -> None:
    assert list(SUGGESTIONS) == sorted(SUGGESTIONS, key=lambda model: model.disk_bytes)


@pytest.mark.parametrize(
    ("room", "found"),
    [
        (Room(PLENTY, PLENTY), LARGEST),
        (Room(None, PLENTY), LARGEST),
        (Room(int(LARGEST.memory_bytes) - 1, PLENTY), SUGGESTIONS[-2]),
        (Room(PLENTY, int(SMALLEST.disk_bytes) + 1), SMALLEST),
        (Room(10**8, PLENTY), None),
        (Room(PLENTY, 10**8), None),
    ],
)
def test_the_largest_that_fits(room: Room, found: models.Suggestion | None) -> None:
    assert largest_that_fits(room) == found


def test_doctor_names_the_largest_that_fits(room: None, monkeypatch: pytest.MonkeyPatch) -> None:
    check = doctor._larger_models()
    assert check.state == "ok" and check.finding.startswith(f"{SMALLEST.name} is the largest of deeper models")
    monkeypatch.setattr(models, "room_here", lambda: Room(10**8, PLENTY))
    check = doctor._larger_models()
    assert (check.state, check.finding) == ("missing", "none that deeper models lists fits this machine")


def test_the_estimates_are_those_of_the_measured_conversions() -> None:
    """Never too low, and not far above."""
    measured = json.loads((RESULTS / "conversion.json").read_text("utf-8"))["models"]
    assert measured
    for model in measured:
        cost = cost_of_weights(model["weights"], rewritten=True, unpacked=False)
        assert cost.disk_bytes == pytest.approx(model["disk_bytes"], rel=0.05)
        for estimate, figure in (
            (cost.seconds, model["convert"]["seconds"]),
            (cost.memory_bytes, model["convert"]["memory_bytes"]),
            (model["weights"] * MEMORY_TO_RUN, model["run"]["memory_bytes"]),
        ):
            assert 1 <= estimate / figure <= 1.5
