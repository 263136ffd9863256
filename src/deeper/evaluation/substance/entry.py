"""The entry of results.json on what the personas of a method hold."""

from deeper.evaluation.json_parts import Ends, MethodName, NumberOrNone, Part


class MeanOfUsers(Part):
    """A mean over domains of means over users, with its 95 % interval."""

    value: NumberOrNone
    ci: Ends
    users: int


class SubstanceEntry(Part):
    """What the personas of one method hold in one round of one domain, or of a mean over domains.

    Attributes:
        round: None for all rounds together; a user's value is then the mean over rounds.
        names_kind: Share of personas that name a kind of the user's own items and say whether it is liked; None for a
            control that holds no text.
        content_words: Distinct content words of all personas; they grow with the number of users. None as above.
        later_residuals: By how much ratings of the next window lie above the user's mean there, for items of the kinds
            that the persona names, in units of the rating; of kinds that it says disappoint, below. Above 0 they point
            the stated way. None if a domain has no such rating.
        beyond_level: Rank accuracy among items of equal standing, .5 is chance; without item knowledge plain rank
            accuracy. None if a domain has no such pair of items.
    """

    domain: str
    method: MethodName
    round: int | None
    names_kind: MeanOfUsers | None
    content_words: NumberOrNone
    later_residuals: MeanOfUsers | None
    beyond_level: MeanOfUsers | None
