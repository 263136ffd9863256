"""Cards of what is published on a hub: README.md with a YAML header, for adapters and for data sets.

Whatever comes from users or settings (names, paths, texts) is quoted: it can break neither the header nor the page.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deeper.engine.adapter import Adapter
from deeper.errors import printable
from deeper.learning.export.llamafactory_files import yaml_scalar

MOVIELENS_TERMS = (
    "MovieLens (GroupLens, University of Minnesota): for research; no commercial use without permission; to be passed "
    "on under the same terms; to be acknowledged by citing Harper and Konstan 2015, doi 10.1145/2827872."
)
TERMS = {
    "movielens": MOVIELENS_TERMS,
    "amazon": "Amazon Reviews (UCSD): no licence stated; for research, with the citation that the page asks for, "
    "https://nijianmo.github.io/amazon/.",
    "google": "Google Local (UCSD): no licence stated; for research, with the citation that the page asks for, "
    "https://mcauleylab.ucsd.edu/public_datasets/gdrive/googlelocal/.",
    "food": "Food.com (Kaggle): see the licence field of the data's page before use, "
    "https://www.kaggle.com/datasets/shuyangli94/food-com-recipes-and-user-interactions; the texts are their writers'.",
}
"""Of the sources of the built-in domains, by the beginning of a domain's id."""
OWN_TERMS = "not known; say here under which terms the ratings may be used."

_START = r"(?:[/~\\]|[A-Za-z]:[/\\])"
_PLACE = re.compile(rf"(?:^|(?<=,)|(?<=, )){_START}[^,]*(?:,(?! ?{_START})[^,]*)*")
"""An absolute path, alone or in a list with commas."""

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

ADAPTER_LIMITS = {
    "policy": (
        "It writes personas from the prompts of the version above; from other prompts, or in other words, it is not "
        "tested.",
        "A persona describes what a user rated and nothing else about a person; it can be wrong, and it can repeat a "
        "title or a rating that it was shown.",
    ),
    "predictor": (
        "It reads personas as deeper's policies and describer write them; of other texts it makes little.",
        "It was tested on users it has not seen, of the domains above; of other domains this card tells nothing.",
    ),
}
FIGURES_LIMIT = (
    "The figures are of validation users of the training's own data, on whom choices are made: no result to compare "
    "methods by."
)


@dataclass(frozen=True)
class DataSet:
    """What the card of a data set tells.

    Attributes:
        title: A name for people.
        about: What a row is and how it came about, in sentences.
        license: The hub's id of a licence.
        domains: Ids of the domains.
        counts: What there is how many of.
        size: Rows.
        configs: Files of each part: configuration, split, path with wildcards.
        usage: Commands that read it.
        origin: Settings, commit and versions that it was made with, as far as known.
        limits: What it cannot do, in sentences.
    """

    title: str
    about: str
    license: str
    domains: Sequence[str]
    counts: Mapping[str, int]
    size: int
    configs: Sequence[tuple[str, str, str]]
    usage: Sequence[str]
    origin: Mapping[str, Any]
    limits: Sequence[str]


def adapter_card(adapter: Adapter, base_model: str, license_id: str, metrics: Mapping[str, Any]) -> str:
    """README.md of an adapter.

    Args:
        adapter: The adapter, whose provenance names no places of the machine (`without_places`).
        base_model: Name of its base model on the hub.
        license_id: The hub's id of a licence.
        metrics: Content of its `metrics.json`; empty if there is none.
    """
    role = adapter.kind or "policy"
    trainings = _trainings(adapter.provenance)
    terms = _terms({name for made in trainings for name in made.get("users", {})})
    if not all(made.get("users") for made in trainings):
        terms.append(f"Data: {OWN_TERMS}")
    does = {"policy": "writes personas of users", "predictor": "predicts ratings from personas"}[role]
    header = _header(
        {
            "license": license_id,
            "base_model": base_model,
            "library_name": "peft",
            "pipeline_tag": "text-generation",
            "tags": ["deeper", "persona", "lora", role],
        }
    )
    flags = f"--{role}-engine transformers:{base_model} --{role}-adapter FOLDER_OR_NAME"
    facts = {
        "base model": base_model,
        "base weights": adapter.base,
        "version of the prompts": adapter.prompt_version,
        "train users, each once": len(adapter.users),
    }
    return "\n".join(
        [
            header,
            f"# A {role} of deeper\n",
            f"A LoRA adapter that {does}.\n",
            _code(f"deeper evaluate {flags}"),
            "## How it was made\n",
            _table(("", ""), facts.items()),
            *(_training(role, number, made) for number, made in enumerate(trainings, 1)),
            "`deeper.json` lists salted hashes of the users it has learnt from, so that nobody is judged by a model "
            "that knows them.\n",
            "## Figures\n",
            "Of the last training.\n" if len(trainings) > 1 else "",
            _figures(metrics),
            "## Terms\n",
            _list([f"Base model: those of {_plain(base_model)}.", *terms]),
            "## Limits\n",
            _list([*ADAPTER_LIMITS[role], FIGURES_LIMIT, *map(_plain, metrics.get("alarms", ()))]),
        ]
    )


