"""The names of the files that commands leave in run folders for other commands and for reports, each in one place.

The suffixes `_FILE` and `_FOLDER` tell a name on the disk from the schema of what it holds (`COST_FILE`, `COST`).

A format with a module of its own keeps its names there: an adapter's files in `engine/adapter`, fingerprints in
`behaviour/fingerprints`, pairs in `commands/pairs/layout`, a tracker's folder in `tracker/store`.
"""

# Every run folder.
CONFIG_FILE = "config.toml"
MANIFEST_FILE = "manifest.json"
COST_FILE = "cost.parquet"

# deeper evaluate and deeper demo; deeper sample also leaves personas and predictions.
RESULTS_FILE = "results.json"
PERSONAS_FILE = "personas.parquet"
PREDICTIONS_FILE = "predictions.parquet"
ERRORS_FILE = "errors.parquet"
WINDOWS_FILE = "windows.parquet"
SEARCH_FILE = "search.parquet"
CALIBRATION_FILE = "calibration.json"
HISTORY_FILE = "history.json"
HISTORY_PREDICTIONS_FILE = "history.parquet"

# deeper sample.
CONTEXTS_FILE = "contexts.parquet"
DIRECTIONS_FILE = "directions.parquet"

# deeper reward, in the run folder of deeper sample.
REWARDS_FILE = "rewards.parquet"
REWARD_PREDICTIONS_FILE = "reward-predictions.parquet"
REWARD_COST_FILE = "reward-cost.parquet"
REWARD_REPORT_FILE = "reward.json"
REWARD_PAGE_FILE = "reward.html"

# deeper report.
PAGE_FILE = "report.html"
FIGURES_FOLDER = "figures"
