"""Models by name: fetched once, checked, told about, and refused with advice."""

import errno
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from hub_server import BEFORE, COMMIT, Hub, Repository, serve_hub
from huggingface_hub import constants
from tiny_gguf import write_tiny_gguf
from tiny_llama import write_tiny_llama

from deeper.engine.openvino.weights import prepare_weights
from deeper.engine.registry import make_engine
from deeper.errors import UserError
from deeper.storage.hub import fetch, fetch_gguf

NAME = "someone/tiny-GGUF"
FILES = {
    "tiny-q4_k_m.gguf": b"GGUF" + bytes(range(256)) * 400,
    "tiny-q8_0.gguf": b"GGUF 8",
    "tiny-f16-00001-of-00002.gguf": b"GGUF half",
    "tiny-f16-00002-of-00002.gguf": b"GGUF half",
    "README.md": b"# Tiny\n",
}
MODEL = f"{NAME}/tiny-q4_k_m.gguf"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one repository, and an empty cache."""
    with serve_hub() as hub:
        hub.repositories[NAME] = Repository(dict(FILES), {"tiny-q4_k_m.gguf": b"GGUF of v1"})
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield hub


def refusal(source: str) -> UserError:
    with pytest.raises(UserError) as caught:
        fetch_gguf(source)
    assert len(str(caught.value).splitlines()) == 2
    return caught.value


class TestFetched:
    def test_once_and_then_found(self, hub: Hub) -> None:
        path = fetch_gguf(MODEL)
        assert path.read_bytes() == FILES["tiny-q4_k_m.gguf"]
        assert hub.downloads() == [("tiny-q4_k_m.gguf", "")]
        assert fetch_gguf(MODEL) == path
        assert len(hub.downloads()) == 1

    def test_with_size_and_licence_told_before(self, hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "deeper"):
            fetch_gguf(MODEL)
            fetch_gguf(MODEL)
        [told] = caplog.messages
        assert told.startswith(f"fetching {MODEL} from {hub.url}: 0 MB, licence apache-2.0; kept in ")

    @pytest.mark.parametrize(
        ("card", "told"), [({}, "licence not stated"), ({"license": "other", "license_name": "qwen"}, "licence qwen")]
    )
    def test_with_a_licence_as_the_card_names_it(
        self, hub: Hub, caplog: pytest.LogCaptureFixture, card: dict[str, str], told: str
    ) -> None:
        hub.repositories[NAME].card = card
        with caplog.at_level(logging.INFO, "deeper"):
            fetch_gguf(MODEL)
        assert told in caplog.text

    @pytest.mark.parametrize("revision", ["v1", BEFORE])
    def test_at_a_revision(self, hub: Hub, revision: str) -> None:
        assert fetch_gguf(f"{MODEL}@{revision}").read_bytes() == b"GGUF of v1"
        assert fetch_gguf(f"{MODEL}@{COMMIT}").read_bytes() == FILES["tiny-q4_k_m.gguf"]

    def test_from_a_folder_of_the_repository(self, hub: Hub) -> None:
        hub.repositories[NAME].files["q8/tiny [1].gguf"] = b"GGUF deep"
        assert fetch_gguf(f"{NAME}/q8/tiny [1].gguf").read_bytes() == b"GGUF deep"

    def test_on_from_where_the_connection_was_cut(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)
        hub.cut_after = 1000
        assert fetch_gguf(MODEL).read_bytes() == FILES["tiny-q4_k_m.gguf"]
        assert hub.downloads() == [("tiny-q4_k_m.gguf", ""), ("tiny-q4_k_m.gguf", "bytes=1000-")]

    def test_only_with_the_hub_s_own_hash(self, hub: Hub) -> None:
        hub.spoilt = True
        error = refusal(MODEL)
        assert re.search("the downloaded file has another sha256 .* than the hub's .* and was deleted", error.what)
        assert error.where == "tiny-q4_k_m.gguf"
        hub.spoilt = False
        assert fetch_gguf(MODEL).read_bytes() == FILES["tiny-q4_k_m.gguf"]

    def test_and_checked_the_next_time_if_the_check_was_cut_off(
        self, hub: Hub, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub.spoilt = hub.hides_hashes = True
        assert "Bad request" in refusal(MODEL).what
        with monkeypatch.context() as offline:
            offline.setattr(constants, "HF_HUB_OFFLINE", True)
            assert fetch_gguf(MODEL).read_bytes() != FILES["tiny-q4_k_m.gguf"]
        told = f"note: {NAME} comes from the cache and was never compared with the hub's hashes"
        assert caplog.messages.count(told) == 1
        hub.hides_hashes = False
        assert "has another sha256" in refusal(MODEL).what
        hub.spoilt = False
        path = fetch_gguf(MODEL)
        assert path.read_bytes() == FILES["tiny-q4_k_m.gguf"]
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert fetch_gguf(MODEL) == path and caplog.messages.count(told) == 1

    def test_as_an_engine(self, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEEPER_CACHE", str(tmp_path / "cache"))
        own = write_tiny_gguf(tmp_path / "own.gguf")
        hub.repositories[NAME].files["own.gguf"] = own.read_bytes()
        engine = make_engine(f"embedded:hf:{NAME}/own.gguf")
        assert prepare_weights(own).identity in engine.fingerprint

    def test_without_torch_in_a_process_that_knows_only_the_environment(self, hub: Hub, tmp_path: Path) -> None:
        blocked = "import sys; sys.modules.update(torch=None, transformers=None, tokenizers=None)"
        code = f"{blocked}; from deeper.storage.hub import fetch_gguf; print(fetch_gguf({MODEL!r}))"
        place = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}

        def path(**environment: str) -> Path:
            command = [sys.executable, "-c", code]
            return Path(subprocess.check_output(command, env=os.environ | place | environment, text=True).strip())

        assert path().read_bytes() == FILES["tiny-q4_k_m.gguf"]
        asked = len(hub.requests)
        assert path(HF_HUB_OFFLINE="1").is_relative_to(tmp_path / "home" / "hub")
        assert len(hub.requests) == asked


class TestFromTheCache:
    @pytest.fixture(autouse=True)
    def path(self, hub: Hub) -> Path:
        path = fetch_gguf(MODEL)
        hub.requests.clear()
        return path

    def test_offline(self, hub: Hub, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert fetch_gguf(MODEL) == path
        assert hub.requests == []

    def test_where_the_hub_does_not_answer(
        self, hub: Hub, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        with caplog.at_level(logging.INFO, "deeper"):
            assert fetch_gguf(MODEL) == path
        assert "the hub does not answer (" in caplog.text and f"{NAME} comes from the cache" in caplog.text

    def test_where_the_hub_is_broken(self, hub: Hub, path: Path) -> None:
        hub.status = 503
        assert fetch_gguf(MODEL) == path

    def test_but_not_another_file(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        error = refusal(f"{NAME}/tiny-q8_0.gguf")
        assert "because HF_HUB_OFFLINE is set and it is not in the cache" in error.what


class TestRefused:
    def test_a_file_that_is_not_there_with_the_nearest_name(self, hub: Hub) -> None:
        error = refusal(f"{NAME}/tiny-q4_k.gguf")
        assert error.what == "the repository has no file tiny-q4_k.gguf"
        assert error.do == f"did you mean hf:{MODEL}? It has tiny-q4_k_m.gguf, tiny-q8_0.gguf"
        assert hub.downloads() == []

    def test_a_repository_alone_with_its_files(self, hub: Hub) -> None:
        error = refusal(NAME)
        assert (error.where, error.what) == (f"hf:{NAME}", "the name of the file is missing")
        assert error.do == "choose one of its GGUF files: tiny-q4_k_m.gguf, tiny-q8_0.gguf"

    def test_a_file_that_is_no_model(self, hub: Hub) -> None:
        assert refusal(f"{NAME}/README.md").what == "this is not a GGUF file"

    def test_one_part_of_a_split_model_with_the_whole_files(self, hub: Hub) -> None:
        error = refusal(f"{NAME}/tiny-f16-00001-of-00002.gguf")
        assert error.what == "this is one part of a split model"
        assert error.do.endswith("tiny-q4_k_m.gguf, tiny-q8_0.gguf")
        hub.repositories[NAME].files = {name: content for name, content in FILES.items() if "-of-" in name}
        assert "llama-gguf-split --merge" in refusal(f"{NAME}/tiny-f16-00001-of-00002.gguf").do
        assert hub.downloads() == []

    def test_an_unknown_repository(self, hub: Hub) -> None:
        error = refusal("someone/nothing/x.gguf")
        assert (error.where, error.what) == ("someone/nothing", "the hub has no such model, or it is private")
        assert "HF_TOKEN" in error.do

    def test_an_unknown_revision(self, hub: Hub) -> None:
        assert refusal(f"{MODEL}@v9").what == "the repository has no such revision"

    def test_a_gated_repository(self, hub: Hub) -> None:
        hub.repositories[NAME].is_gated = True
        error = refusal(MODEL)
        assert error.what == "the model's owner wants you to accept terms first"
        assert f"{hub.url}/{NAME}" in error.do and "HF_TOKEN" in error.do

    def test_without_a_network(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        error = refusal(MODEL)
        assert error.what.startswith("the model cannot be fetched from http://127.0.0.1:9 (")
        assert "the network, proxies and HF_ENDPOINT" in error.do

    def test_by_a_broken_hub(self, hub: Hub) -> None:
        hub.status = 503
        assert "503" in refusal(MODEL).what

    def test_offline_without_a_cached_copy(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        error = refusal(MODEL)
        assert "HF_HUB_OFFLINE is set" in error.what and "unset HF_HUB_OFFLINE" in error.do
        assert hub.requests == []

    def test_more_than_the_disk_holds_before_it_is_fetched(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
        error = refusal(MODEL)
        assert error.what == "the disk has no room for the download (0 MB needed, 0 MB free)"
        assert "HF_HOME" in error.do
        assert hub.downloads() == []

    def test_a_disk_that_fills_up(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
        assert refusal(MODEL).what == "the disk has no room for the download (No space left on device)"

    @pytest.mark.parametrize(
        "source", ["", "tiny.gguf", "someone", "/etc/x.gguf", "a b/c/x.gguf", f"{MODEL}@", "~/x/y"]
    )
    def test_what_names_no_file_on_the_hub(self, hub: Hub, source: str) -> None:
        error = refusal(source)
        assert error.do == "write hf:OWNER/NAME/FILE.gguf[@REVISION]"
        assert hub.requests == []

    def test_through_a_proxy_that_cannot_be_used(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ALL_PROXY", "nonsense://127.0.0.1:1")
        huggingface_hub.close_session()
        try:
            error = refusal(MODEL)
        finally:
            huggingface_hub.close_session()
        assert error.what.startswith("the connection cannot be set up (") and "ALL_PROXY" in error.do


class TestWholeRepositories:
    @pytest.fixture
    def llama(self, hub: Hub, tmp_path: Path) -> str:
        folder = tmp_path / "llama"
        folder.mkdir()
        write_tiny_llama(folder)
        hub.repositories["someone/llama"] = Repository({path.name: path.read_bytes() for path in folder.iterdir()})
        return "someone/llama"

    def test_as_an_engine(self, hub: Hub, llama: str, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "deeper"):
            fingerprint = make_engine(f"transformers:{llama}").fingerprint
        assert fingerprint.startswith("transformers:")
        [told] = [line for line in caplog.messages if line.startswith("fetching")]
        assert re.match(rf"fetching {llama} \(\d files\) from {hub.url}: \d+ MB, licence apache-2.0; ", told)

    def test_with_a_wrong_hash(self, hub: Hub, llama: str) -> None:
        hub.spoilt = True
        with pytest.raises(UserError, match="the downloaded file has another (sha256|git-sha1)"):
            make_engine(f"transformers:{llama}")

    def test_of_another_kind(self, hub: Hub) -> None:
        with pytest.raises(UserError, match=r"the repository holds no model \(none of \*.safetensors\)"):
            fetch(NAME, "model", ["*.safetensors"])
        with pytest.raises(UserError, match="holds no adapter") as caught:
            fetch(NAME, "adapter", ["adapter_config.json"])
        assert f"transformers:{NAME}" in caught.value.do
