"""What the steps of `reproduce_small.py` share: where things lie, and how a command is shown and run."""

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deeper.engine.adapter import CARD

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = "movielens_small"
TRAINED_DOMAINS = {
    BUNDLED: BUNDLED,
    "food_com": "food_com",
    "amazon_clothing_shoes_and_jewelry": "amazon_clothing",
    "amazon_movies_and_TV": "amazon_movies",
}
"""The domains that models are trained on: folder under PUBLISHED, and id."""


@dataclass(frozen=True)
class Reproduction:
    """One reproduction: its folders, and its ways to run a command.

    Attributes:
        published: Folder with the published domains' folders.
        runs: Folder for everything that the steps make.
        plan_only: Print the commands and run none.
        gpu: Train whole batches at once, and use the engine `transformers` for train and validation users.
    """

    published: Path
    runs: Path
    plan_only: bool
    gpu: bool = False

    @property
    def training_data(self) -> tuple[str, ...]:
        """The flag with the domains that models are trained on."""
        folders = [name if name == BUNDLED else str(self.published / name) for name in TRAINED_DOMAINS]
        return ("--data", ",".join(folders))

    @property
    def all_data(self) -> tuple[str, ...]:
        """Every domain: the bundled one, and every folder under PUBLISHED."""
        return (BUNDLED, *(str(path) for path in sorted(self.published.iterdir()) if path.is_dir()))

    @property
    def engines(self) -> tuple[str, ...]:
        """The flags with the engines for train and validation users; none where the defaults serve."""
        return ("--policy-engine", "transformers", "--predictor-engine", "transformers") if self.gpu else ()

    @property
    def micro_batch_of_dpo(self) -> tuple[str, ...]:
        """The flag with the pairs of one forward pass; none where the default serves."""
        return ("--micro-batch", "8") if self.gpu else ()

    def training_size(self, steps: str, batch: str) -> tuple[str, ...]:
        """The flags for the length, batch and precision of a training on behaviour."""
        micro_batch = batch if self.gpu else "1"
        return ("--steps", steps, "--batch", batch, "--micro-batch", micro_batch, "--precision", "auto")

    def train(self, command: str, out: Path, *words: str | Path) -> None:
        """Train an adapter, unless it is there: it may have been trained on another machine, in other batches."""
        if not self.plan_only and (out / CARD).is_file():
            print(f"there already: {out}", flush=True)
            return
        self.deeper(f"train {command}", *words, "--out", out)

    def deeper(self, command: str, *words: str | Path) -> None:
        """Run a command of this environment's `deeper`. It resumes by itself."""
        self._run((Path(sys.executable).with_name("deeper"), *command.split(), *words))

    def script(self, script: str, *words: str | Path, output: str = "") -> None:
        """Run a script of this checkout; `output` names the file under RUNS for what it prints."""
        self._run((sys.executable, ROOT / script, *words), self.runs / output if output else None)

    def from_history(self, commit: str, folder: str, target: Path) -> None:
        """Put a folder of an earlier commit of this repository into `target`, which is left alone if it is there."""
        if target.exists():
            return
        archive = self.runs / "archive.tar"
        self._run(("git", "-C", ROOT, "archive", "--output", archive, commit, folder))
        part = target.with_name(f"{target.name}.part")
        if not self.plan_only:
            part.mkdir(exist_ok=True)
        self._run(
            ("tar", "--extract", "--file", archive, "--directory", part, f"--strip-components={folder.count('/') + 1}")
        )
        if not self.plan_only:
            archive.unlink()
            part.rename(target)

    def copy(self, source: Path, target: Path) -> None:
        """Copy a folder, whole or not at all."""
        if self.plan_only or target.exists():
            return
        part = target.with_name(f"{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part)
        part.rename(target)

    def _run(self, words: tuple[str | Path, ...], output: Path | None = None) -> None:
        command = [str(word) for word in words]
        redirect = f" > {shlex.quote(str(output))}" if output else ""
        print(f"$ {shlex.join(command)}{redirect}", flush=True)
        if self.plan_only:
            return
        self.runs.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE if output else None)
        if output:
            part = output.with_suffix(".part")
            part.write_bytes(done.stdout)
            part.replace(output)


def adapters(policy: Path | None, predictor: Path | None) -> tuple[str, ...]:
    """The flags with the trained adapters; None means the untuned model."""
    given = (("--policy-adapter", policy), ("--predictor-adapter", predictor))
    return tuple(word for flag, adapter in given if adapter for word in (flag, str(adapter)))
