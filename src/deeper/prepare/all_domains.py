"""`deeper prepare --all`: the ten domains one after another, and what came out beside what the paper took."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from deeper.errors import UserError, printable
from deeper.prepare.one_domain import Options, prepare
from deeper.prepare.settings import PrepareSettings
from deeper.prepare.sources import SOURCES
from deeper.storage.atomic import write_atomically

HEADS = ("domain", "ratings", "users", "long enough", "train", "of", "eval", "of", "why they differ")


def prepare_all(
    settings: PrepareSettings, out: Path, options: Options, console: Console
) -> dict[str, dict[str, Any] | UserError]:
    """Prepare each domain whose raw files are found, into a folder of its own below `out`.

    Args:
        settings: Of all domains; `raw` is the folder that holds all raw files.
        out: The folder of all.
        options: How to do it.
        console: For progress.

    Returns:
        Each domain's report, or why there is none.

    Raises:
        UserError: No domain could be prepared; with the reason of each.
    """
    found: dict[str, dict[str, Any] | UserError] = {}
    for domain in SOURCES:
        one = settings.model_copy(update={"domain": domain})
        try:
            found[domain] = prepare(one, out / domain, options, console)
        except UserError as error:
            found[domain] = error
            console.print(f"{domain}: {_said(error)}", markup=False, highlight=False)
    reasons = [f"{domain}: {_said(why)}" for domain, why in found.items() if isinstance(why, UserError)]
    if len(reasons) == len(found):
        raise UserError("no domain could be prepared", where="\n  ".join(["", *reasons]), do="see docs/domains.md")
    text = "\n".join("\t".join(row) for row in (HEADS, *rows(found))) + "\n"
    write_atomically(out / "domains.tsv", text.encode())
    return found


def rows(found: Mapping[str, dict[str, Any] | UserError]) -> list[tuple[str, ...]]:
    """The table's rows: what came out, what the paper took, and where and why they differ."""
    lines: list[tuple[str, ...]] = []
    for domain, report in found.items():
        source = SOURCES[domain]
        wanted = (str(source.train), str(source.eval))
        if isinstance(report, UserError):
            lines.append((domain, "-", "-", "-", "-", wanted[0], "-", wanted[1], _said(report)))
            continue
        ratings, sampled = report["ratings"], report["sampled"]
        counts = (f"{ratings['rows']:,}", f"{ratings['users']:,}", f"{ratings['users_long']:,}")
        told = "; ".join(_reasons(report, source.train, source.eval))
        lines.append(
            (domain, *counts, str(sampled["train"]), wanted[0], str(sampled["eval"]), wanted[1], told or "they do not")
        )
    return lines


def _said(error: UserError) -> str:
    """Where something was wrong, and what."""
    return printable(str(error)).partition(".\n")[0]


def _reasons(report: Mapping[str, Any], train: int, held: int) -> Sequence[str]:
    """Why a domain's users are fewer or more than the paper's."""
    ratings, needed = report["ratings"], report["windows"] * 10
    said = list[str]()
    for split, paper in (("train", train), ("eval", held)):
        got, wanted = report["sampled"][split], report["wanted"][split]
        if wanted != paper:
            said.append(f"{wanted} {split} users were asked for")
        if got < wanted:
            said.append(f"{wanted - got} {split} users fewer: of {ratings['users_long']:,} with {needed} ratings, "
                        f"{got} hash into that split")  # fmt: skip
    if said:
        lost = {
            "bad lines": report["rejected"],
            "repeats": ratings["repeats"],
            "without a title": ratings["untitled"],
            "of shorter users": ratings["short"],
        }
        said.append("ratings left out: " + ", ".join(f"{count:,} {name}" for name, count in lost.items() if count))
    return said
