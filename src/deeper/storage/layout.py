"""The names of the files that commands leave in run folders for other commands and for reports, each in one place.

A format with a module of its own keeps its names there: an adapter's files in `engine/adapter`, fingerprints in
`behaviour/fingerprints`, pairs in `commands/pairs/layout`, a tracker's folder in `tracker/store`.
"""

# Every run folder.
CONFIG = "config.toml"
MANIFEST = "manifest.json"
COST = "cost.parquet"

# deeper evaluate and deeper demo; deeper sample also leaves personas and predictions.
RESULTS = "results.json"
PERSONAS = "personas.parquet"
PREDICTIONS = "predictions.parquet"
ERRORS = "errors.parquet"
WINDOWS = "windows.parquet"
SEARCH = "search.parquet"
CALIBRATION = "calibration.json"
HISTORY = "history.json"
HISTORY_PREDICTIONS = "history.parquet"

# deeper sample.
CONTEXTS = "contexts.parquet"
DIRECTIONS = "directions.parquet"

# deeper reward, in the run folder of deeper sample.
REWARDS = "rewards.parquet"
REWARD_PREDICTIONS = "reward-predictions.parquet"
REWARD_COST = "reward-cost.parquet"
REWARD_REPORT = "reward.json"
REWARD_PAGE = "reward.html"

# deeper report.
PAGE = "report.html"
FIGURES = "figures"
