from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, and no deadline: the machine may be busy.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# The contracts' assertions live outside of test modules.
pytest.register_assert_rewrite("contract", "domain_contract", "updater_contract")


@pytest.fixture(scope="session")
def gguf_path() -> Path:
    """The small model as a Q8_0 GGUF file."""
    from deeper.engine.weights import prepare_weights

    return prepare_weights().gguf
