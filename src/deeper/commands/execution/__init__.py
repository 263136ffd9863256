"""What several commands share: the local executor, progress, engines, predictors and the users of a run."""
