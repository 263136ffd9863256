"""Settings of a run folder: one definition for flags, configuration files and Python arguments."""

import json
import tomllib
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from deeper.errors import UserError


class RunSettings(BaseModel):
    """Settings that belong to a run folder. Descriptions are the help texts of flags and of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    command: ClassVar[str]
    """The command whose --help explains them."""

    def to_toml(self, comments: bool = False) -> str:
        """All settings as TOML, with their descriptions as comments if asked for."""
        lines: list[str] = []
        for name, field in type(self).model_fields.items():
            if comments:
                lines += ["", f"# {field.description}"]
            value: Any = getattr(self, name)
            # TOML's strings are JSON's, but for the delete character, which JSON leaves as it is.
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f"))
        return "\n".join(lines).strip() + "\n"


AnySettings = TypeVar("AnySettings", bound=RunSettings)


def resolve(
    kind: type[AnySettings], config: Path | None, flags: dict[str, Any], preset: dict[str, Any] | None = None
) -> AnySettings:
    """Settings from defaults < preset < configuration file < flags.

    Args:
        kind: The settings' class.
        config: A TOML file, or None.
        flags: Flags that were given.
        preset: Defaults of the command.

    Raises:
        UserError: The file cannot be read, or a value is not valid; the message names each bad setting.
    """
    try:
        stored = tomllib.loads(config.read_text("utf-8")) if config is not None else {}
    except FileNotFoundError as error:
        raise UserError(
            "there is no such configuration file", where=str(config), do="write one with deeper init-config"
        ) from error
    except (ValueError, RecursionError, OSError) as error:
        do = "correct it, or write a new one with deeper init-config"
        raise UserError(f"not a TOML file that can be read ({error})", where=str(config), do=do) from error
    try:
        return kind(**{**(preset or {}), **stored, **flags})
    except ValidationError as error:
        problems: list[str] = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            origin = f"{config}: {name}" if name.split(".")[0] in stored.keys() - flags.keys() else name
            problems.append(f"{origin}: {problem['msg'].removeprefix('Value error, ')}")
        do = f"correct it; deeper {kind.command} --help explains each setting"
        raise UserError("; ".join(problems), do=do) from error
