"""`deeper prepare --all`: prepare the ten domains one after another, and compare the counts with the paper's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from deeper.errors import UserError, printable
from deeper.prepare.one_domain import Options, prepare
from deeper.prepare.settings import PrepareSettings
from deeper.prepare.sources import SOURCES
from deeper.storage.atomic import write_atomically

SUMMARY_COLUMNS = ("domain", "ratings", "users", "long enough", "train", "of", "eval", "of", "why they differ")


def prepare_all(
    settings: PrepareSettings, out: Path, options: Options, console: Console
) -> dict[str, dict[str, Any] | UserError]:
    """Prepare each domain whose raw files are found, into its own folder below `out`.

    Args:
        settings: Settings of all domains; `raw` is the folder that holds all raw files.
        out: The folder of all outputs.
        options: How to run.
        console: For progress.

    Returns:
        Each domain's report, or the error that prevented it.

    Raises:
        UserError: No domain could be prepared; the message lists the reasons.
    """
    reports: dict[str, dict[str, Any] | UserError] = {}
    for domain in SOURCES:
        domain_settings = settings.model_copy(update={"domain": domain})
        try:
            reports[domain] = prepare(domain_settings, out / domain, options, console)
        except UserError as error:
            reports[domain] = error
            console.print(f"{domain}: {_headline(error)}", markup=False, highlight=False)
    reasons = [f"{domain}: {_headline(error)}" for domain, error in reports.items() if isinstance(error, UserError)]
    if len(reasons) == len(reports):
        raise UserError("no domain could be prepared", where="\n  ".join(["", *reasons]), do="see docs/domains.md")
    text = "\n".join("\t".join(row) for row in (SUMMARY_COLUMNS, *summary_rows(reports))) + "\n"
    write_atomically(out / "domains.tsv", text.encode())
    return reports


def summary_rows(reports: Mapping[str, dict[str, Any] | UserError]) -> list[tuple[str, ...]]:
    """Return a row for each domain: our counts, the paper's, and why they differ."""
    rows: list[tuple[str, ...]] = []
    for domain, report in reports.items():
        source = SOURCES[domain]
        paper = (str(source.train), str(source.eval))
        if isinstance(report, UserError):
            rows.append((domain, "-", "-", "-", "-", paper[0], "-", paper[1], _headline(report)))
            continue
        ratings, sampled = report["ratings"], report["sampled"]
        counts = (f"{ratings['rows']:,}", f"{ratings['users']:,}", f"{ratings['users_long']:,}")
        why = "; ".join(_differences(report, source.train, source.eval))
        rows.append(
            (domain, *counts, str(sampled["train"]), paper[0], str(sampled["eval"]), paper[1], why or "they do not")
        )
    return rows


def _headline(error: UserError) -> str:
    """What was wrong and where, without what to do."""
    return printable(str(error)).partition(".\n")[0]


def _differences(report: Mapping[str, Any], paper_train: int, paper_eval: int) -> Sequence[str]:
    """Why a domain has fewer or more users than in the paper."""
    ratings, needed = report["ratings"], report["windows"] * 10
    reasons = list[str]()
    for split, paper in (("train", paper_train), ("eval", paper_eval)):
        got, wanted = report["sampled"][split], report["wanted"][split]
        if wanted != paper:
            reasons.append(f"{wanted} {split} users were asked for")
        if got < wanted:
            reasons.append(f"{wanted - got} {split} users fewer: of {ratings['users_long']:,} with {needed} ratings, "
                           f"{got} hash into that split")  # fmt: skip
    if reasons:
        lost = {
            "bad lines": report["rejected"],
            "repeats": ratings["repeats"],
            "without a title": ratings["untitled"],
            "of shorter users": ratings["short"],
        }
        reasons.append("ratings left out: " + ", ".join(f"{count:,} {name}" for name, count in lost.items() if count))
    return reasons
