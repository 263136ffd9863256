import functools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import HALF_STARS, STARS
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize
from tiny_adapter import ALPHA, RANK, as_bfloat16, random_tensors, shapes, write_adapter
from tiny_gguf import HEADS, WIDTH, write_tiny_gguf

from deeper.engine import Prompt, ScoreRequest
from deeper.engine.adapter import TENSORS, read_config, write_card
from deeper.engine.openvino.merge_lora import CannotMerge, merge_lora
from deeper.engine.openvino.weights import prepare_weights

GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
Q8_0 = GGMLQuantizationType.Q8_0
LORA_B = 0.05
"""Spread of random B: it changes the labels' log-probabilities about as a training does."""


def matrices(path: Path) -> dict[str, np.ndarray]:
    """All tensors as floats, by their name without `.weight`."""
    tensors = GGUFReader(path).tensors
    return {t.name.removesuffix(".weight"): dequantize(t.data, t.tensor_type).astype(np.float32) for t in tensors}


def merged(tmp_path: Path, base: Path, *args: Any, **options: Any) -> Path:
    adapter = write_adapter(tmp_path / "adapter", *args, **options)
    merge_lora(base, read_config(adapter), adapter / TENSORS, tmp_path / "merged.gguf")
    return tmp_path / "merged.gguf"


def change(tensors: dict[str, np.ndarray], layer: str) -> np.ndarray:
    """What an adapter adds to a layer, in the order of transformers."""
    prefix = f"base_model.model.model.layers.0.{layer}.lora_"
    return ALPHA / RANK * tensors[f"{prefix}B.weight"] @ tensors[f"{prefix}A.weight"]


