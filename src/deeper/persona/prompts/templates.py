"""Prompt templates: one text file each, replaceable by a folder of your own, and a hash of what each asks.

A file holds the system message, a line `---`, and the user message, with `$name` placeholders. Values are put in
once and never read as templates, so braces and dollars in titles are harmless.
"""

import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from deeper.behaviour.levels import verdicts
from deeper.domains import Domain, Scale
from deeper.engine import Prompt
from deeper.engine.adapter import Kind
from deeper.errors import UserError
from deeper.persona.prompts.item_lines import discrepancy_lines, quote, rating_lines
from deeper.persona.recipe import RECIPE

PLACEHOLDERS: dict[str, set[str]] = {
    "initialise": {"ratings"},
    "refine": {"persona", "discrepancies"},
    "incremental_update": {"persona", "ratings"},
    "merge": {"persona", "short_term"},
    "predict": {"persona"},
    "predict_list": {"persona", "items", "count"},
}
"""What each prompt must contain, besides the shared placeholders that it may contain."""
SHARED = {"low", "high", "labels", "ladder", "noun", "sentences"}
PREDICTOR_PROMPTS = ("predict", "predict_list")
"""The prompts that a predictor is asked with; the others are a policy's."""
# fmt: off
COUNTS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight",
    "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
)
# fmt: on
"""Spelled out: a small model repeats a number that its prompt shows, and a number in a persona is a leak."""


@dataclass(frozen=True)
class Prompts:
    """All templates.

    Attributes:
        templates: System and user message by name.
    """

    templates: Mapping[str, tuple[str, str]]

    @cached_property
    def hashes(self) -> dict[str, str]:
        """By name 8 hexadecimal digits of what the template asks about sample ratings.

        They change with the template, with the lines of items and with the words for scores: whenever a model would
        be asked something else.
        """
        return {name: _digest(self.render(name, SAMPLE, 120, **_sample_values(name))) for name in self.templates}

    @property
    def version(self) -> str:
        """One hash of all templates."""
        return _digest(self.hashes)

    def hashes_for(self, role: Kind) -> dict[str, str]:
        """The hashes of the templates that a role is asked with."""
        return {
            name: found for name, found in self.hashes.items() if (name in PREDICTOR_PROMPTS) == (role == "predictor")
        }

    def render(self, name: str, domain: Domain, max_tokens: int = 0, **values: object) -> Prompt:
        """Fill in a template.

        Args:
            name: The prompt's name.
            domain: Gives the item noun and the scale.
            max_tokens: Length limit of the answer in tokens; the prompt states it in sentences.
            values: The placeholders of this prompt.
        """
        labels = domain.scale.labels
        sentences = min(max(max_tokens // RECIPE.sentence_tokens, 1), len(COUNTS))
        shared = {
            "low": labels[0],
            "high": labels[-1],
            "labels": ", ".join(labels),
            "ladder": ", ".join(f"{label} ({words})" for label, words in verdicts(domain.scale)),
            "noun": domain.item_noun,
            "sentences": COUNTS[sentences - 1],
        }
        system, user = self.templates[name]
        return Prompt(*(string.Template(part).substitute({**shared, **values}) for part in (system, user)))


SAMPLE = Domain("sample", "Sample", "book", Scale(0.5, 5, 0.5), unrated=(0.0,))
"""What `Prompts.hashes` renders the templates for."""


def _sample_values(name: str) -> dict[str, object]:
    ratings = (4.0, 4.0, 0.0, 1.5, 5.0)
    titles = ("Dune (1965)", 'The "Odd"\nOne', "Unrated", "Poor", "x" * (RECIPE.title_characters + 1))
    items = [{"title": title, "rating": rating} for title, rating in zip(titles, ratings, strict=True)]
    predicted = (4.0, 3.2, 3.0, 4.0, 4.0)
    discrepancies = [discrepancy_lines(items, points, SAMPLE) for points in (predicted, None)]
    values = {
        "ratings": rating_lines(items, SAMPLE),
        "discrepancies": "\n".join(discrepancies),
        "persona": "A persona.",
        "short_term": "A short-term persona.",
        "items": "\n".join(map(quote, titles)),
        "count": len(titles),
    }
    return {key: values[key] for key in PLACEHOLDERS[name]}


def load_prompts(folder: Path | None = None) -> Prompts:
    """Read the built-in prompts, those of `folder` in their place where it has a file of the same name.

    Raises:
        UserError: The folder does not exist, or one of its prompts cannot be used: its name is unknown, it cannot be
            read, or it lacks a placeholder.
    """
    if folder is not None and not folder.is_dir():
        raise UserError("there is no such folder of prompts", where=str(folder), do="give an existing folder")
    own = {path.stem: path for path in sorted(folder.glob("*.txt"))} if folder is not None else {}
    if unknown := sorted(own.keys() - PLACEHOLDERS.keys()):
        raise UserError(
            f"no prompt is called {', '.join(unknown)}",
            where=str(folder),
            do=f"use {', '.join(PLACEHOLDERS)}",
        )
    templates: dict[str, tuple[str, str]] = {}
    for name in PLACEHOLDERS:
        source = own.get(name) or files("deeper.persona.prompts").joinpath(f"{name}.txt")
        try:
            text = source.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            do = "write it as a text file in UTF-8"
            raise UserError(f"the prompt cannot be read ({error})", where=str(source), do=do) from error
        templates[name] = _parse(name, text, str(source))
    return Prompts(templates)


def _digest(content: object) -> str:
    """Eight hexadecimal digits of what is written in a fixed order."""
    return hashlib.blake2b(repr(content).encode(), digest_size=4).hexdigest()


def _parse(name: str, text: str, where: str) -> tuple[str, str]:
    system, rule, user = text.partition("\n---\n")
    if not rule:
        raise UserError("the prompt has no line '---' between system and user message", where=where, do="add it")
    template = string.Template(text)
    if not template.is_valid():
        raise UserError("the prompt has a '$' that starts no placeholder", where=where, do="write '$$' for a dollar")
    found = set(template.get_identifiers())
    if missing := sorted(PLACEHOLDERS[name] - found):
        raise UserError(f"the prompt lacks ${', $'.join(missing)}", where=where, do="add the placeholder")
    if unknown := sorted(found - PLACEHOLDERS[name] - SHARED):
        raise UserError(
            f"the prompt has unknown placeholders ${', $'.join(unknown)}",
            where=where,
            do=f"use {', '.join('$' + known for known in sorted(PLACEHOLDERS[name] | SHARED))}",
        )
    return system.strip(), user.strip() + "\n"
