"""GGUF files as people have them: what cannot be used is named, with what to do, and leaves nothing in the cache."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from tiny_gguf import write_tiny_gguf

from deeper.engine.openvino import convert, weights
from deeper.engine.openvino.gguf_file import open_gguf
from deeper.engine.openvino.weights import prepare_weights
from deeper.engine.registry import make_engine
from deeper.errors import UserError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refusal(own: Path, cache: Path) -> UserError:
    """The error of a file, which has to be of two lines and to leave no weights."""
    with pytest.raises(UserError) as caught:
        prepare_weights(own)
    assert caught.value.where == str(own)
    assert len(str(caught.value).splitlines()) == 2
    assert [path for path in (cache / "weights").iterdir() if path.suffix != ".lock"] == []
    return caught.value


class TestRefused:
    @pytest.mark.parametrize("content", [b"", bytes(1000), b"PK\x03\x04 a zip file", b"<!DOCTYPE html>"])
    def test_what_is_no_gguf_file(self, cache: Path, tmp_path: Path, content: bytes) -> None:
        own = tmp_path / "own.gguf"
        own.write_bytes(content)
        assert refusal(own, cache).what == "this is not a GGUF file"

    def test_a_pointer_of_git_lfs(self, cache: Path, tmp_path: Path) -> None:
        own = tmp_path / "own.gguf"
        own.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 491400064\n", "utf-8")
        error = refusal(own, cache)
        assert "pointer of Git LFS" in error.what and "git lfs pull" in error.do

    @pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.3, 0.6, 0.99])
    @pytest.mark.parametrize("kind", ["F16", "Q4_1"])
    def test_what_is_cut_off(self, cache: Path, tmp_path: Path, kind: str, share: float) -> None:
        own = write_tiny_gguf(tmp_path / "own.gguf", GGMLQuantizationType[kind])
        os.truncate(own, int(share * own.stat().st_size))
        error = refusal(own, cache)
        assert "the GGUF file is cut off or damaged" in error.what and error.do == "download the file again"

    @pytest.mark.parametrize("content", [b"GGUF", b"GGUF" + bytes(1000), b"GGUF\x03" + bytes(1000)])
    def test_what_only_begins_like_one(self, cache: Path, tmp_path: Path, content: bytes) -> None:
        own = tmp_path / "own.gguf"
        own.write_bytes(content)
        refusal(own, cache)

    @pytest.mark.parametrize("architecture", ["mamba", "gemma3", "phi3", "clip"])
    def test_an_architecture_that_openvino_does_not_read(self, cache: Path, tmp_path: Path, architecture: str) -> None:
        error = refusal(write_tiny_gguf(tmp_path / "own.gguf", architecture=architecture), cache)
        assert error.what.startswith(f"the model's architecture, {architecture}, is none that OpenVINO reads (llama, ")
        assert "deeper models" in error.do and "openai:MODEL" in error.do

    def test_a_model_without_a_chat_template(self, cache: Path, tmp_path: Path) -> None:
        error = refusal(write_tiny_gguf(tmp_path / "own.gguf", template=""), cache)
        assert "no chat template" in error.what and "chat or instruct model" in error.do

    def test_a_model_without_a_tokeniser(self, cache: Path, tmp_path: Path) -> None:
        assert "no tokeniser" in refusal(write_tiny_gguf(tmp_path / "own.gguf", tokeniser=""), cache).what

    @pytest.mark.parametrize("tokeniser", ["llama", "bert"])
    def test_a_tokeniser_that_openvino_does_not_read(self, cache: Path, tmp_path: Path, tokeniser: str) -> None:
        error = refusal(write_tiny_gguf(tmp_path / "own.gguf", tokeniser=tokeniser), cache)
        assert f"its tokeniser is of the kind {tokeniser}" in error.what

    def test_a_part_of_a_split_model(self, cache: Path, tmp_path: Path) -> None:
        error = refusal(write_tiny_gguf(tmp_path / "own-00001-of-00003.gguf", parts=3), cache)
        assert error.what == "this is one of the 3 parts of a split model"
        assert "llama-gguf-split --merge" in error.do

    def test_a_type_of_matrices_that_is_not_known(self, cache: Path, tmp_path: Path) -> None:
        own = write_tiny_gguf(tmp_path / "own.gguf")
        set_type(own, 99)
        error = refusal(own, cache)
        assert "of a type that is not known here (" in error.what and "99" in error.what and "Q4_K_M" in error.do

    def test_a_type_of_matrices_that_cannot_be_rewritten(self, cache: Path, tmp_path: Path) -> None:
        own = tmp_path / "own.gguf"
        writer = GGUFWriter(own, "llama")
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(["a"])
        writer.add_chat_template("x")
        writer.add_tensor("token_embd.weight", np.zeros((2, 292), np.uint8), raw_dtype=GGMLQuantizationType.Q8_K)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        error = refusal(own, cache)
        assert "of the type Q8_K, which cannot be rewritten here" in error.what and "Q4_K_M" in error.do

    def test_with_exit_code_2_on_the_command_line(self, cache: Path, tmp_path: Path) -> None:
        own = write_tiny_gguf(tmp_path / "own.gguf", template="")
        command = [sys.executable, "-m", "deeper.cli.main", "evaluate", "--policy-engine", f"embedded:{own}"]
        ended = subprocess.run([*command, "--out", str(tmp_path / "run")], capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert "no chat template" in ended.stderr and "a bug in deeper" not in ended.stderr


def set_type(path: Path, number: int) -> None:
    """Give the first tensor another type in the file's list."""
    field = GGUFReader(path).tensors[0].field
    place = field.offset + sum(part.nbytes for part in field.parts[:4])
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(number.to_bytes(4, "little"))


