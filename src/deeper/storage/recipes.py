"""Writes recipes down: the numbers that shape a result and are not settings, as reports and cards keep them."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def dump_recipes(**recipes: "DataclassInstance") -> dict[str, Any]:
    """The fields of each recipe by the recipe's name, as JSON holds them (lists for tuples)."""
    return json.loads(json.dumps({name: asdict(recipe) for name, recipe in recipes.items()}))
