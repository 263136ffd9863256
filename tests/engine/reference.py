"""Transformers in fp32 on a GGUF file, as the reference for `Engine.score`; runs in an environment of its own.

JSON in on stdin: {"folder": of model.gguf, "texts": [text, …], "questions": [{"system", "user", "labels"}, …]}.
JSON out on stdout: {"ids": token ids of the texts, "prompts": token ids of the questions, "scores": one row each}.
"""

import json
import sys

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer


def log_probabilities(model, sequence: list[int]) -> torch.Tensor:
    """Behind each token of a sequence; shape (tokens, vocabulary)."""
    return model(torch.tensor([sequence])).logits[0].log_softmax(dim=-1)


def score(model, prompt: list[int], labels: list[list[int]], end: int) -> list[float]:
    """Grow each answer until no other begins like it, and sum the log-probabilities of its tokens."""
    answers = [[*label, end] for label in labels]
    scores = []
    for answer in answers:
        length = next(n for n in range(1, len(answer) + 1) if sum(a[:n] == answer[:n] for a in answers) == 1)
        behind = log_probabilities(model, [*prompt, *answer[: length - 1]])
        scores.append(sum(behind[len(prompt) - 1 + i, answer[i]].item() for i in range(length)))
    return scores


@torch.inference_mode()
def main() -> None:
    asked = json.load(sys.stdin)
    tokenizer = AutoTokenizer.from_pretrained(asked["folder"], gguf_file="model.gguf")
    # The conversion from GGUF forgets that SmolLM takes each digit for itself.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    model = AutoModelForCausalLM.from_pretrained(asked["folder"], gguf_file="model.gguf", dtype=torch.float32).eval()

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    prompts, scores = [], []
    for question in asked["questions"]:
        chat = [{"role": role, "content": question[role]} for role in ("system", "user")]
        prompts.append(encode(tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)))
        labels = [encode(label) for label in question["labels"]]
        scores.append(score(model, prompts[-1], labels, tokenizer.eos_token_id))
    json.dump({"ids": [encode(text) for text in asked["texts"]], "prompts": prompts, "scores": scores}, sys.stdout)


if __name__ == "__main__":
    main()
