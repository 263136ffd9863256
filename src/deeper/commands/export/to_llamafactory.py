"""`deeper export llamafactory`: pairs and the published settings in a folder for `llamafactory-cli train`."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from deeper.commands.execution.engines import check_adapter
from deeper.commands.pairs.pair_folder import PairFiles, read_pairs
from deeper.commands.train.settings import DPO_PRESETS
from deeper.engine.adapter import CARD, CONFIG, TENSORS, Adapter
from deeper.errors import UserError
from deeper.learning.export.llamafactory_files import ADAPTER_FOLDER, VERSION, Iteration, Recipe, llamafactory_files
from deeper.learning.preferences.choose_pairs import check_split
from deeper.storage.new_folder import new_folder

PUBLISHED_BASE: str = DPO_PRESETS["paper"]["base"]
PUBLISHED_TEMPLATE = "llama3"
README = "README.md"


def export_llamafactory(
    pairs: Sequence[str], out: Path, *, model: str = "", template: str = "", policy_adapter: str = ""
) -> dict[str, int]:
    """Write what `llamafactory-cli train` needs.

    Args:
        pairs: Folders of pairs, that of iteration 1 first; one or two.
        out: A folder that is empty or not there yet.
        model: The base model; empty takes the published one.
        template: LLaMA-Factory's name of its chat format; empty takes llama3 for the published model, and for another
            one the format that its tokeniser brings along.
        policy_adapter: The adapter that iteration 1 goes on with.

    Returns:
        Pairs of each data set.

    Raises:
        UserError: The pairs or the adapter cannot be read or do not fit together, or the folder cannot be written.
    """
    if not 1 <= len(pairs) <= 2:
        raise UserError(f"{len(pairs)} folders of pairs are not one or two", do="give --pairs once for each iteration")
    folders = [read_pairs(Path(source)) for source in pairs]
    version = _prompt_version(folders)
    check_split(*(pa.concat_tables(getattr(folder, name) for folder in folders) for name in ("train", "validation")))
    adapter = check_adapter("policy", Path(policy_adapter), version) if policy_adapter else None
    recipe = Recipe(model or PUBLISHED_BASE, template or ("" if model else PUBLISHED_TEMPLATE), adapter is not None)
    files = llamafactory_files([Iteration(folder.train, folder.validation) for folder in folders], recipe)
    with new_folder(out) as staging:
        for name, text in {**files, README: _readme(len(folders), recipe, version)}.items():
            (staging / name).write_text(text, "utf-8", newline="")
        if adapter is not None:
            _copy_adapter(adapter, staging / ADAPTER_FOLDER)
    return {
        f"iteration {number}, {name}": getattr(folder, name).num_rows
        for number, folder in enumerate(folders, 1)
        for name in ("train", "validation")
    }


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UserError: It is not there, or holds something else.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"the file cannot be read ({error})", where=str(path), do="make the folder again") from error
    if not isinstance(value, dict):
        raise UserError("the file holds no JSON object", where=str(path), do="make the folder again")
    return cast(dict[str, Any], value)


def _prompt_version(folders: Sequence[PairFiles]) -> str:
    versions = [folder.prompt_version for folder in folders]
    if len(set(versions)) > 1:
        raise UserError(
            f"the pairs were made with different prompts ({', '.join(versions)})",
            where=", ".join(str(folder.folder) for folder in folders),
            do="make the pairs of both iterations with the same prompts",
        )
    return versions[0]


def _copy_adapter(adapter: Adapter, folder: Path) -> None:
    folder.mkdir()
    for name in (CONFIG, TENSORS, CARD):
        if (adapter.folder / name).is_file():
            shutil.copyfile(adapter.folder / name, folder / name)


def _readme(iterations: int, recipe: Recipe, version: str) -> str:
    commands = "\n".join(f"llamafactory-cli train iteration_{number}.yaml" for number in range(1, iterations + 1))
    chat = f"`{recipe.template}`" if recipe.template else "that of the model's tokeniser"
    return f"""# DPO with LLaMA-Factory

Written by `deeper export llamafactory` for LLaMA-Factory {VERSION}. Prompts of version {version}; chat format: {chat}.
Run in this folder:

```
{commands}
```

Without a GPU add `bf16=false use_cpu=true`. `saves/iteration_{iterations}` is then a LoRA adapter of PEFT, which deeper
takes as it is: `--policy-engine transformers:MODEL --policy-adapter saves/iteration_{iterations}`.
"""
