"""What an updater may see at round t: as a row of a table, and as an object. Also the prompt for a first persona.

`update_row` cuts off everything after W_t, so an updater cannot read the future.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from deeper.behaviour.schema import ITEM
from deeper.domains import Domain
from deeper.engine import Prompt
from deeper.persona.prompts.item_lines import Item
from deeper.persona.prompts.templates import Prompts

Window = Sequence[Item]

UPDATE_INPUT = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("parent", pa.string()),
        pa.field("persona", pa.string(), nullable=False),
        pa.field("windows", pa.list_(pa.list_(ITEM)), nullable=False),
        pa.field("predicted", pa.list_(pa.float32())),
    ]
)
"""What an updater may see: S_{k-1} (`parent`, `persona`), W_0..W_k, and the calibrated points of W_k predicted from
S_{k-1} (null if that prediction failed). `initialise` gets only W_0."""


@dataclass(frozen=True)
class UpdateInput:
    """What an updater may see at round t.

    Attributes:
        domain: The domain.
        persona: The text of S_{t-1}.
        windows: W_0..W_t.
        predicted: Calibrated points of W_t predicted from S_{t-1}; None if the prediction failed.
        short_term: For updaters in `SHORT_TERM`, a persona written only from W_t; else empty.
        max_tokens: Length limit of the new persona, in tokens.
    """

    domain: Domain
    persona: str
    windows: Sequence[Window]
    predicted: Sequence[float] | None
    short_term: str
    max_tokens: int


Updater = Callable[[Prompts, UpdateInput], Prompt]
"""Asks for the next persona: from the templates and what may be seen to a prompt."""


def update_row(
    key: tuple[str, str],
    method: str,
    k: int,
    parent: Mapping[str, Any] | None,
    windows: Sequence[Window],
    predicted: Sequence[float] | None,
) -> dict[str, Any]:
    """Make one row of `UPDATE_INPUT`; it holds nothing after W_k.

    Args:
        key: Domain and user.
        method: The updater, "initialise", or the control.
        k: Number of the newest window that may be seen.
        parent: The `PERSONA` row of S_{k-1}, if there is one.
        windows: The user's windows from W_0 on, at least up to W_k.
        predicted: Calibrated points of W_k predicted from S_{k-1}; None if that prediction failed.
    """
    return {
        "user": key[1],
        "domain": key[0],
        "method": method,
        "k": k,
        "parent": parent["id"] if parent else None,
        "persona": parent["text"] if parent else "",
        "windows": windows[: k + 1],
        "predicted": predicted,
    }


def update_input(row: Mapping[str, Any], domain: Domain, max_tokens: int, short_term: str = "") -> UpdateInput:
    """Make the updater's input from a row of `UPDATE_INPUT` or `CONTEXT`."""
    return UpdateInput(domain, row["persona"], row["windows"], row["predicted"], short_term, max_tokens)


def initial_prompt(prompts: Prompts, domain: Domain, windows: Sequence[Window], max_tokens: int) -> Prompt:
    """Ask for a persona that is written only from the given windows."""
    return prompts.render("initialise", domain, max_tokens, ratings=prompts.ratings(windows, domain, len(windows)))
