"""Directions, their rewards, and the preference pairs made of them.

    contexts ─▶ directions ─▶ gains ─▶ rewards, reality ─▶ rewarded_contexts ─▶ choose_pairs

`reality` measures whether a reward is more than luck; `reality_report` holds the types of its report. `schema` has the
tables, `recipe` the numbers that shape all of this.
"""
