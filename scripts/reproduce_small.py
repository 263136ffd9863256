"""Rebuild the small model and its results: from train data to adapters and `docs/results/small.json`.

    python scripts/reproduce_small.py PUBLISHED RUNS            # everything, or go on with it
    python scripts/reproduce_small.py PUBLISHED RUNS --plan     # only say what would be done
    python scripts/reproduce_small.py PUBLISHED RUNS --steps policy
    python scripts/reproduce_small.py PUBLISHED RUNS --steps predictor   # in another terminal, on another core
    python scripts/reproduce_small.py PUBLISHED RUNS --gpu --steps policy,predictor,second

PUBLISHED holds the published domains, a folder each; RUNS gets all that is made. The same command again goes on where
it was cut off. Models learn from four domains; all that is chosen is chosen on validation users; eval users of all
domains are judged once, in `results`. Trainings that are done stay, so those on a GPU can go before the rest on a
processor; all other steps go on with the flags that they were begun with.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from deeper.engine.adapter import CARD

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = "movielens_small"
LEARNT = {
    BUNDLED: BUNDLED,
    "food_com": "food_com",
    "amazon_clothing_shoes_and_jewelry": "amazon_clothing",
    "amazon_movies_and_TV": "amazon_movies",
}
"""Folders of the domains that are learnt from, and their ids."""
STEPS = ("policy", "predictor", "second", "learn", "ablation", "choice", "left_out", "compare", "ship", "results",
         "untuned", "language", "unseen", "demo", "judge")  # fmt: skip

TOKENS = ("--max-persona-tokens", "72")
LORA = ("--rank", "32", "--alpha", "64", "--layers", "upper")
POLICY = (*TOKENS, *LORA, "--fold", "a", "--cutoff", "640", "--learning-rate", "8e-4", "--validation-users", "6",
          "--save-every", "10", "--judge-every", "250", "--seed", "3")  # fmt: skip
PREDICTOR = (*LORA, "--validation-users", "12", "--save-every", "20", "--judge-every", "400")
LONG, SHORT = (("500", "32"), ("800", "32")), (("40", "8"), ("60", "8"))
"""Steps and batches of the policy and of the predictor: of the real ones, and where domains are left out."""
SECOND = ("400", "32")
"""Those of the second predictor, of half of the users."""
REWARD, MARGIN = ("--reward", "crps"), "0.75"
"""By MAE half of all differences within a context are 0, since a median moves in whole steps (docs/log.md)."""
DPO = ("--steps", "24", "--batch", "8", "--learning-rate", "2e-5", "--save-every", "12", "--judge-every", "12")
VALIDATION = (*TOKENS, "--calibration-users", "24", "--rounds", "3")
COMPARED, USERS, EVAL_USERS = "16", "30", "16"
"""Users of a domain: validation users of comparisons, validation users of what ships, and eval users."""
METHODS = ("refine,incremental_update,hierarchical_merge,full_regeneration,slide_regeneration,frozen,no_persona,"
           "user_median,user_mean,last_window_median,user_histogram,always_top,domain_median,item_mean,"
           "matrix_factorisation")  # fmt: skip
"""Of the final evaluation: all but the ratings in the prompt, which take as long as two rounds of an updater."""
REWARDS = {
    "previous": (*REWARD, "--weights", "1,0,0"),
    "current": (*REWARD, "--weights", "0,1,0"),
    "future": (*REWARD, "--weights", "0,0,1"),
    "mae": ("--reward", "mae"),
}
SEARCH = "4"


def main() -> int:
    """Do the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, help="folder of the published domains' folders")
    parser.add_argument("runs", type=Path, help="folder of all that is made")
    parser.add_argument("--steps", default=",".join(STEPS), help="only these of %(default)s")
    parser.add_argument("--plan", action="store_true", help="say the commands, and do nothing")
    parser.add_argument("--precision", default="bfloat16", choices=("bfloat16", "float32"),
                        help="what a processor computes in; float32 if yours has no bfloat16")  # fmt: skip
    parser.add_argument("--gpu", action="store_true",
                        help="train whole batches at once, and let transformers write and read personas")  # fmt: skip
    given = parser.parse_args()
    steps = given.steps.split(",")
    if unknown := [name for name in steps if name not in STEPS]:
        parser.error(f"no step {', '.join(unknown)}; there are {', '.join(STEPS)}")
    if missing := [name for name in LEARNT if name != BUNDLED and not (given.published / name).is_dir()]:
        parser.error(f"{given.published} has no {', '.join(missing)}: docs/data.md tells where the published data is")
    chain = Chain(given.published.resolve(), given.runs.resolve(), given.plan, given.precision, given.gpu)
    for name in steps:
        step = getattr(chain, name)
        print(f"{name}: {step.__doc__}", flush=True)
        try:
            step()
        except subprocess.CalledProcessError as error:
            print(f"{name} ended with status {error.returncode}; the same command goes on.", file=sys.stderr)
            return 1
    return 0


