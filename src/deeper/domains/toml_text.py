"""Write domains as TOML, for `domain.load_domain` to read."""

import json
from typing import Any

from deeper.domains.domain import Domain

KEY_COMMENTS = {
    "id": "The name in tables and commands: lower-case letters, digits and underscores.",
    "name": "The name in reports.",
    "item_noun": "What one item is called in prompts: movie, book, recipe, place, song.",
    "scale": "Lowest and highest rating and the step between: [1, 5, 1] stars, [0.5, 5, 0.5] half stars,\n"
    "# [0, 1, 1] thumbs, [0, 10, 1], [0, 100, 5]. Each value can be predicted; about 20 are enough, 101 the most.",
    "between": "Whether ratings may lie between these values, as 73 on [0, 100, 5]; they are kept as they are.",
    "unrated": 'Ratings that mean "no rating", for example [0]: no model sees them, and they do not count as errors.',
}
"""A comment for each key. The keys `aliases` and `seen` are for the built-in domains only."""


def domain_toml(domain: Domain, comments: bool = False) -> str:
    """Return a domain as TOML, without `aliases` and `seen`.

    Args:
        domain: The domain.
        comments: Whether to explain each key and include keys with their default value.
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
            lines += [f"# {KEY_COMMENTS[key]}"]
        if comments or value not in (False, []):
            # Strings, booleans and lists of numbers are written alike in JSON and TOML.
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}" + "\n" * comments)
    return "\n".join(lines).rstrip() + "\n"