def _trainings(made: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is told of each training, the first one first."""
    return [*(_trainings(made["before"]) if "before" in made else ()), made]


def _training(role: str, number: int, made: Mapping[str, Any]) -> str:
    settings: Mapping[str, Any] = made.get("settings", {})
    users: Mapping[str, int] = made.get("users", {})
    facts = {
        "train users": ", ".join(f"{name} {count}" for name, count in sorted(users.items())) or "not known",
        **({"pairs": made["pairs"]} if "pairs" in made else {}),
        "steps": made.get("steps", "not known"),
        "seed": made.get("seed", "not known"),
        **_origin(made.get("provenance", {})),
    }
    command = "dpo" if "pairs" in settings else {"policy": "coldstart", "predictor": "predictor"}[role]
    config = "\n".join(f"{name} = {_toml(value)}" for name, value in settings.items())
    asked = f"`deeper train {command} --config config.toml --out adapter`, with this in config.toml:\n\n{_code(config)}"
    head = f"### Training {number}{', going on with the one before' if number > 1 else ''}\n"
    return "\n".join([head, _table(("", ""), facts.items()), asked if settings else ""])


def dataset_card(data: DataSet) -> str:
    """README.md of a data set."""
    header = _header(
        {
            "license": data.license,
            "pretty_name": data.title,
            "tags": ["deeper", "persona", "recommendation"],
            "size_categories": [next((name for most, name in SIZES if data.size < most), "n>1M")],
        },
        _configs(data.configs),
    )
    domains = [_plain(name) for name in sorted(data.domains)]
    return "\n".join(
        [
            header,
            f"# {_plain(data.title)}\n",
            f"{data.about}\n",
            _table(("", "count"), data.counts.items()),
            f"Domains: {', '.join(domains)}.\n",
            *map(_code, data.usage),
            "## How it was made\n",
            _table(("", ""), {**_settings(data.origin), **_origin(data.origin)}.items()),
            "## Terms\n",
            _list(_terms(data.domains)),
            "## Limits\n",
            _list(data.limits),
        ]
    )


def without_places(value: Any) -> Any:
    """JSON without the places of a machine: of an absolute path only its last part stays, also in lists with commas."""
    if isinstance(value, dict):
        return {key: without_places(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_places(inner) for inner in value]
    if isinstance(value, str):
        return _PLACE.sub(lambda found: re.split(r"[/\\]", found[0].rstrip("/\\"))[-1], value)
    return value


def _header(fields: Mapping[str, Any], more: str = "") -> str:
    lines = [
        f"{name}:\n" + "\n".join(f"- {yaml_scalar(item)}" for item in value)
        if isinstance(value, list)
        else f"{name}: {yaml_scalar(value)}"
        for name, value in fields.items()
    ]
    return "\n".join(["---", *lines, *([more] if more else []), "---\n"])


def _configs(configs: Sequence[tuple[str, str, str]]) -> str:
    lines = ["configs:"]
    for name in dict.fromkeys(name for name, _, _ in configs):
        lines += [f"- config_name: {yaml_scalar(name)}", "  data_files:"]
        for _, split, path in (part for part in configs if part[0] == name):
            lines += [f"  - split: {yaml_scalar(split)}", f"    path: {yaml_scalar(path)}"]
    return "\n".join(lines)


def _settings(origin: Mapping[str, Any]) -> dict[str, str]:
    return {f"setting {name}": _toml(value) for name, value in origin.get("config", {}).items()}


def _origin(provenance: Mapping[str, Any]) -> dict[str, str]:
    versions: Mapping[str, str] = provenance.get("versions", {})
    return {
        "commit of deeper": str(provenance.get("commit") or "not known"),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()) or "not known",
    }


def _figures(metrics: Mapping[str, Any]) -> str:
    """The first and the last look at validation users."""
    looks: Sequence[Mapping[str, Any]] = metrics.get("validation", ())
    if not looks:
        return "None were kept.\n"
    first, last = looks[0], looks[-1]
    rows = [
        (name, f"{first[name]:.4f}" if name in first else "", f"{value:.4f}")
        for name, value in last.items()
        if name != "step" and isinstance(value, int | float)
    ]
    return _table(("on validation users", f"step {first['step']}", f"step {last['step']}"), rows)


def _terms(domains: Iterable[str]) -> list[str]:
    """Terms of the data, each once."""
    found: dict[str, list[str]] = {}
    for name in sorted(domains):
        text = next((terms for start, terms in TERMS.items() if name.startswith(start)), OWN_TERMS)
        found.setdefault(text, []).append(_plain(name))
    return [f"{', '.join(names)}: {text}" for text, names in found.items()]


def _table(head: Sequence[str], rows: Any) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(_plain(str(cell)) for cell in row) + " |" for row in rows), ""])


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences) + "\n"


def _code(text: str) -> str:
    """A code block whose fence is longer than any in the text."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`{3,}", text))])
    return f"{fence}\n{printable(text)}\n{fence}\n"


def _plain(text: str) -> str:
    """Text on one line that Markdown and HTML leave as it is."""
    line = " ".join(printable(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~!])", r"\\\1", line)


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
