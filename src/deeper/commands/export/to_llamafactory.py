"""`deeper export llamafactory`: writes pairs and the published settings for `llamafactory-cli train`."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from deeper.commands.execution.engines import check_adapter
from deeper.commands.pairs.pair_folder import PairFiles, read_pairs
from deeper.commands.train.settings import DPO_PRESETS
from deeper.engine.adapter import CARD, CONFIG, TENSORS, Adapter
from deeper.errors import UserError
from deeper.learning.export.llamafactory_files import (
    ADAPTER_FOLDER,
    LLAMAFACTORY_VERSION,
    Iteration,
    LlamaFactoryOptions,
    llamafactory_files,
)
from deeper.learning.preferences.choose_pairs import check_split
from deeper.persona.prompts.templates import evidence_of, load_prompts
from deeper.storage.new_folder import new_folder

PUBLISHED_BASE: str = DPO_PRESETS["paper"]["base"]
PUBLISHED_TEMPLATE = "llama3"
README = "README.md"


def export_llamafactory(
    pairs: Sequence[str], out: Path, *, model: str = "", template: str = "", policy_adapter: str = ""
) -> dict[str, int]:
    """Write a folder for `llamafactory-cli train`.

    Args:
        pairs: One or two folders of pairs, that of iteration 1 first.
        out: An empty or new folder.
        model: The base model; empty for the published one.
        template: LLaMA-Factory's name of the chat format; empty for llama3 with the published model, and for the
            tokeniser's own format with another model.
        policy_adapter: The adapter that iteration 1 continues from; empty for a new one.

    Returns:
        Number of pairs of each data set.

    Raises:
        UserError: The pairs or the adapter cannot be read or do not fit together, or the folder cannot be written.
    """
    if not 1 <= len(pairs) <= 2:
        raise UserError(
            f"{len(pairs)} folders of pairs are given, but one or two are needed",
            do="give --pairs once for each iteration",
        )
    folders = [read_pairs(Path(source)) for source in pairs]
    templates = _templates(folders)
    check_split(*(pa.concat_tables(getattr(folder, name) for folder in folders) for name in ("train", "validation")))
    adapter = check_adapter("policy", Path(policy_adapter), templates) if policy_adapter else None
    chat = template or ("" if model else PUBLISHED_TEMPLATE)
    options = LlamaFactoryOptions(model or PUBLISHED_BASE, chat, starts_from_adapter=adapter is not None)
    files = llamafactory_files([Iteration(folder.train, folder.validation) for folder in folders], options)
    with new_folder(out) as staging:
        for name, text in {**files, README: _readme(len(folders), options, templates)}.items():
            (staging / name).write_text(text, "utf-8", newline="")
        if adapter is not None:
            _copy_adapter(adapter, staging / ADAPTER_FOLDER)
    return {
        f"iteration {number}, {name}": getattr(folder, name).num_rows
        for number, folder in enumerate(folders, 1)
        for name in ("train", "validation")
    }


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Raises:
        UserError: The file is missing or holds something else.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"the file cannot be read ({error})", where=str(path), do="make the folder again") from error
    if not isinstance(value, dict):
        raise UserError("the file holds no JSON object", where=str(path), do="make the folder again")
    return cast(dict[str, Any], value)


def _templates(folders: Sequence[PairFiles]) -> Mapping[str, str]:
    first, last = folders[0].templates, folders[-1].templates
    if changed := sorted(name for name in {**first, **last} if first.get(name) != last.get(name)):
        raise UserError(
            f"the pairs of the two iterations were made with different prompts ({', '.join(changed)})",
            where=", ".join(str(folder.folder) for folder in folders),
            do="make the pairs of both iterations with the same prompts and the same --evidence",
        )
    return first


def _copy_adapter(adapter: Adapter, folder: Path) -> None:
    folder.mkdir()
    for name in (CONFIG, TENSORS, CARD):
        if (adapter.folder / name).is_file():
            shutil.copyfile(adapter.folder / name, folder / name)


def _readme(iterations: int, options: LlamaFactoryOptions, templates: Mapping[str, str]) -> str:
    prompts = ", ".join(f"{name} {found}" for name, found in templates.items()) or "of the published pairs"
    commands = "\n".join(f"llamafactory-cli train iteration_{number}.yaml" for number in range(1, iterations + 1))
    chat = f"`{options.template}`" if options.template else "that of the model's tokeniser"
    evidence = evidence_of(templates, load_prompts())
    flag = f" --evidence {evidence}" if evidence else ""
    return f"""# DPO with LLaMA-Factory

`deeper export llamafactory` wrote this folder for LLaMA-Factory {LLAMAFACTORY_VERSION}.
Prompts (name and hash of each template): {prompts}. Chat format: {chat}.
Run this here:

```
{commands}
```

Without a GPU, add `bf16=false use_cpu=true`. The result in `saves/iteration_{iterations}` is a LoRA adapter in PEFT's
format, which deeper reads: `--policy-engine transformers:MODEL --policy-adapter saves/iteration_{iterations}{flag}`.
"""
