"""The settings of `deeper prepare`: everything that shapes its output."""

from typing import ClassVar, Literal

from pydantic import Field

from deeper.prepare.raw.readers import READERS
from deeper.storage.settings import RunSettings


class PrepareSettings(RunSettings):
    """What `deeper prepare` does with one domain."""

    command: ClassVar[str] = "prepare"

    domain: str = Field(default="", description="Domain, by its id or the name of its published folder.")
    raw: str = Field(default="", description="Folder or address with the domain's raw files, at any depth.")
    ratings: tuple[str, ...] = Field(
        default=(), description="Ratings files to read instead of searching the raw folder for them."
    )
    meta: tuple[str, ...] = Field(
        default=(), description="Files with titles and categories, instead of searching for them."
    )
    format: str = Field(
        default="",
        description=f"Raw format, if the first lines do not show it: {', '.join(READERS)}.",
    )
    windows: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Windows of 10 ratings that a user must fill; 0 takes the paper's number: 7, for Google Local 6.",
    )
    train_users: int = Field(default=-1, ge=-1, description="Train users to sample; -1 takes the paper's number.")
    eval_users: int = Field(default=-1, ge=-1, description="Eval users to sample; -1 takes the paper's number.")
    untitled: Literal["drop", "keep"] = Field(
        default="drop",
        description="What to do with ratings of items without a title: drop them, or keep them as Unknown.",
    )
