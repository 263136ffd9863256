"""What to run for a missing extra, wherever this package was installed from."""

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path
from unittest.mock import Mock

import pytest

from deeper.commands.doctor import EXTRAS
from deeper.errors import install_extra

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
CHECKOUT = {"url": "file:///a%20b/deeper", "dir_info": {"editable": True}}
WHEEL = {"url": "file:///dist/deeper_persona-0.1.0-py3-none-any.whl", "archive_info": {}}


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (CHECKOUT, 'run pip install -e "/a b/deeper[prepare]"'),
        ({**CHECKOUT, "dir_info": {}}, 'run pip install "/a b/deeper[prepare]"'),
        (WHEEL, f'run pip install "deeper-persona[prepare] @ {WHEEL["url"]}"'),
        (None, 'run pip install "deeper-persona[prepare]"'),
    ],
)
def test_the_command_names_what_it_was_installed_from(
    monkeypatch: pytest.MonkeyPatch, origin: dict[str, object] | None, said: str
) -> None:
    installed = Mock(read_text=lambda name: json.dumps(origin) if origin and name == "direct_url.json" else None)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: {"deeper-persona": installed}[name])
    assert install_extra("prepare") == said
    assert install_extra("train") == f"install PyTorch, then {said}".replace("prepare", "train")


def test_a_checkout_that_is_only_on_the_path_is_installed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Mock(side_effect=importlib.metadata.PackageNotFoundError)
    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    assert install_extra("prepare") == 'run this in the checkout: pip install -e ".[prepare]"'


def test_doctor_knows_every_extra_and_its_packages() -> None:
    assert EXTRAS.keys() == PROJECT["optional-dependencies"].keys()
    for name, packages in EXTRAS.items():
        needed = {re.split(r"[<>=]", line)[0] for line in PROJECT["optional-dependencies"][name]}
        assert set(packages) <= needed
