"""The base of what reports and records hold."""

from pydantic import BaseModel, ConfigDict


class FrozenValues(BaseModel):
    """Values that are checked when they are made and cannot be changed. Unknown ones are left out."""

    model_config = ConfigDict(frozen=True)
