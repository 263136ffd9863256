"""The built-in domains: the paper's ten (`builtin.toml`) and the bundled MovieLens latest-small."""

import tomllib
from importlib.resources import files

from deeper.domains.domain import Domain, parse_domain
from deeper.errors import UserError, choose_from

BUILTIN: dict[str, Domain] = {
    table["id"]: parse_domain(table, "builtin.toml")
    for table in tomllib.loads(files("deeper.domains").joinpath("builtin.toml").read_text("utf-8"))["domain"]
}


def find_domain(name: str) -> Domain:
    """Return the built-in domain with an id or alias.

    Raises:
        UserError: No built-in domain has that name.
    """
    for domain in BUILTIN.values():
        if name == domain.id or name in domain.aliases:
            return domain
    raise UserError(f"unknown domain {name!r}", do=choose_from(BUILTIN, name))