def rotary_rows(rows: int, heads: int) -> list[int]:
    """For each row of queries or keys in GGUF, its row in transformers: pairs (i, i + half a head) come together."""
    head = rows // heads
    return [h * head + side * head // 2 + i for h in range(heads) for i in range(head // 2) for side in range(2)]


@pytest.mark.parametrize("kind", ["Q8_0", "F16"])
@pytest.mark.parametrize("key_heads", [HEADS, 2, 1])
def test_each_matrix_is_base_plus_change(tmp_path: Path, key_heads: int, kind: str) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", GGMLQuantizationType[kind], key_heads=key_heads)
    tensors = random_tensors(shapes(key_heads))
    before, after = matrices(base), matrices(merged(tmp_path, base, tensors))
    assert before.keys() == after.keys()
    heads = {"self_attn.q_proj": HEADS, "self_attn.k_proj": key_heads}
    for layer, name in GGUF_NAMES.items():
        delta = change(tensors, layer)
        if layer in heads:
            delta = delta[rotary_rows(len(delta), heads[layer])]
        assert np.abs(delta).max() > 0.05
        np.testing.assert_allclose(after.pop(f"blk.0.{name}"), before[f"blk.0.{name}"] + delta, rtol=2**-11, atol=1e-6)
    for name, values in after.items():
        np.testing.assert_array_equal(values, before[name])


def test_facts_and_tokeniser_stay(tmp_path: Path) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", Q8_0)
    before, after = GGUFReader(base).fields, GGUFReader(merged(tmp_path, base)).fields
    own = {name for name in before if not name.startswith("GGUF.")}
    assert len(own) > 15
    for name in own:
        assert after[name].contents() == before[name].contents(), name


def test_layers_without_a_change_keep_their_bytes(tmp_path: Path) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", Q8_0)
    layers = {"mlp.up_proj": shapes()["mlp.up_proj"]}
    before, after = (GGUFReader(path).tensors for path in (base, merged(tmp_path, base, random_tensors(layers))))
    for old, new in zip(before, after, strict=True):
        is_same = old.tensor_type == new.tensor_type and old.data.tobytes() == new.data.tobytes()
        assert is_same == (old.name != "blk.0.ffn_up.weight")


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_tensors_of_16_bits(tmp_path: Path, dtype: str) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", Q8_0)
    tensors = random_tensors(shapes())
    after = matrices(merged(tmp_path, base, tensors, dtype=dtype))
    rounded = {
        name: values.astype(np.float16).astype(np.float32)
        if dtype == "F16"
        else (as_bfloat16(values).astype(np.uint32) << 16).view(np.float32)
        for name, values in tensors.items()
    }
    wanted = matrices(base)["blk.0.ffn_up"] + change(rounded, "mlp.up_proj")
    np.testing.assert_allclose(after["blk.0.ffn_up"], wanted, rtol=2**-11, atol=1e-6)


def test_a_small_change_is_not_rounded_away(tmp_path: Path) -> None:
    """A twentieth of a step of Q8_0: on that grid, next to nothing of it would be left."""
    base = write_tiny_gguf(tmp_path / "base.gguf", Q8_0)
    tensors = random_tensors(shapes(), size=1e-3)
    delta = change(tensors, "mlp.up_proj")
    values = matrices(base)["blk.0.ffn_up"]
    assert 0.02 < delta.std() / (np.abs(values).max() / 127) < 0.2
    difference = matrices(merged(tmp_path, base, tensors))["blk.0.ffn_up"] - values
    assert (difference * delta).sum() / (delta * delta).sum() == pytest.approx(1, abs=0.02)
    assert np.abs(difference - delta).mean() < 0.3 * np.abs(delta).mean()


def refusal(tmp_path: Path, *args: Any, **options: Any) -> str:
    base = write_tiny_gguf(tmp_path / "base.gguf", Q8_0)
    with pytest.raises(CannotMerge) as caught:
        merged(tmp_path, base, *args, **options)
    assert not (tmp_path / "merged.gguf").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("feature", "named"),
    [
        ({"use_dora": True}, "use_dora = True"),
        ({"use_rslora": True}, "use_rslora = True"),
        ({"bias": "lora_only"}, "bias = 'lora_only'"),
        ({"lora_bias": True}, "lora_bias = True"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save = ['lm_head']"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern = {'q_proj': 2}"),
        ({"alpha_pattern": {"q_proj": 2}}, "alpha_pattern = {'q_proj': 2}"),
        ({"trainable_token_indices": [3]}, "trainable_token_indices = [3]"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights = 'pissa'"),
        ({"feature_of_the_future": {"on": 1}}, "feature_of_the_future = {'on': 1}"),
        ({"peft_type": "LOHA"}, "its peft_type is LOHA"),
        ({"r": 0}, "r = 0"),
        ({"lora_alpha": None}, "lora_alpha = None"),
    ],
)
def test_a_feature_that_cannot_be_merged_is_refused(tmp_path: Path, feature: dict[str, Any], named: str) -> None:
    assert named in refusal(tmp_path, None, feature)


A = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"
B = A.replace("lora_A", "lora_B")


def with_tensors(**changes: np.ndarray | None) -> dict[str, np.ndarray]:
    """One layer's tensors, A and B replaced by others, or left out where they are None."""
    tensors = random_tensors({"mlp.up_proj": shapes()["mlp.up_proj"]})
    for side, values in changes.items():
        name = {"a": A, "b": B}.get(side, side)
        tensors.pop(name, None)
        if values is not None:
            tensors[name] = values
    return tensors


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        ({}, "no pairs of A and B"),
        (with_tensors(b=None), "no pairs of A and B"),
        (with_tensors(a=np.ones((3, WIDTH))), "have the ranks 3 and 4"),
        (with_tensors(a=np.ones((RANK, 32))), "blk.0.ffn_up.weight is 128 x 64, and its change is 128 x 32"),
        (with_tensors(b=np.full((128, RANK), np.nan)), "values that are not finite"),
        (with_tensors(b=np.full((128, RANK), 1e6)), "values that are not finite"),
        (with_tensors(**{"base_model.model.lm_head.lora_A.weight": np.ones((RANK, WIDTH))}), "lm_head"),
        (with_tensors(**{"base_model.model.model.embed_tokens.lora_embedding_A": np.ones((1, 1))}), "embed_tokens"),
        (with_tensors(**{A.replace("A.weight", "magnitude_vector"): np.ones(128)}), "magnitude_vector"),
        (
            {name.replace("layers.0", "layers.7"): values for name, values in with_tensors().items()},
            "the model has no blk.7.ffn_up.weight",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, tensors: dict[str, np.ndarray], named: str) -> None:
    assert named in refusal(tmp_path, tensors)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", Q8_0, architecture="qwen2")
    with pytest.raises(CannotMerge, match="the model's architecture is qwen2"):
        merged(tmp_path, base)


QUESTIONS = [
    ("A harsh critic, bored by loud spectacle and impatient with sequels.", "Harbour at Dusk (1974)", HALF_STARS),
    ("A generous viewer who enjoys nearly everything, above all old musicals.", "Tides & Co. 2", STARS),
]


@pytest.fixture
def copied_cache(gguf_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache that shows the small model and takes merged weights, half a gigabyte, which go again."""
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    (tmp_path / "cache" / "weights" / gguf_path.parent.name).symlink_to(gguf_path.parent)
    monkeypatch.setenv("DEEPER_CACHE", str(tmp_path / "cache"))
    yield
    shutil.rmtree(tmp_path / "cache")


@pytest.mark.embedded
@pytest.mark.reference
@pytest.mark.usefixtures("copied_cache")
def test_label_log_probabilities_are_those_of_peft(tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from deeper.engine.openvino.engine import EmbeddedEngine
    from deeper.engine.torch.model import load_model

    model, _ = load_model(None, "cpu", torch.float32)
    torch.manual_seed(1)
    peft_model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear")).eval()
    for name, values in peft_model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(values, std=LORA_B)
    peft_model.save_pretrained(tmp_path / "adapter")
    base = prepare_weights().base
    write_card(tmp_path / "adapter", kind="predictor", base=base, templates={}, users=[], provenance={})
    plain, adapted = EmbeddedEngine(precision="exact"), EmbeddedEngine(None, tmp_path / "adapter", "exact")

    @functools.cache
    def behind(tokens: tuple[int, ...]) -> Any:
        with torch.inference_mode():
            return peft_model(torch.tensor([tokens]), logits_to_keep=1).logits[0, -1].log_softmax(-1)

    for persona, title, labels in QUESTIONS:
        prompt = Prompt("You predict how a user rates movies. Answer with one number.", f"{persona}\n")
        request = ScoreRequest(prompt, (f"Rating for the movie: {title}",), labels)
        tokens = adapted._encode(Prompt(prompt.system, prompt.user + request.continuations[0]))
        answers = [(*adapted._tokens(label), adapted._tokenizer.get_eos_token_id()) for label in labels]
        wanted: list[float] = []
        for answer in answers:
            alone = next(n for n in range(1, len(answer) + 1) if sum(a[:n] == answer[:n] for a in answers) == 1)
            wanted.append(sum(behind(tokens + answer[:i])[answer[i]].item() for i in range(alone)))
        assert np.abs(plain.score([request])[0][0] - wanted).max() > 0.3
        np.testing.assert_allclose(adapted.score([request])[0][0], wanted, rtol=0, atol=0.08)
