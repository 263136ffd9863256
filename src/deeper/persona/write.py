"""Write personas: takes prompts, returns texts with their leaks and failures.

Equal prompts are sent once. A text that leaks is sampled once more. If the engine gives no text, the older text stays
and the failure is recorded.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from deeper.engine import Completion, Engine, Prompt, Sampling
from deeper.persona.leaks import find_leaks
from deeper.persona.prompts.templates import Prompts
from deeper.persona.recipe import RECIPE


@dataclass(frozen=True)
class Writer:
    """A policy: the engine that writes personas, and how.

    Attributes:
        engine: The engine.
        prompts: The templates.
        max_tokens: Length limit of a persona, in tokens.
        seed: Seed of everything that is sampled, retries included.
        temperature: 0 writes greedily, above 0 samples.
    """

    engine: Engine
    prompts: Prompts
    max_tokens: int
    seed: int
    temperature: float = 0.0


@dataclass(frozen=True)
class Draft:
    """One persona to write.

    Attributes:
        prompt: The question to the policy.
        titles: Titles that the policy has seen, directly or through an older persona.
        fallback: The text to keep if the engine gives none: that of the older persona.
    """

    prompt: Prompt
    titles: frozenset[str]
    fallback: str = ""


@dataclass(frozen=True)
class Written:
    """One persona's text, its length, the leaks in it, and why there is no new text (else empty)."""

    text: str
    tokens: int
    leaks: tuple[str, ...]
    failure: str


def write(writer: Writer, drafts: Sequence[Draft]) -> list[Written]:
    """Write all drafts. One that leaks is sampled once more, and the text with fewer leaks is kept."""
    sampling = Sampling(writer.max_tokens, writer.temperature, seed=writer.seed)
    unique = list(dict.fromkeys(draft.prompt for draft in drafts))
    answers = dict(zip(unique, writer.engine.generate(unique, sampling), strict=True))
    written = [_read(answers[draft.prompt], draft) for draft in drafts]

    leaking = list(dict.fromkeys(d.prompt for d, w in zip(drafts, written, strict=True) if w.leaks and not w.failure))
    retry = replace(sampling, temperature=RECIPE.leak_retry_temperature)
    answers = dict(zip(leaking, writer.engine.generate(leaking, retry), strict=True)) if leaking else {}
    for i, draft in enumerate(drafts):
        if draft.prompt in answers:
            retried = _read(answers[draft.prompt], draft)
            if not retried.failure and len(retried.leaks) < len(written[i].leaks):
                written[i] = retried
    return written


def persona_row(writer: Writer, written: Written, **keys: Any) -> dict[str, Any]:
    """Make a row of `PERSONA`; `keys` are user, domain, method, k, stage and parent."""
    row = {
        **keys,
        "text": written.text,
        "engine": writer.engine.fingerprint,
        "prompt_version": writer.prompts.version,
        "seed": writer.seed,
        "tokens": written.tokens,
        "leaks": list(written.leaks),
        "failure": written.failure,
    }
    return {"id": persona_id(row), **row}


def persona_id(row: dict[str, Any]) -> str:
    """A content hash of a persona: 16 hexadecimal digits."""
    fields = ("user", "domain", "method", "k", "stage", "text", "parent", "engine", "prompt_version", "seed")
    return hashlib.blake2b("\x1f".join(str(row[field]) for field in fields).encode(), digest_size=8).hexdigest()


def _read(completion: Completion, draft: Draft) -> Written:
    text = "" if completion.failure else " ".join(completion.texts[0].split())
    failure = completion.failure or ("" if text else "the engine gave an empty text")
    if failure:
        return Written(draft.fallback, 0, tuple(find_leaks(draft.fallback, draft.titles)), failure)
    return Written(text, completion.tokens[0], tuple(find_leaks(text, draft.titles)), "")
