from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small():
    """The engine `transformers` with the small model on the processor; loaded once, which takes seconds."""
    from deeper.engine.torch.engine import TransformersEngine

    return TransformersEngine(device="cpu", precision="exact")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers in the format of Hugging Face: one token a letter, a context of 2048 tokens."""
    from tiny_llama import write_tiny_llama

    return write_tiny_llama(tmp_path_factory.mktemp("tiny_llama"))
