"""A setting that several commands share has one type, one set of limits and one text."""

import pytest

from deeper.commands.evaluate.settings import Settings
from deeper.commands.sample.settings import SampleSettings
from deeper.commands.train.settings import ColdstartSettings, DpoSettings, PredictorSettings
from deeper.engine.registry import KINDS as ENGINES
from deeper.storage.settings import RunSettings
from deeper.tracker.settings import TrackerSettings

KINDS: tuple[type[RunSettings], ...] = (
    Settings, SampleSettings, TrackerSettings, PredictorSettings, ColdstartSettings, DpoSettings,
)  # fmt: skip
DIFFERENT = {
    "data": "a training takes several sources",
    "users": "eval users of an evaluation, train users elsewhere",
    "predictor_adapter": "sampling takes several, one for each share of the users",
    "policy_adapter": "a training goes on with it",
    "methods": "sampling takes updaters alone, an evaluation all that can be compared",
    "max_persona_tokens": "72 where the adapters of the package are the default",
    "precision": "a training computes exactly unless you choose otherwise",
    "updater": "an evaluation compares several with the built-in ones",
    "calibration": "sampling fits it on the users that it samples for",
}
"""Settings with one name that differ by command, and why."""


@pytest.mark.parametrize("name", sorted({name for kind in KINDS for name in kind.model_fields}))
def test_a_shared_setting_is_declared_once(name: str) -> None:
    fields = [kind.model_fields[name] for kind in KINDS if name in kind.model_fields]
    declared = {(str(field.annotation), repr(field.metadata), field.description) for field in fields}
    assert (len(declared) > 1) == (name in DIFFERENT)


def test_the_help_of_an_engine_names_every_kind() -> None:
    told = str(Settings.model_fields["policy_engine"].description)
    specs = [spec.partition("[")[0] for kind in ENGINES.values() for spec in kind.SPECS]
    named = set(told.partition(": ")[2].rstrip(".").replace(" or ", ", ").split(", "))
    assert named == set(specs)
