from pathlib import Path

import pytest

# The contract's assertions live outside of test modules.
pytest.register_assert_rewrite("contract")


@pytest.fixture(scope="session")
def gguf_path() -> Path:
    """The small model as a Q8_0 GGUF file."""
    from deeper.engine.weights import gguf_path

    return gguf_path()
