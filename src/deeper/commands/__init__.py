"""Commands: each takes settings and leaves a run folder."""
