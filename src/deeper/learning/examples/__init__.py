"""Training examples made from behaviour.

- `lessons`: prompts with the describer's answers; a cold-started policy learns from them.
- `readings`: personas with the ratings that followed; a predictor learns from them.
- `policy_personas`: personas that policies wrote, for readings.
- `user_windows`: users, the windows known so far, and the balanced order in which examples are drawn.
- `expected_ratings` and `item_standing`: how users with the same facts rate such items.
- `recipe`: the numbers that shape all of this.
"""
