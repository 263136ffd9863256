"""Find folders by path, or fetch them and single files from the Hugging Face hub by name.

An existing path always comes first. The library `huggingface_hub` downloads, resumes cut connections and keeps the
cache; `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_TOKEN` and `HF_HOME` are its settings. Over plain HTTP it checks only sizes,
so what was downloaded is compared here with the hub's own hashes.
"""

import errno
import glob
import logging
import os
import re
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from deeper.errors import UserError

What = Literal["model", "adapter", "data set"]

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FILE = re.compile(rf"({_NAME.pattern})(?:/([^@]+))?(?:@([^@]+))?")
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_LISTED = 12
"""File names that an error lists at most."""


class _NothingMatchesError(UserError):
    """A repository holds none of the files that were asked for.

    Attributes:
        files: What it holds.
    """

    def __init__(self, name: str, what: What, patterns: Sequence[str], files: Sequence[str]) -> None:
        self.files = files
        do = f"choose another {what}"
        if what == "adapter":
            do = f"if this is a whole model, name it as the engine: transformers:{name}"
        super().__init__(f"the repository holds no {what} (none of {', '.join(patterns)})", where=name, do=do)


def is_hub_name(source: str) -> bool:
    """Whether text is a hub name, "owner/name", and not a path on this machine.

    If the first folder of the text exists here, it is a path, even if the rest is missing.
    """
    return bool(_NAME.fullmatch(source)) and not Path(source).exists() and not Path(source).parent.exists()


def folder_of(source: str, what: What, patterns: Sequence[str]) -> Path:
    """Return the folder that `source` names: a hub name is fetched (see `fetch`), anything else is a path."""
    return fetch(source, what, patterns) if is_hub_name(source) else Path(os.path.expanduser(source))


def fetch_gguf(source: str) -> Path:
    """Return a GGUF file of a repository on the hub, fetched as by `fetch`.

    Args:
        source: `OWNER/NAME/FILE.gguf`, with `@REVISION` (a branch, a tag or a commit) unless it is the newest.

    Raises:
        UserError: The file cannot be fetched, there is none of this name, or it is one part of a split model.
    """
    named = _FILE.fullmatch(source)
    if named is None:
        raise UserError(
            "this does not name a file on the hub", where=f"hf:{source}", do="write hf:OWNER/NAME/FILE.gguf[@REVISION]"
        )
    name, file, revision = named.groups()
    if file is None or _PART.search(file) or not file.endswith(".gguf"):
        raise _choose_another(name, file or "", _list(name, "model", revision))
    try:
        folder = fetch(name, "model", [glob.escape(file)], revision)
    except _NothingMatchesError as error:
        raise _choose_another(name, file, error.files) from None
    if not (folder / file).is_file():  # another file is in the cache, and the hub does not answer
        raise _choose_another(name, file, _list(name, "model", revision))
    return folder / file


def fetch(name: str, what: What, patterns: Sequence[str], revision: str | None = None) -> Path:
    """Return the folder of a repository on the hub, fetched unless it is cached.

    Size and licence are logged before a download. Where the hub does not answer, the cached copy is taken.

    Args:
        name: The repository's name on the hub.
        what: What the repository holds.
        patterns: The files to fetch, as glob patterns.
        revision: A branch, a tag or a commit; None takes the newest.

    Raises:
        UserError: The repository cannot be fetched, or a downloaded file does not have the hub's hash. A check that
            was cut off is made up for by the next call.
    """
    import httpx2
    from huggingface_hub import HfApi, constants, snapshot_download, try_to_load_from_cache

    choice: dict[str, Any] = {"repo_type": _kind(what), "revision": revision}
    with _as_user_errors(name, what):
        try:
            info: Any = HfApi().repo_info(name, files_metadata=True, **choice)
        except (OSError, httpx2.HTTPError) as error:
            if (cached := _cached(name, patterns, choice)) is None:
                raise
            if not constants.is_offline_mode():
                log.info("the hub does not answer (%s); %s comes from the cache", _first_line(error), name)
            if _unchecked(name, what, cached.name).exists():
                log.warning("note: %s comes from the cache and was never compared with the hub's hashes", name)
            return cached
        files = info.siblings or ()
        wanted = [file for file in files if any(fnmatchcase(file.rfilename, pattern) for pattern in patterns)]
        if not wanted:
            raise _NothingMatchesError(name, what, patterns, [file.rfilename for file in files])
        missing = [
            file
            for file in wanted
            if not isinstance(
                try_to_load_from_cache(name, file.rfilename, repo_type=_kind(what), revision=info.sha), str
            )
        ]
        unchecked = _unchecked(name, what, info.sha)
        if missing:
            _announce(name, info, missing)
            unchecked.parent.mkdir(parents=True, exist_ok=True)
            unchecked.touch()
        folder = Path(snapshot_download(name, allow_patterns=list(patterns), **choice))
        if unchecked.exists():
            _check_hashes(folder, HfApi().verify_repo_checksums(name, repo_type=_kind(what), revision=folder.name))
            unchecked.unlink()
    return folder


def _kind(what: What) -> str:
    return "dataset" if what == "data set" else "model"


def _unchecked(name: str, what: What, commit: str) -> Path:
    """A mark in the cache: files of this commit were fetched, and their check has not ended yet."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type=_kind(what)))
    return folder / f"deeper-unchecked-{commit}"


def _cached(name: str, patterns: Sequence[str], choice: dict[str, Any]) -> Path | None:
    """Return the cached folder of a repository; None if there is none, or it is known to be incomplete."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), local_files_only=True, **choice))
    except (HFValidationError, LocalEntryNotFoundError):
        return None


