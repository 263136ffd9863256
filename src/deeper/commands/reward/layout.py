"""Names of the files that `deeper reward` writes into a run folder of `deeper sample`."""

REWARDS = "rewards.parquet"
PREDICTIONS = "reward-predictions.parquet"
COST = "reward-cost.parquet"
REPORT = "reward.json"
PAGE = "reward.html"
