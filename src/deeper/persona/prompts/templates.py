"""Prompt templates: one text file each, which a folder of your own can replace, and a hash of what each asks.

A file holds the system message, a line `---` and the user message, with `$name` placeholders. Filled-in values are
never read as templates, so braces and dollar signs in titles are harmless.
"""

import hashlib
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

from deeper.domains import Domain, Scale
from deeper.domains.levels import verdicts
from deeper.engine import Prompt
from deeper.engine.adapter import AdapterKind
from deeper.errors import UserError
from deeper.persona.evidence.lines import error_lines, evidence_lines
from deeper.persona.prompts.item_lines import Item, discrepancy_lines, quote, rating_lines
from deeper.persona.recipe import RECIPE

PLACEHOLDERS: dict[str, set[str]] = {
    "initialise": {"ratings"},
    "refine": {"persona", "discrepancies"},
    "incremental_update": {"persona", "ratings"},
    "merge": {"persona", "short_term"},
    "predict": {"persona"},
    "predict_list": {"persona", "items", "count"},
}
"""The placeholders that each prompt must contain."""
SHARED_PLACEHOLDERS = {"low", "high", "labels", "ladder", "noun", "sentences"}
"""The placeholders that every prompt may contain."""
PREDICTOR_PROMPTS = ("predict", "predict_list")
"""The prompts for a predictor; all others are for a policy."""
# fmt: off
NUMBER_WORDS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight",
    "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
)
# fmt: on
"""Numbers in words, from 1 on. A small model repeats digits of its prompt, and a digit in a persona is a leak."""


Evidence = Literal["none", "kinds"]
"""What the writers' prompts say below the items: nothing (the paper's protocol), or what the ratings show, by kind."""
EVIDENCE_CHOICES: tuple[Evidence, ...] = get_args(Evidence)


