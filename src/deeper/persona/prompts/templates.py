"""Prompts: one text file each, replaceable by a folder of own ones, versioned by content.

A file holds the system message, a line `---`, and the user message, with `$name` placeholders. Values are put in
once and never read as templates, so braces and dollars in titles are harmless.
"""

import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from deeper.behaviour.levels import verdicts
from deeper.domains import Domain
from deeper.engine import Prompt
from deeper.engine.adapter import Kind
from deeper.errors import UserError

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
SENTENCE_TOKENS = 24
"""Tokens of a plain sentence: what a model is told so that it ends before it is cut off."""
# fmt: off
COUNTS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight",
    "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
)
# fmt: on
"""Spelled out, since small models repeat a number that they are told, and a number in a persona is a leak."""

LAYOUT = 6
"""Raise when the lines of items change: they are a part of the version of the prompts that hold them."""


READING = ("predict", "predict_list")
"""The prompts that a predictor is asked with; the others are a policy's."""


@dataclass(frozen=True)
class Prompts:
    """All templates, and their version.

    Attributes:
        templates: System and user message by name.
        version: Of all of them and of the lines of items.
        reading_version: Of those that a predictor is asked with. So a change of what policies are asked leaves trained
            predictors as good as they were.
    """

    templates: Mapping[str, tuple[str, str]]
    version: str
    reading_version: str

    def version_for(self, role: Kind) -> str:
        """What an adapter of this role depends on."""
        return self.reading_version if role == "predictor" else self.version

    def render(self, name: str, domain: Domain, max_tokens: int = 0, **values: object) -> Prompt:
        """Fill in a template.

        Args:
            name: The prompt's name.
            domain: Gives the item noun and the scale.
            max_tokens: Length limit of the answer in tokens; told to the model in sentences.
            values: The placeholders of this prompt.
        """
        labels = domain.scale.labels
        shared = {
            "low": labels[0],
            "high": labels[-1],
            "labels": ", ".join(labels),
            "ladder": ", ".join(f"{label} ({words})" for label, words in verdicts(domain.scale)),
            "noun": domain.item_noun,
            "sentences": COUNTS[min(max(max_tokens // SENTENCE_TOKENS, 1), len(COUNTS)) - 1],
        }
        system, user = self.templates[name]
        return Prompt(*(string.Template(part).substitute({**shared, **values}) for part in (system, user)))


def load_prompts(folder: Path | None = None) -> Prompts:
    """Read the built-in prompts, those of `folder` in their place where it has a file of the same name.

    Raises:
        UserError: The folder does not exist, or holds a prompt of no use, one that cannot be read, or one that lacks
            a placeholder.
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
    reading = {name: templates[name] for name in READING}
    return Prompts(templates, _digest((LAYOUT, templates)), _digest(reading))


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
