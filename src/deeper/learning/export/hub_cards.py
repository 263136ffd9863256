"""Writes the cards of adapters and data sets on the hub: README.md with a YAML header.

Names, paths and texts from users or settings are quoted, so they cannot break the header or the page.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deeper.engine.adapter import Adapter
from deeper.errors import printable
from deeper.learning.export.llamafactory_files import yaml_scalar
from deeper.learning.training_record import TrainingRecord, training_record
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE
from deeper.persona.prompts.templates import evidence_of, load_prompts

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
"""Terms of the sources of the built-in domains, by the beginning of the domain's id."""
OWN_TERMS = "not known; state here under which terms the ratings may be used."

_START = r"(?:[/~\\]|[A-Za-z]:[/\\])"
_ABSOLUTE_PATHS = re.compile(rf"(?:^|(?<=,)|(?<=, )){_START}[^,]*(?:,(?! ?{_START})[^,]*)*")
"""An absolute path, alone or in a list with commas."""

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

ADAPTER_LIMITS = {
    "policy": (
        "It writes personas from the prompts of the version above; it was not tested with other prompts.",
        "A persona describes what a user rated and nothing else about a person; it can be wrong, and it can repeat a "
        "title or a rating that it was shown.",
    ),
    "predictor": (
        "It reads personas in the words of deeper's policies and describer; other texts tell it little.",
        "It was tested on unseen users of the domains above; this card says nothing about other domains.",
    ),
}
FIGURES_LIMIT = (
    "The figures are of validation users from the training's own data, which choices were made on. Do not compare "
    "methods by them."
)


@dataclass(frozen=True)
class DataSet:
    """The content of a data set's card.

    Attributes:
        title: Its title.
        about: What a row is and how it was made, in sentences.
        license: The hub's id of a licence.
        domains: Ids of the domains.
        counts: Numbers of users, pairs and so on, by name.
        size: Number of rows.
        configs: Its files: configuration, split, path with wildcards.
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
    """Write README.md of an adapter.

    Args:
        adapter: The adapter; its provenance must hold no paths of the machine (`without_places`).
        base_model: Name of its base model on the hub.
        license_id: The hub's id of a licence.
        metrics: Content of its `metrics.json`; empty without one.

    Raises:
        UserError: The adapter's card does not describe a training.
    """
    role = adapter.kind or "policy"
    trainings = training_record(adapter).all_trainings
    terms = _terms({name for training in trainings for name in training.users})
    if not all(training.users for training in trainings):
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
    flags = f"--{role}-engine transformers:{base_model} --{role}-adapter FOLDER_OR_NAME{_learnt_with(adapter)}"
    facts = {
        "base model": base_model,
        "base weights": adapter.base,
        "prompt templates": ", ".join(f"{name} {found}" for name, found in adapter.templates.items()),
        "train users, each once": len(adapter.users),
    }
    return "\n".join(
        [
            header,
            f"# A {role} of deeper\n",
            f"A LoRA adapter that {does}.\n",
            _code(f"deeper evaluate {flags}"),
            _licence(license_id),
            "## How it was made\n",
            _table(("", ""), facts.items()),
            *(_training(role, number, training) for number, training in enumerate(trainings, 1)),
            "`deeper.json` lists salted hashes of the users that it learnt from. deeper never evaluates these users "
            "with it.\n",
            "## Figures\n",
            "These are of the last training.\n" if len(trainings) > 1 else "",
            _figures(metrics),
            "## Terms\n",
            _list([f"Base model: those of {_plain(base_model)}.", *terms]),
            "## Limits\n",
            _list([*ADAPTER_LIMITS[role], FIGURES_LIMIT, *map(_plain, metrics.get("alarms", ()))]),
        ]
    )


def _learnt_with(adapter: Adapter) -> str:
    """Flags for the prompts that an adapter learnt, where they are not the default."""
    if adapter.kind == "predictor":
        return " --item-knowledge population" if ITEM_KNOWLEDGE in adapter.templates else ""
    evidence = evidence_of(adapter.templates, load_prompts())
    return f" --evidence {evidence}" if evidence == "kinds" else ""


def _licence(license_id: str) -> str:
    """The line on the licence that stands beside the command."""
    is_for_research = "-nc" in license_id
    instead = ": no commercial use; for that, run deeper with another model or without an adapter" * is_for_research
    return f"Licence: {_plain(license_id)}{instead}. The terms of the data are below.\n"


def _training(role: str, number: int, training: TrainingRecord) -> str:
    settings = training.settings
    facts = {
        "train users": ", ".join(f"{name} {count}" for name, count in sorted(training.users.items())) or "not known",
        **({"pairs": training.pairs} if training.pairs is not None else {}),
        "steps": "not known" if training.steps is None else training.steps,
        "seed": "not known" if training.seed is None else training.seed,
        **_origin(training.provenance),
    }
    command = "dpo" if "pairs" in settings else {"policy": "coldstart", "predictor": "predictor"}[role]
    config = "\n".join(f"{name} = {_toml(value)}" for name, value in settings.items())
    asked = f"`deeper train {command} --config config.toml --out adapter` with this config.toml:\n\n{_code(config)}"
    head = f"### Training {number}{', continued from the one before' if number > 1 else ''}\n"
    return "\n".join([head, _table(("", ""), facts.items()), asked if settings else ""])


def dataset_card(data: DataSet) -> str:
    """Write README.md of a data set."""
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
    """Reduce absolute paths in JSON to their last part, also in lists with commas."""
    if isinstance(value, dict):
        return {key: without_places(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_places(inner) for inner in value]
    if isinstance(value, str):
        return _ABSOLUTE_PATHS.sub(lambda found: re.split(r"[/\\]", found[0].rstrip("/\\"))[-1], value)
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
    """The first and the last validation, side by side."""
    validations: Sequence[Mapping[str, Any]] = metrics.get("validation", ())
    if not validations:
        return "None were kept.\n"
    first, last = validations[0], validations[-1]
    rows = [
        (name, f"{first[name]:.4f}" if name in first else "", f"{value:.4f}")
        for name, value in last.items()
        if name != "step" and isinstance(value, int | float)
    ]
    return _table(("on validation users", f"step {first['step']}", f"step {last['step']}"), rows)


def _terms(domains: Iterable[str]) -> list[str]:
    """The terms of the domains' data, each once."""
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
    """Text on one line, escaped for Markdown and HTML."""
    line = " ".join(printable(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~!])", r"\\\1", line)


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
