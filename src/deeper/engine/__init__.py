"""Language models behind one protocol. No other part of the package talks to a model.

    protocol.py    `Engine` (its two verbs are `generate` and `score`), and what they take and return
    registry.py    makes an engine from its name: `make_engine("transformers:NAME")`
    precision.py   what a model computes in on this processor
    server_settings.py  how to call a server
    openvino/      the engine `embedded` of the command line
    torch/         `transformers`
    openai/        `openai`
    scripted/      `scripted`

Each of these folders is one kind of engine; its class is in `engine.py`.

To add a kind of engine, add a folder. Its `__init__.py` defines two names:

    SPECS                             how users name the engine, for instance ("mine", "mine:MODEL", "mine:small");
                                      a word in lower case after the colon stands for itself
    make(rest, adapter, precision, server)
                                      returns the engine; `rest` is the text after the colon

Import heavy libraries inside `make`. The registry finds the folder by itself, so every command can use the engine.
Then let a test class inherit `EngineContract` of `tests/engine/contract.py`. `docs/extend.md` has a complete example.
"""

from deeper.engine.protocol import (
    Completion,
    Engine,
    NoLogProbabilities,
    Precision,
    Prompt,
    Sampling,
    ScoreRequest,
    Usage,
    computes_in,
    may_answer_later,
    server_notes,
    unscored,
)
from deeper.engine.server_settings import ServerSettings

__all__ = [
    "Completion",
    "Engine",
    "NoLogProbabilities",
    "Precision",
    "Prompt",
    "Sampling",
    "ScoreRequest",
    "ServerSettings",
    "Usage",
    "computes_in",
    "may_answer_later",
    "server_notes",
    "unscored",
]