class Chain:
    """The steps, each a method.

    Attributes:
        published: Folder of the published domains' folders.
        runs: Folder of all that is made.
        plan: Only say what would be done.
        precision: What a processor computes in.
        gpu: Train whole batches at once, and let transformers write and read.
        learnt_in: Pairs of a forward pass.
        engines: What writes and reads personas of train and validation users.
    """

    def __init__(self, published: Path, runs: Path, plan: bool, precision: str = "bfloat16", gpu: bool = False) -> None:
        """What several steps need."""
        self.published, self.runs, self.plan, self.precision, self.gpu = published, runs, plan, precision, gpu
        self.learnt_in = ("--micro-batch", "8") if gpu else ()
        self.engines = ("--policy-engine", "transformers", "--predictor-engine", "transformers") if gpu else ()
        self.data = ("--data", ",".join(name if name == BUNDLED else str(published / name) for name in LEARNT))
        self.everything = (BUNDLED, *(str(path) for path in sorted(published.iterdir()) if path.is_dir()))
        self.first, self.reader, self.other = (runs / name for name in ("policy", "predictor", "second"))
        self.learnt, self.ablated, self.chosen = (runs / name for name in ("learnt", "ablation", "chosen"))

    def policy(self) -> None:
        """The cold start of the policy."""
        self.train("coldstart", self.first, *self.data, *POLICY, *self.trained(*LONG[0]))

    def predictor(self) -> None:
        """The predictor, of all train users: the more ratings, the more titles it knows."""
        self.train("predictor", self.reader, *self.data, *PREDICTOR, *self.trained(*LONG[1]), "--fold", "all",
                   "--seed", "2")  # fmt: skip

    def second(self) -> None:
        """Another predictor, of half of the users: it rewards what is written of the others."""
        self.train("predictor", self.other, *self.data, *PREDICTOR, *self.trained(*SECOND), "--fold", "a",
                   "--seed", "4")  # fmt: skip

    def learn(self) -> None:
        """Two iterations of preference learning."""
        self.deeper("learn", *self.data, *adapters(self.first, self.other), *self.engines, *VALIDATION, *REWARD,
                    "--margin", f"{MARGIN},{MARGIN}", *DPO, *self.learnt_in, "--users", "24", "--directions", "6",
                    "--validation-users", COMPARED, "--force", "--out", self.learnt)  # fmt: skip

    def ablation(self) -> None:
        """Other rewards, and one part missing or more, on validation users."""
        for name, flags in REWARDS.items():
            place = self.ablated / name
            self.copy(self.learnt / "1/sampled", place / "sampled")
            self.deeper("reward", place / "sampled", *flags)
            self.deeper("pairs", place / "sampled", "--margin", MARGIN, "--force", "--out", place / "pairs")
            self.train("dpo", place / "policy", "--pairs", place / "pairs", "--policy-adapter", self.first, *LORA, *DPO,
                       *self.learnt_in, "--reference", "previous")  # fmt: skip
            self.validate(place / "validation", adapters(place / "policy", self.other))
        self.validate(self.ablated / "no-predictor", adapters(self.first, None))
        self.validate(self.ablated / "no-policy", adapters(None, self.other))
        self.validate(self.ablated / "none", ())
        self.validate(self.ablated / "search", (*adapters(self.first, self.other), "--search-n", SEARCH))

    def choice(self) -> None:
        """Of the policies, the one with the lowest error by the user median on validation users, all rounds."""
        candidates = {"before": self.first, **{f"{k}/validation": self.learnt / str(k) / "policy" for k in (1, 2)}}
        self.script("benchmarks/ablation.py", *(f"{run}={self.learnt / run}" for run in candidates), into="choice.json")
        if self.plan:
            return
        found = json.loads((self.runs / "choice.json").read_text("utf-8"))["runs"]
        best = min(found, key=lambda one: one["ratio"]["value"])["name"]
        self.chosen.unlink(missing_ok=True)
        self.chosen.symlink_to(candidates[best])
        print(f"chosen: {candidates[best]}", flush=True)

    def left_out(self) -> None:
        """What a domain costs that was not learnt from: short trainings with all domains, and without each."""
        for domain in ("", *LEARNT.values()):
            place = self.without(domain)
            kept = ("--domains", ",".join(one for one in LEARNT.values() if one != domain))
            policy, predictor = place / "policy", place / "predictor"
            self.train("coldstart", policy, *self.data, *kept, *POLICY, *self.trained(*SHORT[0]))
            self.train("predictor", predictor, *self.data, *kept, *PREDICTOR, *self.trained(*SHORT[1]), "--fold", "all",
                       "--seed", "2")  # fmt: skip
            judged = ("--domains", domain) if domain else ()
            self.validate(place / "validation", (*adapters(policy, predictor), *judged))

    def ship(self) -> None:
        """The adapters into the package, judged together on validation users."""
        judged = self.runs / "together"
        self.validate(judged, adapters(self.chosen, self.reader), users=USERS, engines=())
        self.script("scripts/ship_adapters.py", self.chosen, self.reader, "--judged", judged,
                    "--made-in", self.runs)  # fmt: skip

    def results(self) -> None:
        """The final evaluation."""
        self.evaluate(self.runs / "results", *adapters(self.chosen, self.reader), "--prediction", "history",
                      "--methods", METHODS)  # fmt: skip

    def untuned(self) -> None:
        """The same without adapters."""
        self.evaluate(self.runs / "untuned", "--methods", "refine,frozen,user_median")

    def language(self) -> None:
        """Personas in other words, and read by another predictor."""
        self.script("benchmarks/language.py", self.runs / "results", "--other", self.other, into="language.json")

    def unseen(self) -> None:
        """No eval user has reached a training, a calibration or a choice."""
        data = [word for one in self.everything for word in ("--data", one)]
        self.script("benchmarks/unseen.py", *data, self.runs, into="unseen.json")

    def demo(self) -> None:
        """The demo, for its time."""
        self.deeper("demo", "--out", self.runs / "demo")

    def compare(self) -> None:
        """The ablation, and what a domain costs that was not learnt from."""
        ablations = {
            "cold start and predictor": self.learnt / "before",
            "iteration 1": self.learnt / "1/validation",
            "iteration 2": self.learnt / "2/validation",
            **{f"iteration 1, reward: {name}": self.ablated / name / "validation" for name in REWARDS},
            "cold start, untuned predictor": self.ablated / "no-predictor",
            "untuned policy, predictor": self.ablated / "no-policy",
            "untuned": self.ablated / "none",
            f"cold start and predictor, search of {SEARCH}": self.ablated / "search",
        }
        named = [f"{name}={run}" for name, run in ablations.items()]
        self.script("benchmarks/ablation.py", *named, into="ablation.json")
        left_out = {domain: self.without(domain) / "validation" for domain in LEARNT.values()}
        named = [f"{domain}={run}" for domain, run in left_out.items()]
        together = [f"each={run}" for run in left_out.values()]
        self.script("benchmarks/ablation.py", f"none={self.without('') / 'validation'}", *named, *together,
                    into="transfer.json")  # fmt: skip

    def judge(self) -> None:
        """Targets, and everything of the final evaluation in one file."""
        parts = {
            "untuned": "untuned",
            "language": "language.json",
            "ablation": "ablation.json",
            "unseen": "unseen.json",
            "demo": "demo/results.json",
        }
        given = [word for name, place in parts.items() for word in (f"--{name}", self.runs / place)]
        self.script("benchmarks/small.py", self.runs / "results", *given, into="small.json")

    def without(self, domain: str) -> Path:
        """Where the short trainings without a domain lie; with all of them, if it is empty."""
        return self.runs / "left-out" / (domain or "nothing")

    def trained(self, steps: str, batch: str) -> tuple[str, ...]:
        """How a writer or a reader is trained."""
        micro = batch if self.gpu else "1"
        return ("--steps", steps, "--batch", batch, "--micro-batch", micro, "--precision", self.precision)

    def validate(self, out: Path, flags: tuple[str, ...], users: str = COMPARED,
                 engines: tuple[str, ...] | None = None) -> None:  # fmt: skip
        """Judge on validation users, as learning does; with the package's own engine if `engines` is empty."""
        engines = self.engines if engines is None else engines
        self.deeper("evaluate", *self.data, *VALIDATION, "--split", "validation", "--users", users, "--roles", "future",
                    "--methods", "refine,frozen,user_median", "--untuned", *engines, *flags, "--out", out)  # fmt: skip

    def evaluate(self, out: Path, *flags: str) -> None:
        """Judge on eval users of all domains."""
        self.deeper("evaluate", "--data", ",".join(self.everything), *TOKENS, "--users", EVAL_USERS,
                    "--roles", "future", "--untuned", *flags, "--out", out)  # fmt: skip

    def train(self, command: str, out: Path, *words: str | Path) -> None:
        """Train an adapter, unless it is there: a training may be done elsewhere, in other batches."""
        if not self.plan and (out / CARD).is_file():
            print(f"there already: {out}", flush=True)
            return
        self.deeper(f"train {command}", *words, "--out", out)

    def deeper(self, command: str, *words: str | Path) -> None:
        """Run a command of deeper, of this environment; it goes on by itself where it was cut off."""
        self.run((Path(sys.executable).with_name("deeper"), *command.split(), *words))

    def script(self, place: str, *words: str | Path, into: str = "") -> None:
        """Run a script of this checkout; what it prints goes into a file."""
        self.run((sys.executable, ROOT / place, *words), self.runs / into if into else None)

    def run(self, words: tuple[str | Path, ...], into: Path | None = None) -> None:
        """Say a command, and run it."""
        said = [str(word) for word in words]
        print(f"$ {shlex.join(said)}" + (f" > {shlex.quote(str(into))}" if into else ""), flush=True)
        if self.plan:
            return
        self.runs.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(said, check=True, stdout=subprocess.PIPE if into else None)
        if into:
            part = into.with_suffix(".part")
            part.write_bytes(done.stdout)
            part.replace(into)

    def copy(self, source: Path, place: Path) -> None:
        """Copy a folder, whole or not at all."""
        if self.plan or place.exists():
            return
        part = place.with_name(f"{place.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part)
        part.rename(place)


def adapters(policy: Path | None, predictor: Path | None) -> tuple[str, ...]:
    """The flags of what is trained."""
    given = (("--policy-adapter", policy), ("--predictor-adapter", predictor))
    return tuple(word for flag, adapter in given if adapter for word in (flag, str(adapter)))


if __name__ == "__main__":
    sys.exit(main())
