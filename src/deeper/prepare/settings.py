"""The settings of `deeper prepare`: all that decides what comes out."""

from typing import ClassVar, Literal

from pydantic import Field

from deeper.storage.settings import RunSettings


class PrepareSettings(RunSettings):
    """What `deeper prepare` does with one domain."""

    command: ClassVar[str] = "prepare"

    domain: str = Field(default="", description="Domain, by id or published folder.")
    raw: str = Field(default="", description="Folder or address that holds the domain's raw files, at any depth.")
    ratings: tuple[str, ...] = Field(
        default=(), description="Ratings files, in place of those that are found by their names in the raw folder."
    )
    meta: tuple[str, ...] = Field(default=(), description="Files with the titles, likewise.")
    format: str = Field(
        default="",
        description="Raw format, if the file's beginning does not tell it: movielens, amazon_2018, amazon_2023, "
        "amazon_2023_csv, amazon_csv, amazon_csv_2014, food_com or google_local.",
    )
    windows: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Windows of 10 ratings that a user must fill; 0 takes the paper's: 7, for Google Local 6.",
    )
    train_users: int = Field(default=-1, ge=-1, description="Train users to sample; -1 takes as many as the paper.")
    eval_users: int = Field(default=-1, ge=-1, description="Eval users to sample; -1 takes as many as the paper.")
    untitled: Literal["drop", "keep"] = Field(
        default="drop",
        description="Ratings of items without a title: leave them out, or keep them with the title Unknown.",
    )
