"""Trains a predictor: the ratings of items given a persona, all items of a window behind one persona prefix.

The loss of a reading is −Σ_l q_l log p(l), mean over its items. The target q is the distribution of the teacher without
language that is given the same facts (`examples.expected_ratings`): a single rating is mostly chance, which would drown
what a persona says. log p is what `Engine.score` returns, so probability on answers that are no label counts as loss
too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean
from typing import Any

import numpy as np
import torch

from deeper.engine.label_tree import LabelTree, label_tree, split_prefix
from deeper.engine.protocol import Prompt
from deeper.engine.torch.model import control_tokens_of, encode_chats, encode_label
from deeper.engine.torch.packed_labels import label_log_probs, pack
from deeper.learning.examples.readings import Reading, soft_labels
from deeper.measure.metrics import crps, mean_absolute_error, rank_accuracy, weighted_median
from deeper.persona.predict import score_request
from deeper.persona.prompts.item_lines import item_lines
from deeper.persona.prompts.templates import Prompts


@dataclass(frozen=True)
class Example:
    """A reading in tokens.

    Attributes:
        reading: The reading.
        prefix: Tokens that all items share.
        tails: Each item's own tokens.
        tree: The labels' tree.
        shares: The target distributions; shape (items, labels).
    """

    reading: Reading
    prefix: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]
    tree: LabelTree
    shares: torch.Tensor

    @property
    def tokens(self) -> int:
        """Length of the packed sequence."""
        return len(self.prefix) + sum(len(tail) + sum(map(len, self.tree.branches)) for tail in self.tails)


class Encoder:
    """Turns readings into the tokens that an engine reads."""

    def __init__(self, tokenizer: Any, prompts: Prompts) -> None:
        """Use a tokeniser and prompts."""
        self._tokenizer, self._prompts = tokenizer, prompts
        self._control_tokens = control_tokens_of(tokenizer)
        self._tree = lru_cache(self._build_tree)

    def __call__(self, reading: Reading) -> Example:
        """Encode one reading."""
        request = score_request(self._prompts, reading.domain, reading.persona, reading.titles, reading.standings)
        shares = soft_labels(reading.ratings, reading.domain.scale) if reading.expected is None else reading.expected
        target = dict(zip(item_lines(reading.titles, reading.standings), shares, strict=True))
        system, user = request.prompt.system, request.prompt.user
        asked = [Prompt(system, user + continuation) for continuation in request.continuations]
        prefix, tails = split_prefix(encode_chats(self._tokenizer, asked, self._control_tokens))
        shares = torch.tensor(np.array([target[line] for line in request.continuations]), dtype=torch.float32)
        return Example(reading, prefix, tails, self._tree(request.labels), shares)

    def _build_tree(self, labels: tuple[str, ...]) -> LabelTree:
        return label_tree([encode_label(self._tokenizer, label) for label in labels], self._tokenizer.eos_token_id)


def losses(model: Any, batch: Sequence[Example]) -> torch.Tensor:
    """The loss of each example; shape (examples,)."""
    scores = label_log_probs(model, [pack(e.prefix, e.tails, e.tree) for e in batch])
    pairs = zip(scores, batch, strict=True)
    return torch.stack([-(e.shares.to(found.device) * found).sum(dim=1).mean() for found, e in pairs])


def validate(model: Any, examples: Sequence[Example], micro_batch: int = 1) -> dict[str, float]:
    """Measure errors on validation users: the mean over domains of the mean over users.

    Args:
        model: The model.
        examples: One for each user and kind of persona.
        micro_batch: Examples of a forward pass.

    Returns:
        `mae` of the predicted median, `crps`, `rank_accuracy` (share of pairs in the right order; .5 is chance),
        `user_median` (MAE of that baseline on the same items) and `vs_user_median` (the ratio of the two MAEs); the
        same for a policy's personas, prefixed with `policy_`; and `mae_DOMAIN`, `user_median_DOMAIN`.
    """
    was_training = model.training
    model.eval()
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    with torch.inference_mode():
        for at in range(0, len(examples), micro_batch):
            batch = examples[at : at + micro_batch]
            scores = label_log_probs(model, [pack(e.prefix, e.tails, e.tree) for e in batch])
            for example, score in zip(batch, scores, strict=True):
                kind, domain = example.reading.kind, example.reading.domain.id
                found.setdefault(kind, {}).setdefault(domain, []).append(_errors(example.reading, score.cpu()))
    model.train(was_training)
    report: dict[str, float] = {}
    for kind, domains in found.items():
        prefix = "" if kind == "describer" else f"{kind}_"
        means = {domain: _means(rows) for domain, rows in domains.items()}
        report |= {f"{prefix}{name}": value for name, value in _means(list(means.values())).items()}
        report[f"{prefix}vs_user_median"] = report[f"{prefix}mae"] / max(report[f"{prefix}user_median"], 1e-9)
        for domain, errors in means.items():
            report |= {f"{prefix}{name}_{domain}": errors[name] for name in ("mae", "user_median")}
    return {name: round(value, 5) for name, value in report.items()}


def swapped(readings: Sequence[Reading]) -> list[Reading]:
    """The readings, each with the persona of another user of the same domain."""
    by_domain: dict[str, list[Reading]] = {}
    for reading in readings:
        by_domain.setdefault(reading.domain.id, []).append(reading)
    return [
        replace(one, persona=other.persona)
        for found in by_domain.values()
        for one, other in zip(found, [*found[1:], *found[:1]], strict=True)
        if one.user != other.user
    ]


def _errors(reading: Reading, scores: torch.Tensor) -> dict[str, float]:
    values, actual = reading.domain.scale.values, np.array(reading.ratings)
    distribution = scores.double().softmax(dim=1).numpy()
    points = weighted_median(distribution, values)
    return {
        "mae": mean_absolute_error(points, actual),
        "crps": float(crps(distribution, values, actual).mean()),
        "rank_accuracy": rank_accuracy(distribution @ values, actual),
        "user_median": mean_absolute_error(np.full(len(actual), reading.median), actual),
    }


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each number over the rows where it is defined; rank accuracy needs two ratings that differ."""
    columns = {name: [row[name] for row in rows if not np.isnan(row.get(name, np.nan))] for name in rows[0]}
    return {name: fmean(column) for name, column in columns.items() if column}
