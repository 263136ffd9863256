"""The Arrow schemas of personas and predictions."""

import pyarrow as pa

PERSONA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("parent", pa.string()),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("prompt_version", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field("leaks", pa.list_(pa.string()), nullable=False),
        pa.field("failure", pa.string(), nullable=False),
    ]
)
"""Persona S_k. `id` is a content hash; `stage` is "final" or "short_term"; `leaks` lists titles and ratings found
in the text; `failure` is empty or says why the engine gave no text (then `text` is the parent's).

`method` is "initialise" for S_0, which all updaters share, else the updater that wrote it. The controls are rows
too: "no_persona" (k 0, empty text), "raw_history" (k, the last ratings up to W_k as text) and, with
`--prediction history`, "history_only" (k, empty text)."""

PREDICTION = pa.schema(
    [
        pa.field("persona_id", pa.string(), nullable=False),
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("points", pa.list_(pa.float32()), nullable=False),
        pa.field("distribution", pa.list_(pa.list_(pa.float32())), nullable=False),
        pa.field("readout", pa.string(), nullable=False),
        pa.field("calibrated", pa.string(), nullable=False),
        pa.field("failure", pa.string(), nullable=False),
    ]
)
"""Ratings of W_k predicted from one persona. `points` (items,) on the rating scale, `distribution` (items, labels)
over the scale's labels; both empty where `failure` says why the answer could not be read. `calibrated` is "off",
"domain" (map fitted on train users of this domain), "others" (fitted on other judged users of it) or "pooled" (fitted
on the other domains' users)."""
