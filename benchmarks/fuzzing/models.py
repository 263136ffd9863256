"""Targets that read answers, prompts, adapters, server responses and configurations."""

import asyncio
import json
import os
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from deeper.commands.evaluate.settings import Settings
from deeper.commands.learn.settings import LearnSettings
from deeper.commands.pairs.settings import PairSettings
from deeper.commands.reward.settings import RewardSettings
from deeper.commands.sample.settings import SampleSettings
from deeper.commands.train.settings import ColdstartSettings, DpoSettings, PredictorSettings
from deeper.domains import BUILTIN
from deeper.engine import Sampling, ScoreRequest
from deeper.engine.adapter import CARD, CONFIG, TENSORS, load_adapter, write_card
from deeper.engine.openai.calls import _retry_after
from deeper.engine.openai.engine import OpenAIEngine
from deeper.engine.protocol import LOG_PROB_FLOOR, Prompt
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.errors import UserError
from deeper.persona.predict import read_answer
from deeper.persona.prompts.item_lines import quote
from deeper.persona.prompts.templates import PLACEHOLDERS, load_prompts
from deeper.persona.schema import PERSONA
from deeper.persona.stages import initialise
from deeper.persona.update_input import UPDATE_INPUT
from deeper.persona.write import Writer
from deeper.prepare.settings import PrepareSettings
from deeper.storage.run_folder import RunFolder
from deeper.storage.settings import RunSettings, resolve
from deeper.storage.stage import COST
from fuzzing.data import window_table
from fuzzing.target import Read, SilentChange, Target, same

MOVIES = BUILTIN["movielens_20m"]
PROMPT = Prompt("Answer.", "What?")
KINDS: tuple[type[RunSettings], ...] = (
    Settings, SampleSettings, RewardSettings, PairSettings, LearnSettings, PredictorSettings, ColdstartSettings,
    DpoSettings, PrepareSettings,
)  # fmt: skip


def answer(folder: Path) -> Read:
    """Read a structured answer: one one-hot distribution an item, or a failure that says why."""
    del folder

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        failures: list[str] = []
        for count in (1, 3):
            found, failure = read_answer(text, MOVIES, count)
            if failure:
                same(found.shape, (0, 0), "a failed prediction")
                failures.append(failure)
                continue
            same(found.sum(axis=1).tolist(), [1.0] * count, "a distribution")
            ratings = MOVIES.scale.values[found.argmax(axis=1)].tolist()
            same([float(n) for n in json.loads(text)["ratings"]], ratings, "a rating")
        if len(failures) == 2:
            raise UserError(failures[0])

    return read


def persona(folder: Path) -> Read:
    """Write a persona with any text from the model; it must fit into the table."""
    del folder
    prompts = load_prompts()
    row = {"user": "u0", "domain": MOVIES.id, "method": "initialise", "k": 0, "persona": "", "parent": None}
    windows = [window_table().to_pylist()[0]["items"]]
    table = pa.Table.from_pylist([{**row, "windows": windows, "predicted": None}], schema=UPDATE_INPUT)

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        writer = Writer(ScriptedEngine(texts=[text, text]), prompts, 100, 1)
        [made] = initialise(table, writer, {MOVIES.id: MOVIES}).to_pylist()
        same(made["text"].split(), text.split(), "a persona")
        if "\n" in quote(text) or json.loads(quote(text)) != json.loads(quote(json.loads(quote(text)))):
            raise SilentChange("a title is more than one line")

    return read


class _Client:
    """Answers every request with the same bytes."""

    def __init__(self, data: bytes) -> None:
        async def parts() -> AsyncIterator[bytes]:
            await asyncio.sleep(0)
            yield data

        @asynccontextmanager
        async def create(**_: Any) -> AsyncIterator[Any]:
            yield SimpleNamespace(iter_bytes=parts)

        streaming = SimpleNamespace(create=create)
        self.chat = SimpleNamespace(completions=SimpleNamespace(with_streaming_response=streaming))

    async def __aenter__(self) -> "_Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def server(folder: Path) -> Read:
    """Read a server's response; texts and costs must fit into tables, log-probabilities must be at most 0 or NaN."""
    del folder

    def read(data: bytes) -> None:
        engine = OpenAIEngine("m", "http://127.0.0.1:9/v1", retries=0)
        engine._server.client = lambda: _Client(data)
        [asked] = engine.generate([PROMPT], Sampling(20))
        pa.array(list(asked.texts), pa.string())
        pa.array(list(asked.tokens), PERSONA.field("tokens").type)
        if bool(asked.failure) == bool(asked.texts) or any(not text.strip() for text in asked.texts):
            raise SilentChange("neither an answer nor a failure, or both")
        cost = {"stage": "s", "shard": "0", **vars(engine.usage), "seconds": 0.0}
        pa.Table.from_pylist([cost], schema=COST)
        if min(vars(engine.usage).values()) < 0:
            raise SilentChange("a call that gives tokens back")
        [scores] = engine.score([ScoreRequest(PROMPT, ("a",), MOVIES.scale.labels)])
        seen = scores[~np.isnan(scores)]
        if (
            (seen < LOG_PROB_FLOOR).any()
            or (seen > 0).any()
            or np.exp(seen).sum() > 1.01 + np.exp(LOG_PROB_FLOOR) * len(seen)
        ):
            raise SilentChange("log-probabilities of more than 1")

    return read


