import os
import sys
from pathlib import Path

import pytest
from training_cases import write_behaviour

# The tiny models of the engines' tests.
sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers, one token a letter."""
    from tiny_llama import write_tiny_llama

    return write_tiny_llama(tmp_path_factory.mktemp("tiny_base"), context_tokens=8192)


@pytest.fixture(scope="session")
def behaviour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users with three windows each."""
    return write_behaviour(tmp_path_factory.mktemp("training") / "behaviour")