def _list(name: str, what: What, revision: str | None) -> list[str]:
    """Return the names of a repository's files."""
    from huggingface_hub import HfApi

    with _as_user_errors(name, what):
        return HfApi().list_repo_files(name, repo_type=_kind(what), revision=revision)


def _choose_another(name: str, file: str, files: Sequence[str]) -> UserError:
    """The error for a file that cannot be had; it lists those that can."""
    whole = [found for found in files if found.endswith(".gguf") and not _PART.search(found)]
    if _PART.search(file) and file in files:
        what = "this is one part of a split model"
    elif file in files:
        what = "this is not a GGUF file"
    else:
        what = f"the repository has no file {file}" if file else "the name of the file is missing"
    parts = any(_PART.search(found) for found in files)
    if close := get_close_matches(file, whole, 1):
        do = f"did you mean hf:{name}/{close[0]}? It has {', '.join(whole[:_LISTED])}"
    elif whole:
        do = f"choose one of its GGUF files: {', '.join(whole[:_LISTED])}"
    else:
        do = "choose another repository; this one has no GGUF file" + " in one piece" * parts
    if parts and not whole:
        do += ", or join the parts with llama-gguf-split --merge of llama.cpp and use embedded:PATH.gguf"
    return UserError(what, where=f"hf:{name}", do=do)


def _announce(name: str, info: Any, files: Sequence[Any]) -> None:
    """Log size and licence of a download; refuse one that the disk has no room for."""
    from huggingface_hub import constants

    size = sum(file.size or 0 for file in files)
    card = info.card_data or {}
    licence = card.get("license")
    licence = card.get("license_name") or licence if licence == "other" else licence
    place = Path(constants.HF_HUB_CACHE)
    log.info(
        "fetching %s from %s: %s, licence %s; kept in %s",
        f"{name}/{files[0].rfilename}" if len(files) == 1 else f"{name} ({len(files)} files)",
        constants.ENDPOINT,
        megabytes(size),
        licence or "not stated",
        place,
    )
    free = shutil.disk_usage(next(path for path in (place, *place.absolute().parents) if path.exists())).free
    if free < size:
        raise _disk_full(f"{megabytes(size)} needed, {megabytes(free)} free")


def megabytes(size: float) -> str:
    """Return a number of bytes for people: "491 MB", "4.7 GB"."""
    return f"{size / 1e6:.0f} MB" if size < 999.5e6 else f"{size / 1e9:.1f} GB"


def _check_hashes(folder: Path, found: Any) -> None:
    """Delete files whose content is not what the hub says, and refuse them."""
    for wrong in found.mismatches:
        path = folder / wrong["path"]
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    if found.mismatches:
        wrong = found.mismatches[0]
        raise UserError(
            f"the downloaded file has another {wrong['algorithm']} ({wrong['actual'][:12]}) than the hub's "
            f"({wrong['expected'][:12]}), and was deleted",
            where=wrong["path"],
            do="run the same command again; if it happens again, check HF_ENDPOINT and proxies",
        )


def _disk_full(reason: str) -> UserError:
    from huggingface_hub import constants

    return UserError(
        f"the disk has no room for the download ({reason})",
        where=constants.HF_HUB_CACHE,
        do="free space, or set HF_HOME to a folder on a larger disk; the same command continues",
    )


@contextmanager
def _as_user_errors(name: str, what: What) -> Generator[None]:
    """Turn what the library raises into a `UserError` about the repository."""
    import httpx2
    from huggingface_hub import constants, errors

    own = f"or give the folder of {'an' if what == 'adapter' else 'a'} {what}"
    try:
        yield
    except errors.HFValidationError as error:
        what_failed = f"the {what} cannot be fetched ({_first_line(error)})"
        raise UserError(what_failed, where=name, do=f"write OWNER/NAME, {own}") from error
    except errors.GatedRepoError as error:
        do = f"accept them at {constants.ENDPOINT}/{name} and set HF_TOKEN, or choose another {what}"
        raise UserError(f"the {what}'s owner wants you to accept terms first", where=name, do=do) from error
    except errors.RepositoryNotFoundError as error:
        do = f"check the name (OWNER/NAME); if it is private, set HF_TOKEN; {own}"
        raise UserError(f"the hub has no such {what}, or it is private", where=name, do=do) from error
    except errors.RevisionNotFoundError as error:
        raise UserError("the repository has no such revision", where=name, do="name a branch, tag or commit") from error
    except errors.OfflineModeIsEnabled as error:
        do = f"unset HF_HUB_OFFLINE, {own}"
        what_failed = f"the {what} cannot be fetched, because HF_HUB_OFFLINE is set and it is not in the cache"
        raise UserError(what_failed, where=name, do=do) from error
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        do = "correct HTTPS_PROXY, ALL_PROXY and HF_ENDPOINT; a SOCKS proxy needs pip install socksio"
        raise UserError(f"the connection cannot be set up ({_first_line(error)})", where=name, do=do) from error
    except (httpx2.HTTPError, errors.XetDownloadError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(str(error.strerror)) from error
        do = f"check the network, proxies and HF_ENDPOINT, {own}; the same command tries again"
        what_failed = f"the {what} cannot be fetched from {constants.ENDPOINT} ({_first_line(error)})"
        raise UserError(what_failed, where=name, do=do) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
    return lines[0].rstrip(".")[:200]
