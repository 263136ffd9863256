"""The Arrow schemas of contexts, directions, rewards and preference pairs."""

import pyarrow as pa

from deeper.behaviour.schema import ITEM

_ITEMS = pa.list_(pa.field("element", ITEM, nullable=False))
_WINDOWS = pa.list_(pa.field("element", _ITEMS, nullable=False))

CONTEXT = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("part", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("parent", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("persona", pa.string(), nullable=False),
        pa.field("short_term", pa.string(), nullable=False),
        pa.field("windows", _WINDOWS, nullable=False),
        pa.field("future", _WINDOWS, nullable=False),
        pa.field("predicted", pa.list_(pa.float32())),
    ]
)
"""What one update sees, and the future windows that its reward needs. `part` is the user's part of the train users
(`behaviour.splits`). `parent` and `persona` are the id and the text of the old persona S_{k-1}. `method` is the updater
that is asked. `short_term` is a persona of W_k alone; empty where the updater needs none. `windows` are W_0..W_k; the
last two are the previous and the current window. `future` are W_{k+1} and perhaps later ones, which the policy never
sees. `predicted` are the calibrated points of W_k predicted from S_{k-1}, null if that prediction failed."""

DIRECTION = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("parent", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("sample", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("prompt_version", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field("leaks", pa.list_(pa.string()), nullable=False),
        pa.field("duplicate", pa.bool_(), nullable=False),
        pa.field("failure", pa.string(), nullable=False),
    ]
)
"""One sampled candidate persona of the context (user, domain, k, parent, method). `id` is a content hash. `leaks` lists
titles and ratings in the text. `duplicate` marks a text that repeats an earlier sample or the old persona. `failure`
says why there is no text."""

REWARD = pa.schema(
    [
        pa.field("direction_id", pa.string(), nullable=False),
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("measure", pa.string(), nullable=False),
        pa.field("r_prev", pa.float64()),
        pa.field("r_curr", pa.float64()),
        pa.field("r_fut", pa.float64()),
        pa.field("r", pa.float64()),
        pa.field("failure", pa.string(), nullable=False),
    ]
)
"""The reward of a direction by `measure`, one of `window_errors.MEASURES`, in the unit of that error. It is null where
`failure` is not empty."""

MESSAGE = pa.struct([pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)])
"""One message of a chat."""

PAIR = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("parent", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("prompt", pa.list_(pa.field("element", MESSAGE, nullable=False)), nullable=False),
        pa.field("chosen", pa.string(), nullable=False),
        pa.field("rejected", pa.string(), nullable=False),
        pa.field("chosen_id", pa.string(), nullable=False),
        pa.field("rejected_id", pa.string(), nullable=False),
        pa.field("r_chosen", pa.float64()),
        pa.field("r_rejected", pa.float64()),
    ]
)
"""Two directions of the context (user, domain, k, parent, method): `chosen` is better than `rejected`. `prompt` holds
the system and user message that both answer. `chosen_id` and `rejected_id` are ids of directions. The rewards are null
for pairs from a published file, which has none."""
