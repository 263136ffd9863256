"""What a start loads: nothing heavy before a command needs it."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import deeper

HEAVY = {"openvino", "openvino_genai", "torch", "transformers", "openai", "numpy", "pyarrow", "pydantic", "rich"}
SLOW = {"importlib.metadata", "tempfile", "traceback", "logging"}
"""Of Python's own, those that took half of the time of --help."""
HELP = "import sys; from deeper.cli.main import cli; cli.main(['--help'], standalone_mode=False)"


def loaded(code):
    """Modules that a fresh interpreter has loaded after some code, but for those that it starts with."""
    told = "\nimport sys; print(*sys.modules, file=sys.stderr)"
    found = [
        subprocess.run([sys.executable, "-c", part + told], capture_output=True, text=True, check=True).stderr.split()
        for part in ("", code)
    ]
    return set(found[1]) - set(found[0])


@pytest.mark.parametrize("code", ["import deeper", HELP])
def test_neither_importing_nor_help_loads_an_engine(code):
    modules = loaded(code)
    assert "deeper" in modules
    assert not {name.split(".")[0] for name in modules} & HEAVY
    assert not modules & SLOW
    assert not [name for name in modules if name.startswith("deeper.engine")]


def test_the_version_is_the_package_s():
    assert deeper.__version__ == version("deeper-persona")


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = deeper.nothing


def test_the_error_of_users_is_at_the_top():
    from deeper.errors import UserError

    assert deeper.UserError is UserError
    assert {"PersonaTracker", "UserError"} <= set(deeper.__all__)
