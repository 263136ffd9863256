"""A run on hostile data by the scripted engine: reports must show all of it as text."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.engine import Prompt
from deeper.engine.scripted.engine import ScriptedEngine, ScriptedFailure, digest_scores

SCRIPT = "</script><img src=x onerror=hacked=1>"
TITLES = (SCRIPT, "\u202eevoc neddih", "Cove & 'quay' \"end\"", "<b>Bold</b>", "a" * 180, "Plain cove", "入り江", "-->")
USERS = 7
WINDOWS = {"food_com": 5, "amazon_arts": 4, "capes": 5}
METHODS = (
    "refine", "hierarchical_merge", "slide_regeneration", "frozen", "no_persona", "raw_history", "user_median",
    "user_histogram",
)  # fmt: skip


def write_data(folder: Path, windows: Mapping[str, int]) -> None:
    """Write a folder of own ratings, with so many windows in each domain; in food_com 0 means "no rating"."""
    lines = [
        f'"{user_name(user)}",{title(user, i)},{rating(domain, user, i)},{1_600_000_000 + 60 * i},{domain}'
        for domain, count in windows.items()
        for user in range(USERS)
        for i in range(10 * count)
    ]
    folder.mkdir(parents=True)
    (folder / "behaviour.csv").write_text("\n".join(["user,title,rating,time,domain", *lines, ""]), "utf-8")
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
    engine = ScriptedEngine(reply=answer, scorer=judge)  # pyright: ignore[reportArgumentType]
    original = engine_choice.make_engine
    engine_choice.make_engine = lambda *_: engine
    try:
        settings = Settings(data=str(folder / "data"), rounds=3, methods=METHODS, search_n=search_n, calibration="off")
        evaluate(settings, folder / "run", Console(quiet=True))
    finally:
        engine_choice.make_engine = original
    return folder / "run"
