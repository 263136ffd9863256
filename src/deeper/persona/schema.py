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
"""Persona S_k. `id` is a content hash. `stage` is "final" or "short_term". `leaks` lists titles and ratings found in
the text. `failure` is empty, or says why the engine gave no text; then `text` is the parent's.

`method` is the updater that wrote S_k, or "initialise" for S_0, which all updaters share. Controls have rows too:
"no_persona" (k is 0, the text empty), "raw_history" (the text lists the last ratings up to W_k),
"described" (rules wrote the text) and, with `--prediction history`, "history_only" (the text is empty). No model counts
the tokens of a control: they are 0."""

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
"""Ratings of W_k predicted from one persona. `points` has shape (items,) and is on the rating scale; `distribution` has
shape (items, labels). Both are empty where `failure` says why the answer could not be read.

`calibrated` says what the calibration map was fitted on: "domain" (train users of this domain), "others" (other
evaluated users of this domain) or "pooled" (users of the other domains). It is "off" without calibration."""
