"""The directive `settings`: every key of a settings class with its type, default, meaning and presets, from the code.

```{settings} deeper.commands.train.settings:DpoSettings
:beyond: deeper.commands.train.settings:TrainingSettings
:presets: deeper.commands.train.settings:DPO_PRESETS
```
"""

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from deeper.commands.evaluate.settings import RunSettings

LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


def named(path: str) -> Any:
    """What `module:NAME` names."""
    module, _, name = path.strip().partition(":")
    return getattr(import_module(module), name)


def presets_of(option: str) -> dict[str, Mapping[str, Any]]:
    """Presets by name: of `module:NAMES`, a mapping of presets, or of `preset=module:NAME`, one of them."""
    name, equals, path = option.strip().partition("=")
    found = {name: named(path)} if equals else dict(named(name))
    return {preset: values for preset, values in found.items() if values}


def type_of(schema: Mapping[str, Any]) -> str:
    """A JSON schema in words."""
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "type" not in schema:
        return "table"
    if schema["type"] == "array":
        return f"list, each {type_of(schema['items'])}" if "items" in schema else "list"
    limits = [words.format(f"{schema[key]:,}") for key, words in LIMITS.items() if key in schema]
    return ", ".join([TYPES[schema["type"]], *limits])


def value(default: Any) -> str:
    """A default as it is written in the file; what is empty is said to be."""
    if isinstance(default, BaseModel):
        return f"`{json.dumps(dict(default), ensure_ascii=False)}`"
    if default in ("", (), []):
        return "empty"
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def entries(
    kind: type[RunSettings], beyond: type[RunSettings] | None, presets: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Lines of a definition list, a setting each."""
    lines: list[str] = []
    schemas = kind.model_json_schema()["properties"]
    for name, field in kind.model_fields.items():
        inherited = beyond.model_fields.get(name) if beyond else None
        if inherited and (inherited.default, inherited.description) == (field.default, field.description):
            continue
        facts = [type_of(schemas[name]), f"default {value(field.default)}"]
        facts += [f"in *{preset}* {value(values[name])}" for preset, values in presets.items() if name in values]
        lines += [f"`{name}`", f": {'; '.join(facts)}", "", f"  {field.description}", ""]
    return lines


class SettingsReference(SphinxDirective):
    """Every setting of a class."""

    required_arguments = 1
    option_spec = {"beyond": directives.unchanged, "presets": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """The definition list."""
        try:
            kind = named(self.arguments[0])
            beyond = named(self.options["beyond"]) if "beyond" in self.options else None
            presets = presets_of(self.options["presets"]) if "presets" in self.options else {}
        except (ImportError, AttributeError) as error:
            raise self.error(f"there are no such settings: {error}") from error
        found = self.parse_text_to_nodes("\n".join(entries(kind, beyond, presets)))
        for definitions in found:
            definitions["classes"].append("settings")
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known."""
    app.add_directive("settings", SettingsReference)
    # The code is not among the pages, so that Sphinx would not see that it has changed.
    app.connect("env-get-outdated", lambda app, env, *_: [page for page in env.found_docs if "reference/" in page])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
