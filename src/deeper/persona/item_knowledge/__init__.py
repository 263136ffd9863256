"""Knowledge of items: what other users think of an item, in words beside its title in a predictor's prompt.

    standings.py        the standing of an item: how others rate it, compared with what they usually give
    title_effects.py    what its words and categories suggest where few or none have rated it
    standing_words.py   the words that a prompt says

Nothing here knows which ratings may be seen. Whoever makes `Standings` decides that.
"""
