"""Evidence: what ratings show, computed. It stands in the writers' prompts (`--evidence kinds`) and in the report.

    ratings ─▶ kinds ─▶ kind_effects ─┐
    ratings ─▶ facts ─────────────────┴─▶ lines of a prompt

- `kinds`: the kinds of an item, which are its categories, or else the words and the decade of its title.
- `kind_effects`: how far a user rates a kind above or below the rest, and how sure that is.
- `facts`: what all ratings show together: level, spread, extremes, and the kinds that are sure enough to be told.
- `lines`: the words of a prompt for all of this.
- `recipe`: the numbers that decide what is told.
"""
