"""Synthetic titles with the quirks of real ones, raw and clean."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeper.behaviour.planted.plant import ADJECTIVES, NOUNS

PLAIN, ENTITY, TAG, HIDDEN, TAIL, BLANKS, ACCENT, QUOTED, TWICE, EMPTY, SCRIPT, ABSENT = range(12)
QUIRKS = (
    "plain",
    "entity",
    "tag",
    "hidden",
    "tail",
    "blanks",
    "accent",
    "quoted",
    "twice",
    "empty",
    "script",
    "absent",
)
"""Names of the quirks; each item has one. The last three are no title: empty, scraped code, no row in the meta file."""

RATES = {
    "amazon": {
        ENTITY: 0.04, TAG: 0.003, HIDDEN: 0.002, TAIL: 0.01, BLANKS: 0.05, ACCENT: 0.01, QUOTED: 0.02, TWICE: 0.01,
        EMPTY: 0.002, SCRIPT: 0.001, ABSENT: 0.01,
    },
    "movielens": {BLANKS: 0.001, ACCENT: 0.03, QUOTED: 0.25},
    "food_com": {BLANKS: 0.3, EMPTY: 0.0001},
    "google_local": {HIDDEN: 0.0001, ACCENT: 0.014, QUOTED: 0.01, TWICE: 0.01, EMPTY: 0.001},
}  # fmt: skip
"""Share of items with each quirk, by family of data, measured on samples and on the published titles."""


@dataclass(frozen=True)
class MadeTitle:
    """A title in the raw file, and the same title cleaned; empty if there is none."""

    raw: str
    clean: str


def draw_quirks(family: str, items: int, seed: int) -> NDArray[np.uint8]:
    """Draw the quirk of each item; shape (items,)."""
    draw = np.random.default_rng([seed, 2]).random(items)
    edges = np.cumsum(list(RATES[family].values()))
    names = np.array([*RATES[family], PLAIN], np.uint8)
    return names[np.searchsorted(edges, draw, side="right")]


def make_title(family: str, item: int, quirk: int) -> MadeTitle:
    """Make the title of an item; the same arguments give the same title.

    Args:
        family: A key of `RATES`.
        item: Number of the item.
        quirk: Its quirk.
    """
    adjective, noun = ADJECTIVES[item % len(ADJECTIVES)], NOUNS[item // len(ADJECTIVES) % len(NOUNS)]
    clean = f"{adjective} {noun} {item}"
    if family == "movielens":
        clean = f"{adjective} {noun}{', The' if quirk == QUOTED else ''} {item} ({1930 + item % 80})"
    elif family == "food_com":
        clean = clean.lower()
    elif family == "google_local":
        # Every tenth place has a name and no address.
        address = f", {item % 900 + 1} Broad St, New York, NY 10024" if item % 10 else ""
        clean = f"{adjective} {noun} {item}{address}"
    if quirk == ACCENT:
        return MadeTitle(f"Cafe\u0301 {clean}", f"Café {clean}")
    if quirk == QUOTED and family != "movielens":
        return MadeTitle(f'\'"{clean}" {{0}}', f'\'"{clean}" {{0}}')
    return {
        ENTITY: MadeTitle(f"{clean} &amp; Sons&reg; &#39;&lt;3", f"{clean} & Sons® '<3"),
        TAG: MadeTitle(f"<b>{clean}</b><br /> Set", f"{clean} Set"),
        HIDDEN: MadeTitle(f"{clean[:3]}\u200b{clean[3:]}\u00ad\u200e", clean),
        TAIL: MadeTitle(f'{clean}" />', clean),
        BLANKS: MadeTitle(f" {clean.replace(' ', '  ')}\t", clean),
        EMPTY: MadeTitle("  ", ""),
        SCRIPT: MadeTitle("var aPageStart = (new Date()).getTime();", ""),
        ABSENT: MadeTitle("", ""),
    }.get(quirk, MadeTitle(clean, clean))
