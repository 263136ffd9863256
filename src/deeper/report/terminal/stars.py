"""The stars of tables of differences, and what they mean."""

from deeper.measure.holm import is_shown


def star(p_adjusted: float | None) -> str:
    """What stands before a difference: a star if it is shown, else nothing."""
    return "*" if is_shown(p_adjusted) else ""


def what_a_star_means(tests: int) -> str:
    """A sentence for below a table with so many differences; empty for results without p-values."""
    if not tests:
        return ""
    return (
        f"*: below 5 % after Holm's correction for the {tests} difference{'s' * (tests != 1)} of this table; so the "
        "chance that luck made any star is at most 5 %."
    )