@dataclass(frozen=True)
class Prompts:
    """All templates, and how they show ratings.

    Attributes:
        templates: The system and the user message of each template, by name.
        evidence: What stands below the items.
    """

    templates: Mapping[str, tuple[str, str]]
    evidence: Evidence = "none"

    @cached_property
    def hashes(self) -> dict[str, str]:
        """A hash of each template, as it is and filled in with sample ratings: 8 hexadecimal digits by name.

        A hash changes whenever a model would be asked something else: with the template, with how items are listed,
        with the words for ratings, and with the evidence.
        """
        return {
            name: _digest([template, self.render(name, SAMPLE_DOMAIN, 120, **_sample_values(self, name))])
            for name, template in self.templates.items()
        }

    @property
    def version(self) -> str:
        """One hash of all templates: 8 hexadecimal digits."""
        return _digest(self.hashes)

    def hashes_for(self, role: AdapterKind) -> dict[str, str]:
        """The hashes of the templates for a policy or for a predictor."""
        return {
            name: digest for name, digest in self.hashes.items() if (name in PREDICTOR_PROMPTS) == (role == "predictor")
        }

    def ratings(self, windows: Sequence[Sequence[Item]], domain: Domain, known_windows: int) -> str:
        """Show ratings as lines of a prompt: `rating_lines`, then the evidence.

        Args:
            windows: The windows to show.
            domain: Their domain.
            known_windows: Windows that the user has had so far, shown or not.
        """
        lines = rating_lines([item for window in windows for item in window], domain)
        told = evidence_lines(windows, domain, known_windows) if self.evidence == "kinds" else []
        return "\n".join([lines, *told])

    def discrepancies(
        self, window: Sequence[Item], predicted: Sequence[float] | None, domain: Domain, known_windows: int
    ) -> str:
        """Show predicted beside actual ratings as lines of a prompt: `discrepancy_lines`, then the evidence.

        Args:
            window: W_t.
            predicted: A predicted point for each item; None where there is no prediction.
            domain: Their domain.
            known_windows: Windows that the user has had so far.
        """
        lines = discrepancy_lines(window, predicted, domain)
        told = error_lines(window, predicted, domain, known_windows) if self.evidence == "kinds" else []
        return "\n".join([lines, *told])

    def render(self, name: str, domain: Domain, max_tokens: int = 0, **values: object) -> Prompt:
        """Fill in a template.

        Args:
            name: The prompt's name.
            domain: Gives the item noun and the scale.
            max_tokens: Length limit of the answer in tokens. The prompt states it in sentences.
            values: Values of this prompt's placeholders.
        """
        labels = domain.scale.labels
        sentences = min(max(max_tokens // RECIPE.sentence_tokens, 1), len(NUMBER_WORDS))
        shared = {
            "low": labels[0],
            "high": labels[-1],
            "labels": ", ".join(labels),
            "ladder": ", ".join(f"{label} ({words})" for label, words in verdicts(domain.scale)),
            "noun": domain.item_noun,
            "sentences": NUMBER_WORDS[sentences - 1],
        }
        system, user = self.templates[name]
        return Prompt(*(string.Template(part).substitute({**shared, **values}) for part in (system, user)))


SAMPLE_DOMAIN = Domain("sample", "Sample", "book", Scale(0.5, 5, 0.5), unrated=(0.0,))
"""The domain that `Prompts.hashes` fills the templates in for."""
_OF_KINDS = [
    {"title": f"{kind} {letter}", "categories": [kind], "rating": rating}
    for kind, rating in (("Tales", 5.0), ("Essays", 4.0), ("Poems", 3.0), ("Plays", 1.0))
    for letter in "abcd"
]
"""Ratings that show kinds of both sides, clear and hedged. Only prompts with evidence are filled in with them, so the
hashes of the others are those of versions without evidence."""


def _sample_values(prompts: Prompts, name: str) -> dict[str, object]:
    ratings = (4.0, 4.0, 0.0, 1.5, 5.0)
    titles = ("Dune (1965)", 'The "Odd"\nOne', "Unrated", "Poor", "x" * (RECIPE.title_characters + 1))
    items = [{"title": title, "rating": rating} for title, rating in zip(titles, ratings, strict=True)]
    predicted = (4.0, 3.2, 3.0, 4.0, 4.0)
    rated: list[tuple[Sequence[Item], int]] = [(items, 1)]
    wrong: list[tuple[Sequence[Item], Sequence[float] | None]] = [(items, predicted), (items, None)]
    if prompts.evidence == "kinds":
        rated.append((_OF_KINDS, 4))
        wrong.append((_OF_KINDS, [3.0] * len(_OF_KINDS)))
    values = {
        "ratings": "\n".join(prompts.ratings([window], SAMPLE_DOMAIN, known) for window, known in rated),
        "discrepancies": "\n".join(prompts.discrepancies(*one, SAMPLE_DOMAIN, 3) for one in wrong),
        "persona": "A persona.",
        "short_term": "A short-term persona.",
        "items": "\n".join(map(quote, titles)),
        "count": len(titles),
    }
    return {key: values.get(key, key) for key in PLACEHOLDERS[name]}


def load_prompts(folder: str | Path | None = None, evidence: Evidence = "none") -> Prompts:
    """Read the built-in prompts.

    Args:
        folder: A file here replaces the built-in prompt of the same name; none if empty.
        evidence: What stands below the items.

    Raises:
        UserError: The folder does not exist, or one of its prompts cannot be used: its name is unknown, it cannot be
            read, or its placeholders are wrong.
    """
    place = Path(folder) if folder else None
    if place is not None and not place.is_dir():
        raise UserError("there is no such folder of prompts", where=str(place), do="choose an existing folder")
    replacements = {path.stem: path for path in sorted(place.glob("*.txt"))} if place is not None else {}
    if unknown := sorted(replacements.keys() - PLACEHOLDERS.keys()):
        raise UserError(
            f"no prompt is called {', '.join(unknown)}",
            where=str(folder),
            do=f"use {', '.join(PLACEHOLDERS)}",
        )
    templates: dict[str, tuple[str, str]] = {}
    for name in PLACEHOLDERS:
        source = replacements.get(name) or files("deeper.persona.prompts").joinpath(f"{name}.txt")
        try:
            text = source.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            do = "save it as a text file in UTF-8"
            raise UserError(f"the prompt cannot be read ({error})", where=str(source), do=do) from error
        templates[name] = _parse(name, text, str(source))
    return Prompts(templates, evidence)


def evidence_of(hashes: Mapping[str, str], prompts: Prompts) -> Evidence | None:
    """With which evidence prompts have these hashes; None if they are other prompts, or none at all.

    Args:
        hashes: Hashes of templates by name, as in an adapter's card or beside pairs.
        prompts: The templates; their own evidence does not matter.
    """
    known = {one: replace(prompts, evidence=one).hashes for one in EVIDENCE_CHOICES}
    return next((one for one in EVIDENCE_CHOICES if hashes and hashes.items() <= known[one].items()), None)


def _digest(content: object) -> str:
    """A hash of content that is written in a fixed order: 8 hexadecimal digits."""
    return hashlib.blake2b(repr(content).encode(), digest_size=4).hexdigest()


def _parse(name: str, text: str, where: str) -> tuple[str, str]:
    system, rule, user = text.partition("\n---\n")
    if not rule:
        what = "the prompt has no line '---' between system and user message"
        raise UserError(what, where=where, do="add the line")
    template = string.Template(text)
    if not template.is_valid():
        raise UserError("the prompt has a '$' that starts no placeholder", where=where, do="write '$$' for a dollar")
    used = set(template.get_identifiers())
    if missing := sorted(PLACEHOLDERS[name] - used):
        raise UserError(f"the prompt lacks ${', $'.join(missing)}", where=where, do="add the placeholder")
    if unknown := sorted(used - PLACEHOLDERS[name] - SHARED_PLACEHOLDERS):
        raise UserError(
            f"the prompt has unknown placeholders ${', $'.join(unknown)}",
            where=where,
            do=f"use {', '.join('$' + known for known in sorted(PLACEHOLDERS[name] | SHARED_PLACEHOLDERS))}",
        )
    return system.strip(), user.strip() + "\n"