def bodies(_: Path) -> list[bytes]:
    """Chat completions, whole and streamed."""
    shown = [{"token": str(n), "logprob": -1.0 - n} for n in range(1, 4)]
    logprobs = {"content": [{"token": "3", "logprob": -0.5, "top_logprobs": shown}] * 3}
    choice = {"index": 0, "message": {"role": "assistant", "content": "3.5"}, "logprobs": logprobs}
    used = {"prompt_tokens": 10, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 4}}
    whole = {"id": "x", "choices": [choice], "usage": used}
    piece = {"index": 0, "delta": {"content": "3.5"}, "logprobs": logprobs, "finish_reason": "stop"}
    events = [{"choices": [piece]}, {"choices": [], "usage": used}]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    return [json.dumps(whole).encode(), stream.encode(), b'{"error": {"message": "no"}}']


def retry_after(folder: Path) -> Read:
    """Read a header that asks to wait; the seconds are 0 or more, and never NaN."""
    del folder

    def read(data: bytes) -> None:
        headers = Message()
        headers["retry-after"] = "".join(c for c in data.decode("latin-1") if c.isprintable())
        seconds = _retry_after(SimpleNamespace(response=SimpleNamespace(headers=headers)))
        if not seconds >= 0:
            raise SilentChange(f"a wait of {seconds} s")

    return read


def template(folder: Path) -> Read:
    """Read a prompt of your own; it renders with its values, or is refused."""

    def read(data: bytes) -> None:
        (folder / "refine.txt").write_bytes(data)
        prompts = load_prompts(folder)
        values = dict.fromkeys(PLACEHOLDERS["refine"], "$persona {0} %s")
        made = prompts.render("refine", MOVIES, 48, **values)
        if "$persona {0} %s" not in made.system + made.user:
            raise SilentChange("what was put in is not there")
        same(load_prompts(folder).version, prompts.version, "the version")

    return read


def configuration(folder: Path) -> Read:
    """Read a configuration file; written as config.toml and read again, settings must be the same."""

    def read(data: bytes) -> None:
        path, again = folder / "mine.toml", folder / "config.toml"
        path.write_bytes(data)
        refused: list[UserError] = []
        for kind in KINDS:
            try:
                settings = resolve(kind, path, {})
            except UserError as error:
                refused.append(error)
                continue
            again.write_text(settings.to_toml(), "utf-8")
            same(settings, resolve(kind, again, {}), f"{kind.command}'s settings")
            try:
                RunFolder(folder, settings)
            except UserError as error:
                raise SilentChange(f"a run folder is not continued with its own settings: {error}") from error
        if len(refused) == len(KINDS):
            raise refused[0]

    return read


def configurations(_: Path) -> list[bytes]:
    """The default settings of each command, and unusual ones."""
    own = {DpoSettings: {"pairs": "p"}}
    made = [kind(**own.get(kind, {})).to_toml(comments=True).encode() for kind in KINDS]
    odd = b'data = "caf\xc3\xa9 \\"x\\" \\u007f"\nusers = 3\nmethods = ["refine", "frozen"]\nseed = 0x7f\n'
    return [*made, odd, b"tau_plus = 1e-7\nmargin = 1e300\n", b"margin = inf", b"weights = [0.1, 1, nan]"]


def adapter(name: str) -> Callable[[Path], Read]:
    """Read an adapter with one foreign file; its card, written and read again, must be the same."""

    def make(folder: Path) -> Read:
        for one, data in zip((CARD, CONFIG, TENSORS), adapter_files(folder), strict=True):
            (folder / one).write_bytes(data)

        def read(data: bytes) -> None:
            (folder / name).write_bytes(data)
            found = load_adapter(folder)
            card = {"kind": found.kind, "base": found.base, "templates": dict(found.templates)}
            before = (folder / CARD).read_bytes()
            write_card(folder, **card, users=found.users, provenance=found.provenance)
            same(found, load_adapter(folder), "the adapter")
            (folder / CARD).write_bytes(before)

        return read

    return make


def adapter_files(_: Path) -> tuple[bytes, bytes, bytes]:
    """Return a card, a configuration and tensors."""
    card = {
        "kind": "policy",
        "base": "0123",
        "templates": {"refine": "p"},
        "users": ["ab", "cd"],
        "provenance": {"seed": 1},
    }
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "rank_pattern": {}}
    head = json.dumps({"a.lora_A": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}}).encode()
    return json.dumps(card).encode(), json.dumps(config).encode(), struct.pack("<Q", len(head)) + head + bytes(8)


MODELS = (
    Target("structured_answer", answer, lambda _: [b'{"ratings": [3.5]}', b'{"ratings": [1, 2.5, 5]}', b"[]"]),
    Target("persona_text", persona, lambda _: [b"Likes coves, 4.5 stars out of five, T 1 0.", "\u200b入り江".encode()]),
    Target("server_body", server, bodies),
    Target("retry_after", retry_after, lambda _: [b"2", b"0.7", b"Wed, 21 Oct 2026 07:28:00 GMT", b"-1", b"nan"]),
    Target("prompt_file", template, lambda _: [b"A $noun\n---\n$persona\n$discrepancies $$", b"x\r\n---\r\n$persona"]),
    Target("configuration", configuration, configurations),
    Target("adapter_card", adapter(CARD), lambda folder: adapter_files(folder)[:1]),
    Target("adapter_configuration", adapter(CONFIG), lambda folder: adapter_files(folder)[1:2]),
    Target("adapter_tensors", adapter(TENSORS), lambda folder: adapter_files(folder)[2:]),
)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
