"""A random Llama in the format of Hugging Face, small enough to be written in every test."""

from pathlib import Path

import torch
from tiny_gguf import write_tiny_gguf
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM


def write_tiny_llama(folder: Path, *, context_tokens: int = 2048, seed: int = 0) -> Path:
    """Write a model and the tokeniser of `tiny_gguf`; the same seed gives the same weights."""
    write_tiny_gguf(folder / "tiny.gguf")
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="tiny.gguf")
    (folder / "tiny.gguf").unlink()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=272, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=context_tokens, initializer_range=0.5,
        bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
