"""What commands share: the local executor, progress, engines and users of a run."""