def test_a_path_may_begin_at_the_home_folder(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    own = write_tiny_gguf(tmp_path / "own.gguf")
    assert make_engine("embedded:~/own.gguf").fingerprint == make_engine(f"embedded:{own}").fingerprint


class TestCost:
    def test_is_told_before_a_larger_model_is_converted(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(weights, "TOLD_SECONDS", 0)
        monkeypatch.setattr(weights, "memory_bytes", lambda: 1)
        with caplog.at_level("INFO", "deeper"):
            prepare_weights(write_tiny_gguf(tmp_path / "own.gguf"))
        assert "converting it takes about 0 s on two cores and 0 MB of memory" in caplog.text
        assert "this machine has only 0 MB of memory" in caplog.text

    def test_that_the_disk_has_no_room_for_is_refused_before(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def begun(*_: Any) -> None:
            raise AssertionError("the conversion has begun")

        own = write_tiny_gguf(tmp_path / "own.gguf")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
        monkeypatch.setattr(convert, "requantise", begun)
        with pytest.raises(UserError, match="has no room on the disk: 0 MB needed, 0 MB free") as caught:
            prepare_weights(own)
        assert "DEEPER_CACHE" in caught.value.do

    def test_a_lack_of_memory_is_not_the_file_s_fault(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise RuntimeError("std::bad_alloc")

        monkeypatch.setattr(convert, "write_openvino", full)
        with pytest.raises(MemoryError):
            prepare_weights(write_tiny_gguf(tmp_path / "own.gguf"))


def test_the_weights_are_rewritten_with_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(convert, "PROGRESS_SECONDS", -1)
    own = write_tiny_gguf(tmp_path / "own.gguf", GGMLQuantizationType.F32)
    with caplog.at_level("INFO", "deeper"):
        convert.requantise(open_gguf(own), tmp_path / "rewritten.gguf")
    assert caplog.messages[-1] == "rewriting the weights: 100 %"
    assert len(caplog.messages) == len(GGUFReader(own).tensors)


def test_one_matrix_at_a_time_is_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is written before the next one is read."""
    events: list[str] = []
    quantize, write = convert.quantize, convert.GGUFWriter.write_tensor_data

    def recorded(name: str, function: Any) -> Any:
        def call(*given: Any) -> Any:
            events.append(name)
            return function(*given)

        return call

    monkeypatch.setattr(convert, "quantize", recorded("make", quantize))
    monkeypatch.setattr(convert.GGUFWriter, "write_tensor_data", recorded("write", write))
    own = write_tiny_gguf(tmp_path / "own.gguf", GGMLQuantizationType.F32)
    convert.requantise(open_gguf(own), tmp_path / "rewritten.gguf")
    assert events == ["make", "write"] * len(GGUFReader(own).tensors)
