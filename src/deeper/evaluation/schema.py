"""The Arrow schema of errors, and the names of methods and roles."""

import pyarrow as pa

from deeper.persona import updaters

ERROR = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("round", pa.int16(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("mae", pa.float64(), nullable=False),
        pa.field("rmse", pa.float64(), nullable=False),
        pa.field("crps", pa.float64(), nullable=False),
        pa.field("rank_accuracy", pa.float64()),
        pa.field("n", pa.int32(), nullable=False),
        pa.field("readout", pa.string(), nullable=False),
        pa.field("calibrated", pa.string(), nullable=False),
        pa.field("predictor", pa.string(), nullable=False),
        pa.field("search_n", pa.int16(), nullable=False),
        pa.field("prediction", pa.string(), nullable=False),
    ]
)
"""Error of one method on one window of one user, over the `n` ratings that are ratings. `role` is "future"
(W_{t+1} of round t: held out), "current" (W_t) or "previous" (W_{t-1}): both in-sample. `rank_accuracy` is
null where no two ratings differ. `search_n` is the number of directions searched at test time, 0 for none.
`prediction` is "persona", "history" (combined with the user's own ratings up to W_t: `future` only) or, of
baselines, "none". Rows are sorted by (domain, method, round, role, user)."""

UPDATERS = tuple(updaters.UPDATERS)
CONTROLS = ("no_persona", "raw_history")
BASELINES = (
    "user_median",
    "always_top",
    "domain_median",
    "user_mean",
    "last_window_median",
    "user_histogram",
    "item_mean",
    "matrix_factorisation",
)
HISTORY_ONLY = "history_only"
"""Control of predictions with history: the same shrinkage without a persona. It is there with these, not chosen."""
METHODS = (*BASELINES, HISTORY_ONLY, *CONTROLS, "frozen", *UPDATERS)
"""All methods, in the order in which they are shown."""

ROLES = ("future", "current", "previous")
