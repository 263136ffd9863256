"""Write docs/reference/overview.md, the reference that can be read in the repository, from the code.

    python scripts/docs_reference.py            # writes; --check only compares, and exits 1 if the page differs

Which names and settings stand on it is decided by the directives of the other pages of docs/reference: those pages are
filled by Sphinx, this one is text.
"""

import argparse
import inspect
import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from deeper.cli.main import COMMANDS
from deeper.storage.settings import RunSettings

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
PAGE = FOLDER / "overview.md"
HEAD = """# Overview

Commands, settings and the public names of the Python package, each in one line. `scripts/docs_reference.py` writes this
page from the code. More on each: [commands](commands.md), [settings](settings.md), [Python](python.md); on the site of
`make docs`, those pages are whole.
"""
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
DIRECTIVE = re.compile(r"^\.\. auto(\w+):: ([\w.]+)\n((?:   :.*\n?)*)", re.MULTILINE)
SETTINGS = re.compile(r"^```\{settings\} ([\w.]+):(\w+)$", re.MULTILINE)


def overview() -> str:
    """The whole page."""
    commands = [f"- `deeper {name}`: {about}" for name, about in COMMANDS.items()]
    parts = [HEAD, "## Commands", "\n".join(commands), "## Settings"]
    for title, text in _sections("settings.md"):
        for module, name in SETTINGS.findall(text):
            parts += [f"### {title}", settings_table(getattr(import_module(module), name))]
    parts.append("## Python")
    for title, text in _sections("python.md"):
        parts += [f"### {title}", "\n".join(line for one in DIRECTIVE.findall(text) for line in _listed(*one))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def settings_table(kind: type[RunSettings]) -> str:
    """Key, default and meaning of each setting of a class."""
    rows = [
        f"| `{name}` | {_default(field.default)} | {_cell(field.description or '')} |"
        for name, field in kind.model_fields.items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def signature(function: Callable[..., Any]) -> str:
    """The arguments of a function or class with their defaults, without types."""
    found = inspect.signature(function)
    kept = [one.replace(annotation=one.empty) for name, one in found.parameters.items() if name not in ("self", "cls")]
    return re.sub(r"<[^>]*>", "…", str(found.replace(parameters=kept, return_annotation=found.empty)))


def _sections(page: str) -> Iterator[tuple[str, str]]:
    titles_and_texts = HEADING.split((FOLDER / page).read_text("utf-8"))[1:]
    return zip(titles_and_texts[::2], titles_and_texts[1::2], strict=True)


def _listed(kind: str, path: str, options: str) -> Iterator[str]:
    """The lines of one directive: of a module, a class or a function."""
    if kind == "module":
        module = import_module(path)
        chosen = re.search(r":members: (.+)", options)
        names = chosen[1].split(", ") if chosen else [name for name, one in vars(module).items() if _is_of(one, module)]
        for name in names:
            yield from _described(getattr(module, name), f"{path}.{name}")
    else:
        module, _, name = path.rpartition(".")
        yield from _described(getattr(import_module(module), name), path)


def _described(one: Any, path: str) -> Iterator[str]:
    is_settings = inspect.isclass(one) and issubclass(one, RunSettings)
    is_made = not is_settings and not getattr(one, "_is_protocol", False)
    yield f"- `{path}{signature(one) if is_made else ''}`: {_first_line(one)}"
    if inspect.isclass(one) and not is_settings:
        for name, member in vars(one).items():
            function = member.__func__ if isinstance(member, classmethod) else member
            if name.startswith("_") or not (inspect.isfunction(function) or isinstance(member, property)):
                continue
            arguments = "" if isinstance(member, property) else signature(function)
            yield f"  - `{name}{arguments}`: {_first_line(member)}"


def _is_of(one: Any, module: Any) -> bool:
    """Whether a module defines a public function or class, and says what it is."""
    is_own = getattr(one, "__module__", "") == module.__name__ and (inspect.isfunction(one) or inspect.isclass(one))
    return is_own and not one.__name__.startswith("_") and bool(one.__doc__)


def _first_line(one: Any) -> str:
    return (inspect.getdoc(one) or "").partition("\n")[0]


def _default(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "its fields' own"
    text = json.dumps(value, ensure_ascii=False)
    if value in ("", ()):
        return "empty"
    return f"`{text}`" if len(text) < 60 else "see the meaning"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page differs")
    text = overview()
    if not parser.parse_args().check:
        PAGE.write_text(text, "utf-8")
    elif not PAGE.is_file() or PAGE.read_text("utf-8") != text:
        raise SystemExit(f"{PAGE.name} is not what the code says: run python scripts/docs_reference.py")


if __name__ == "__main__":
    main()
