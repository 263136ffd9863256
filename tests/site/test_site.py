"""The site says what the program does, and a link, an anchor or a formula of no use ends the build."""

import json
import re
import shutil
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from pydantic import BaseModel
from site_cases import ROOT, Build, build, commands, kinds, page
from sphinx.util.inventory import InventoryFile

import deeper.commands
import deeper.prepare
from deeper.cli.demo import PRESET
from deeper.commands.evaluate.settings import Settings

BROKEN = """# Head

[A](nowhere.md), [B](other.md#no-such-head), [C](#nothing), [D](other.md#a-head).

$\\nosuchcommand{x}$

```{settings} deeper.commands.evaluate.settings:Nothing
```

```{toctree}
other
gone
```
"""


def test_the_site_builds_without_a_warning(built: Build) -> None:
    assert built.code == 0, built.said
    assert [line for line in built.said.splitlines() if "addresses elsewhere, not fetched" not in line] == []


def test_every_page_is_there_and_can_be_reached(site: Path) -> None:
    sources = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    assert len(sources) > 15
    index = (site / "index.html").read_text("utf-8")
    linked = set(re.findall(r'class="reference internal" href="([\w/]+)\.html"', index))
    assert {str(source) for source in sources} == linked | {"index"}


def test_what_leads_nowhere_ends_the_build(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    shutil.copy(ROOT / "docs" / "conf.py", source)
    shutil.copytree(ROOT / "docs" / "_site", source / "_site", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "index.md").write_text(BROKEN, "utf-8")
    (source / "other.md").write_text("# Other\n\n## A head\n\nText.\n", "utf-8")
    broken = build(source, tmp_path / "out")
    assert broken.code != 0
    for said in (
        "nowhere.md",
        "no-such-head",
        "'nothing'",
        "nosuchcommand",
        "there are no such settings",
        "document 'gone'",
    ):
        assert said in broken.said, broken.said
    assert "a-head" not in broken.said


def test_every_command_flag_and_argument_is_in_the_reference_and_no_other(site: Path) -> None:
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data["std:cmdoption"]
    expected: set[str] = set()
    for words, command in commands():
        for parameter in command.params:
            names = parameter.opts if parameter.param_type_name == "option" else [parameter.human_readable_name]
            expected |= {f"{words.replace(' ', '-')}.{name}" for name in names}
    assert len(expected) > 100
    assert {plain(name) for name in inventory} == {plain(name) for name in expected}


def plain(name: str) -> str:
    """The name of an argument may be written as one that is optional, or one of several."""
    return re.sub(r"[\[\]….]", "", name)


def test_the_reference_tells_each_commands_help(site: Path) -> None:
    text = " ".join(page(site / "reference" / "commands.html").get_text().split())
    for _, command in commands():
        first = (command.help or "").strip().splitlines()[0]
        assert first and " ".join(first.split()) in text
        for parameter in command.params:
            told = getattr(parameter, "help", None)
            assert not told or " ".join(told.split()) in text
    examples = page(site / "reference" / "commands.html").select("pre")
    assert any("deeper evaluate --users 16 --methods refine,frozen,user_median" in one.get_text() for one in examples)


def test_every_key_of_every_configuration_is_in_the_reference(site: Path) -> None:
    for package in (deeper.commands, deeper.prepare):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("settings"):
                import_module(module.name)
    reference = page(site / "reference" / "settings.html")
    heads = {head.get_text().removesuffix("¶"): head.parent for head in reference.find_all("h2")}
    common = entries(heads["What all training commands have"])
    known = {kind.command: kind for kind in kinds()}
    assert len(known) == 9
    for command, kind in known.items():
        [section] = [found for head, found in heads.items() if f"deeper {command}" in head.split(" and ")]
        told = entries(section)
        for name, field in kind.model_fields.items():
            entry = told.get(name) or (common[name] if "all training commands" in section.get_text() else "")
            assert " ".join(field.description.split()) in entry, (command, name)
            if field.default not in ("", ()):
                default = dict(field.default) if isinstance(field.default, BaseModel) else field.default
                assert f"default {json.dumps(default)}" in entry, (command, name)


def entries(section) -> dict[str, str]:
    """What is said of each key of a section."""
    return {
        term.get_text().strip(): " ".join(term.find_next_sibling("dd").get_text().split())
        for term in section.select("dl.settings > dt")
    }


def test_presets_stand_beside_the_defaults(site: Path) -> None:
    section = page(site / "reference" / "settings.html").find("section", id="deeper-evaluate-and-deeper-demo")
    told = entries(section)
    assert told.keys() == Settings.model_fields.keys()
    for name, value in PRESET.items():
        assert f"in demo {value}" in told[name] or f'in demo ["{value[0]}"]' in told[name]


def test_formulas_are_drawn_without_a_script(site: Path) -> None:
    for name, count in (("method", 5), ("learning", 1), ("training", 1)):
        assert len(page(site / f"{name}.html").select("div.formula > math[display=block]")) >= count
    # A formula of several lines is a table, and a formula never stands as it was written.
    assert page(site / "learning.html").select("div.formula mtr")
    assert not any("\\frac" in path.read_text("utf-8") for path in site.rglob("*.html"))


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    away = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=\"(?:https?:)?//")
    assert away.search('<link rel="stylesheet" href="https://cdn.example/a.css">')
    for path in site.rglob("*.html"):
        assert not away.search(path.read_text("utf-8")), path.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//|@import", style.read_text("utf-8")), style.name


def test_addresses_elsewhere_are_listed(site: Path) -> None:
    listed = (site / "external_links.txt").read_text("utf-8")
    assert "https://grouplens.org/datasets/movielens/20m/  (domains)" in listed
    assert "https://aclanthology.org" not in listed or "(index" in listed
