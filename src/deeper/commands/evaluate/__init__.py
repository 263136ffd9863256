"""`deeper evaluate` and `deeper demo`.

    settings.py ─▶ plan.py (data, users) ─▶ evaluation_rounds.py (all rounds) ─▶ evaluate.py (errors, results, files)

`estimate.py` says how long a run will take, `preview.py` shows one user before it.
"""
