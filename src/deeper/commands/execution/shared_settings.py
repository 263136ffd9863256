"""The settings that several commands share, each with its limits and its help text.

A settings class takes one with a default: `seed: Seed = 1`. The order of its fields is the order of its flags.
"""

from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field

from deeper.commands.execution.own_updaters import own_methods
from deeper.commands.execution.shipped import POLICY_TOKENS
from deeper.engine import Precision, ServerSettings
from deeper.persona.prompts.templates import Evidence

Data = Annotated[
    str,
    Field(
        description="Ratings to use: movielens_small (bundled), a folder with behaviour.csv or behaviour.parquet, or "
        "a folder in a published layout. Separate several with commas."
    ),
]
Domains = Annotated[tuple[str, ...], Field(description="Domains, by id. All that the data has by default.")]
Items = Annotated[
    tuple[str, ...],
    Field(
        description="Tables of items to join to the data: in each row an id or a title, and the item's categories, as "
        "in MovieLens's movies.csv (movieId,title,genres). CSV, JSON or Parquet."
    ),
]
TrainUsers = Annotated[int, Field(ge=1, description="Maximum number of train users per domain.")]
PolicyEngine = Annotated[
    str,
    Field(
        description="Engine that writes personas: embedded, embedded:PATH.gguf, embedded:hf:OWNER/NAME/FILE.gguf, "
        "openai:MODEL, transformers, transformers:FOLDER_OR_NAME, scripted or scripted:taste."
    ),
]
PredictorEngine = Annotated[
    str, Field(description="Engine that reads personas and predicts ratings; the same choices.")
]
PolicyAdapter = Annotated[
    str,
    Field(
        description="Trained adapter for the policy engine: its folder, small-policy (the package's own), "
        "or its name on a server."
    ),
]
PredictorAdapter = Annotated[
    str,
    Field(
        description="Trained adapter for the predictor engine: its folder, small-predictor (the package's "
        "own), or its name on a server."
    ),
]
SERVER_KEYS = " ".join(f"{name}: {field.description}." for name, field in ServerSettings.model_fields.items())
PolicyServer = Annotated[
    ServerSettings,
    Field(description=f"Server of a policy engine openai:MODEL, as NAME=VALUE,NAME=VALUE. {SERVER_KEYS}"),
]
PredictorServer = Annotated[
    ServerSettings,
    Field(description="Server of the predictor engine, with the same names. If none is given, that of the policy."),
]
ReadoutName = Annotated[
    Literal["auto", "distribution", "structured"],
    Field(
        description="How to read a prediction: distribution (probabilities of each rating), structured (JSON), or auto "
        "(distribution, and structured with a server that gives no log-probabilities)."
    ),
]
ITEM_KNOWLEDGE_HELP = (
    "What the predictor's prompt says about an item beside its title: none (the paper's protocol), or how other users "
    "rate it and items like it (population). The judged user's own ratings never count."
)
ItemKnowledgeSource = Annotated[Literal["none", "population"], Field(description=ITEM_KNOWLEDGE_HELP)]
EVIDENCE_HELP = (
    "What the policy's prompts say below the rated items: none (the paper's protocol), or kinds: which kinds of items "
    "this person rates above and below the rest, and which were predicted too high or too low."
)
EvidenceSource = Annotated[Evidence, Field(description=EVIDENCE_HELP)]
ModelPrecision = Annotated[
    Precision,
    Field(
        description="What models on this machine compute in. exact: 32-bit floats. fast: bfloat16. auto: fast where "
        "the processor or GPU multiplies bfloat16, else exact. A server decides for itself."
    ),
]
MaxPersonaTokens = Annotated[int, Field(ge=8, le=4096, description="Longest persona in tokens, for all methods.")]
SHIPPED_TOKENS = (
    f"Longest persona in tokens, for all methods. {POLICY_TOKENS} with the package's policy adapter, unless you set it."
)
"""The same where the package's adapters are the default."""
PromptFolder = Annotated[
    str, Field(description="Folder of your own prompts. Each replaces the built-in prompt of the same name.")
]


def _nameable(updaters: tuple[str, ...]) -> tuple[str, ...]:
    own_methods(updaters)
    return updaters


def _nameable_if_given(updater: str) -> str:
    own_methods([updater] if updater else [])
    return updater


OwnUpdaters = Annotated[
    tuple[str, ...],
    Field(
        description="Updaters of your own: files, such as mine.py, or names of updaters that installed packages offer. "
        "Each joins the methods under its name. docs/extend.md shows one."
    ),
    AfterValidator(_nameable),
]
OwnUpdater = Annotated[
    str,
    Field(
        description="An updater of your own in place of refine: a file, such as mine.py, or the name of one that an "
        "installed package offers."
    ),
    AfterValidator(_nameable_if_given),
]
Seed = Annotated[int, Field(ge=0, lt=2**31, description="Seed for everything random.")]


class HasServers(Protocol):
    """Settings of commands that make both engines."""

    @property
    def policy_server(self) -> ServerSettings:
        """The server of the policy."""
        ...

    @property
    def predictor_server(self) -> ServerSettings:
        """The server of the predictor; that of the policy if none is given."""
        ...


def servers_of(settings: HasServers) -> dict[Literal["policy", "predictor"], ServerSettings]:
    """The server of each role."""
    policy, predictor = settings.policy_server, settings.predictor_server
    return {"policy": policy, "predictor": policy if predictor == ServerSettings() else predictor}
