"""The Arrow schema of errors."""

import pyarrow as pa

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
"""The error of one method on one window of one user, over the `n` items that have a rating.

`role` says which window it is: "future" (W_{t+1} of round t, held out), "current" (W_t) or "previous" (W_{t-1}). The
last two are in-sample. `rank_accuracy` is null where no two ratings differ. `search_n` is the number of directions
searched at test time, 0 for none. `prediction` is "persona", "history" (combined with the user's own ratings up to W_t;
`future` only) or, for baselines, "none". Rows are sorted by (domain, method, round, role, user)."""
