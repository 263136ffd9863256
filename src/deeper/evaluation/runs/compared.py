"""What a comparison of runs says, as `deeper compare --json` writes it."""

from typing import Any

from deeper.evaluation.json_parts import Difference, Ends, Number, NumberOrNone, Part


class ComparedSetting(Part):
    """Runs that differ in nothing but their seed.

    Attributes:
        name: As tables show it.
        runs: The run folders.
        seeds: The seed of each.
        engines: The engines of policy and predictor, by their names in settings.
        differs: The settings that are not the same for all that is compared, with their values here.
    """

    name: str
    runs: list[str]
    seeds: list[int]
    engines: list[str]
    differs: dict[str, Any]


class ComparedDifference(Part):
    """The mean difference, by user, between the MAE of an entry and that of `setting` and `method`.

    Attributes:
        setting: The name of the reference's setting.
        method: Its method.
        value: Below 0 is better than the reference.
        ci: 95 % interval over users.
        p_value: Two-sided, of no difference.
        p_adjusted: The same after Holm's correction for all differences to the reference in this round and domain.
        improved: Share of users with a lower error, averaged over domains.
        users: The users that both have.
        by_seed: The difference with each seed alone. The reference is of the same seed where it has that.
        crps: The difference in CRPS, corrected in the same way.
        rank_accuracy: The difference in rank accuracy, where above 0 is better.
    """

    setting: str
    method: str
    value: Number
    ci: Ends
    p_value: NumberOrNone
    p_adjusted: NumberOrNone
    improved: Number
    users: int
    by_seed: list[Number]
    crps: Difference | None
    rank_accuracy: Difference | None


class ComparedEntry(Part):
    """The held-out error of one method of one setting in one round of one domain, or of a mean over domains.

    With several seeds, a user's error is the mean over them.

    Attributes:
        domain: The domain, or `mean`, `mean_seen`, `mean_unseen`.
        setting: The setting's name.
        method: The method.
        prediction: "persona", "history" or, for baselines, "none".
        round: The round.
        mae: Mean over users, in units of the rating scale.
        ci: 95 % interval over users.
        crps: Mean over users.
        rank_accuracy: Mean over users; None if a domain has no user whose ratings differ.
        users: Number of users.
        mae_by_seed: With each seed alone.
        difference: To the reference; None for the reference itself, and where there is none.
    """

    domain: str
    setting: str
    method: str
    prediction: str
    round: int
    mae: Number
    ci: Ends
    crps: Number
    rank_accuracy: NumberOrNone
    users: int
    mae_by_seed: list[Number]
    difference: ComparedDifference | None

    @property
    def label(self) -> str:
        """The method, and whether its predictions also use history."""
        return f"{self.method} + history" if self.prediction == "history" else self.method


class Comparison(Part):
    """Runs compared on the windows that all of them judge.

    Attributes:
        reference: What the differences are to, in words.
        rounds: The last round that all have.
        users: Users that all judge, by domain.
        settings: What is compared, in the order given.
        entries: One for each domain, setting, method, prediction and round.
        notes: What was left out, in words with counts.
    """

    reference: str
    rounds: int
    users: dict[str, int]
    settings: list[ComparedSetting]
    entries: list[ComparedEntry]
    notes: list[str]

    @property
    def domain(self) -> str:
        """The mean over domains, or the only domain."""
        return "mean" if len(self.users) > 1 else next(iter(self.users))

    def shown(self) -> list[ComparedEntry]:
        """The entries of `domain` at the last round; baselines, which need no model, of the first setting alone."""
        first, place = self.settings[0].name, (self.domain, self.rounds)
        entries = [entry for entry in self.entries if (entry.domain, entry.round) == place]
        return [entry for entry in entries if entry.prediction != "none" or entry.setting == first]

    def as_json(self) -> dict[str, Any]:
        """The content of the JSON file."""
        return self.model_dump(mode="json")
