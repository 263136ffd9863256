"""Personas: write them from behaviour, predict ratings from them, refine them from the errors.

    rounds.py        the one loop: S_0 ─▶ P_1 ─▶ S_1 ─▶ P_2 ─▶ …
    stages.py        the writing stages; write.py asks the policy, leaks.py looks for titles and ratings
    predict.py       the predicting stage and its readouts; predictors.py shares users among predictors
    updaters/        the ways to update a persona, a module each; update_input.py is what an updater may see
    prompts/         the templates, and items as lines
    evidence/        what ratings show, computed; describer/ writes it as a persona, without a model
    item_knowledge/  what other users think of an item, in a predictor's prompt
    calibration.py, cross_fit.py, history.py, search.py     what can stand between a prediction and its use
    recipe.py        the numbers that shape all of this

`deeper evaluate` and `deeper sample` run the loop in `rounds.py`; `PersonaTracker` calls its steps user by user.
"""
