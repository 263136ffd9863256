"""Domains as TOML: what `domain.load_domain` reads."""

import json
from typing import Any

from deeper.domains.domain import Domain

COMMENTS = {
    "id": "The name in tables and commands: small letters, digits and underscores.",
    "name": "The name that people read.",
    "item_noun": "What one item is called in prompts: movie, book, recipe, place, song.",
    "scale": "Lowest and highest rating and the step between: [1, 5, 1] stars, [0.5, 5, 0.5] half stars,\n"
    "# [0, 1, 1] thumbs, [0, 10, 1], [0, 100, 5]. Each value can be predicted; about 20 are enough, 101 the most.",
    "between": "Whether ratings may lie between these values, as 73 on [0, 100, 5]; they are kept as they are.",
    "unrated": 'Ratings that mean "no rating": no model sees them, and they judge nothing; [0] where 0 is one.',
}
"""What each key says. The keys `aliases` and `seen` are for the built-in domains."""


def domain_toml(domain: Domain, comments: bool = False) -> str:
    """A domain as TOML.

    Args:
        domain: The domain; its aliases, and whether the paper has seen it, are left out.
        comments: Whether to explain each key, and to show those that have their default.
    """
    scale = domain.scale
    table: dict[str, Any] = {
        "id": domain.id,
        "name": domain.name,
        "item_noun": domain.item_noun,
        "scale": [scale.minimum, scale.maximum, scale.step],
        "between": domain.between,
        "unrated": list(domain.unrated),
    }
    lines: list[str] = []
    for key, value in table.items():
        if comments:
            lines += [f"# {COMMENTS[key]}"]
        if comments or value not in (False, []):
            # JSON's strings, truth values and lists of numbers are TOML's, too.
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}" + "\n" * comments)
    return "\n".join(lines).rstrip() + "\n"
