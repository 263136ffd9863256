"""Settings of a run folder: one definition for flags, configuration files and Python arguments."""

import json
import tomllib
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from deeper.errors import UserError, choose_from
from deeper.storage.user_paths import with_home


class RunSettings(BaseModel):
    """Settings of a run folder. Each description is the help text of a flag and a comment of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    command: ClassVar[str]
    """The command whose --help explains the settings."""

    @field_validator("*", mode="before")
    @classmethod
    def _at_home(cls, value: Any) -> Any:
        return with_home(value)

    def to_toml(self, comments: bool = False) -> str:
        """Return all settings as TOML, with their descriptions if `comments` is true."""
        lines: list[str] = []
        for name, field in type(self).model_fields.items():
            if comments:
                lines += ["", f"# {field.description}"]
            value: Any = getattr(self, name)
            lines.append(f"{name} = {_toml(value)}")
        return "\n".join(lines).strip() + "\n"

    @property
    def digest(self) -> str:
        """Hash of the settings that shape results, for the name of a run folder."""
        return blake2b(self.model_dump_json().encode(), digest_size=4).hexdigest()


AnySettings = TypeVar("AnySettings", bound=RunSettings)


def _toml(value: Any) -> str:
    """A value as TOML; a model is an inline table."""
    if isinstance(value, BaseModel):
        return "{" + ", ".join(f"{name} = {_toml(part)}" for name, part in value) + "}"
    # A JSON string is a TOML string, except that JSON does not escape the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def resolve(
    kind: type[AnySettings], config: Path | None, flags: dict[str, Any], preset: dict[str, Any] | None = None
) -> AnySettings:
    """Resolve settings; flags override the configuration file, which overrides the preset and the defaults.

    Args:
        kind: The settings' class.
        config: A TOML file, or None.
        flags: The flags that were given.
        preset: Values of the command that replace the class's defaults.

    Raises:
        UserError: The file cannot be read, or a value is not valid. The message names each bad setting.
    """
    try:
        stored = tomllib.loads(config.read_text("utf-8")) if config is not None else {}
    except FileNotFoundError as error:
        raise UserError(
            "there is no such configuration file", where=str(config), do="write one with deeper init-config"
        ) from error
    except (ValueError, RecursionError, OSError) as error:
        do = "correct the file, or write a new one with deeper init-config"
        raise UserError(f"this is not a TOML file that can be read ({error})", where=str(config), do=do) from error
    try:
        return kind(**{**(preset or {}), **stored, **flags})
    except ValidationError as error:
        problems: list[str] = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            origin = f"{config}: {name}" if name.split(".")[0] in stored.keys() - flags.keys() else name
            problems.append(f"{origin}: {_said(problem, kind)}")
        do = f"correct the value; deeper {kind.command} --help explains each setting"
        raise UserError("; ".join(problems), do=do) from error


def _said(problem: Any, kind: type[RunSettings]) -> str:
    """What is wrong with a value, in words for the user."""
    if problem["type"] == "extra_forbidden":
        name = str(problem["loc"][0])
        return f"there is no such setting; {choose_from(kind.model_fields, name)}"
    return problem["msg"].removeprefix("Value error, ")
