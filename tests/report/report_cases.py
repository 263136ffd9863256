"""A run on hostile data by the scripted engine: reports must show all of it as text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.engine import Prompt
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine, ScriptedFailure, digest_scores
from deeper.evaluation.methods import UPDATERS

SCRIPT = "</script><img src=x onerror=hacked=1>"
TITLES = (SCRIPT, "\u202eevoc neddih", "Cove & 'quay' \"end\"", "<b>Bold</b>", "a" * 180, "Plain cove", "入り江", "-->")
CATEGORIES = ("Rock &lt script", "Moss", f"Ferns {SCRIPT}", "Sand")
"""The first is a kind of items whose name would be markup if it were not escaped; the third can be no kind."""
USERS = 7
WINDOWS = {"food_com": 5, "amazon_arts": 4, "capes": 5}
METHODS = (
    "refine", "hierarchical_merge", "slide_regeneration", "frozen", "no_persona", "raw_history", "user_median",
    "user_histogram",
)  # fmt: skip


def write_data(folder: Path, windows: Mapping[str, int], has_kinds: bool = False) -> None:
    """Write a folder of own ratings, with so many windows in each domain; in food_com 0 means "no rating".

    With `has_kinds`, items have categories, of which users rate the first one highest.
    """
    lines: list[str] = []
    for domain, count in windows.items():
        for user in range(USERS):
            for i in range(10 * count):
                given, kind = rating(domain, user, i), CATEGORIES[i % len(CATEGORIES)]
                more = f',"{kind}"' if has_kinds else ""
                if has_kinds:
                    given = given if i % len(CATEGORIES) else 1
                lines.append(f'"{user_name(user)}",{title(user, i)},{given},{1_600_000_000 + 60 * i},{domain}{more}')
    folder.mkdir(parents=True)
    head = "user,title,rating,time,domain" + ",categories" * has_kinds
    (folder / "behaviour.csv").write_text("\n".join([head, *lines, ""]), "utf-8")
    toml = 'id = "capes"\nname = "Capes <i>"\nitem_noun = "cove"\nscale = [0.1, 1, 0.1]\n'
    (folder / "domain.toml").write_text(toml, "utf-8")


def user_name(user: int) -> str:
    """A user's name; the second user's is hostile."""
    return f"{SCRIPT if user == 1 else 'user'}-{user}"


def rating(domain: str, user: int, i: int) -> float:
    """A value of the domain's scale."""
    digit = (user * 7 + i * 3) % 10
    return {"food_com": digit % 6, "amazon_arts": 1 + digit % 5, "capes": (1 + digit) / 10}[domain]


def title(user: int, i: int) -> str:
    """A quoted cell of a CSV file."""
    text = f"{TITLES[(user + i) % len(TITLES)]} {user} {i}"
    return '"' + text.replace('"', '""') + '"'


def answer(prompt: Prompt, sample: int) -> str:
    """A persona with markup in it; a few fail, and a few repeat the old text."""
    number = sum(map(ord, prompt.user)) + sample
    if number % 11 == 0:
        raise ScriptedFailure("the server said <no>")
    return f"{SCRIPT} Likes {('coves', 'quays', 'storms')[number % 3]} & dislikes {('fog', 'gulls')[number % 2]}."


def judge(prompt: Prompt, continuation: str, labels: Sequence[str]) -> object:
    """A prediction; it fails for a few personas."""
    if sum(map(ord, prompt.user)) % 7 == 0:
        raise ScriptedFailure("unreadable <answer>")
    return digest_scores(prompt, continuation, labels)


def hostile_run(folder: Path, windows: Mapping[str, int] = WINDOWS, search_n: int = 2) -> Path:
    """The folder of a finished run, without its report."""
    write_data(folder / "data", windows)
    _evaluate(folder, methods=METHODS, search_n=search_n)
    return folder / "run"


def run_with_evidence(folder: Path) -> tuple[Path, list[str]]:
    """The folder of a run whose prompts tell of kinds, with all updaters and `described`, and all that was asked."""
    write_data(folder / "data", {"capes": 5}, has_kinds=True)
    engine = _evaluate(folder, methods=(*UPDATERS, "frozen", "no_persona", "described"), evidence="kinds")
    return folder / "run", [call.prompt.user for call in engine.asked if isinstance(call, GenerateCall)]


def _evaluate(folder: Path, **settings: Any) -> ScriptedEngine:
    engine = ScriptedEngine(reply=answer, scorer=judge)  # pyright: ignore[reportArgumentType]
    original = engine_choice.make_engine
    engine_choice.make_engine = lambda *_: engine
    try:
        asked = Settings(data=str(folder / "data"), rounds=3, calibration="off", **settings)
        evaluate(asked, folder / "run", Console(quiet=True))
    finally:
        engine_choice.make_engine = original
    return engine
