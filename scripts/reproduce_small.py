"""Train the next adapters of the package, and evaluate them: from train users to `docs/results/small.json`.

    python scripts/reproduce_small.py PUBLISHED RUNS --plan                # print every command, run none
    python scripts/reproduce_small.py PUBLISHED RUNS                       # every step
    python scripts/reproduce_small.py PUBLISHED RUNS --steps policy        # one step
    python scripts/reproduce_small.py PUBLISHED RUNS --steps predictor     # another, in a second terminal
    python scripts/reproduce_small.py PUBLISHED RUNS --gpu --steps policy,predictor,second

**Makes** the adapters `small-policy` and `small-predictor` in `src/deeper/adapters`, and under RUNS `ablation.json`,
`transfer.json` and `small.json`. `make reproduce-small` copies these three into docs/results.

**Needs** the extra [train], and PUBLISHED: a folder with the published domains' folders (docs/data.md). Models are
trained on four domains. All choices are made on validation users. `results` evaluates eval users of all domains, once.

**Takes** the hours at each step below, on two cores (docs/log.md); `second` takes three of them, or two minutes on one
H100 with --gpu.

**Resumes**: the same command continues where it stopped. A finished training is not repeated, so you can train on a
GPU first and run the other steps on a processor. Repeat every other step with the flags that it began with.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from reproduction import BUNDLED, TRAINED_DOMAINS, Reproduction, adapters

START_COMMIT = "23c4639"
"""Its pair is what the new one starts from. That commit's version of this script trains it from the plain model, in 500
and 800 steps of 32 examples: eight hours on two cores."""
SHIPPED = "src/deeper/adapters"
PERSONAS = ("--max-persona-tokens", "96", "--evidence", "kinds")
ITEMS = ("--item-knowledge", "population")
LORA = ("--rank", "32", "--alpha", "64", "--layers", "upper", "--learning-rate", "8e-4")
COLDSTART = (*PERSONAS, *LORA, "--fold", "a",
             "--validation-users", "6", "--save-every", "15", "--validate-every", "75", "--seed", "6")  # fmt: skip
PREDICTOR = (*ITEMS, *LORA, "--validation-users", "12", "--save-every", "15", "--validate-every", "85")
DPO = ("--steps", "24", "--batch", "8", "--learning-rate", "2e-5", "--save-every", "12", "--validate-every", "12")
MARGIN = "0.75"
WITH_KNOWLEDGE = (*PERSONAS, *ITEMS)
VALIDATION = (*WITH_KNOWLEDGE, "--calibration-users", "24", "--rounds", "3")
VALIDATION_USERS_COMPARED, VALIDATION_USERS_SHIPPED, EVAL_USERS = "16", "30", "16"
"""Users of a domain: to compare training runs, to evaluate what ships, and in the final evaluation."""


# 1. start. START_COMMIT -> RUNS/start: the pair to start from, and the windows that it was trained on.
def fetch_start(run: Reproduction) -> None:
    """Take the former pair from the repository's history."""
    run.from_history(START_COMMIT, SHIPPED, run.runs / "start")


# 2. policy. RUNS/start, train users (half a) -> RUNS/policy. An hour on one core.
def train_policy(run: Reproduction) -> None:
    """Teach the policy evidence by kind, and to write plain English."""
    size = run.training_size(steps="75", batch="8")
    run.train("coldstart", run.runs / "policy", *run.training_data, "--adapter", run.runs / "start/small-policy",
              *COLDSTART, *size)  # fmt: skip


# 3. predictor. RUNS/start, all train users, since they know more titles -> RUNS/predictor. An hour on one core.
def train_predictor(run: Reproduction) -> None:
    """Teach the predictor that ships what is known of items, on all train users."""
    size = run.training_size(steps="85", batch="8")
    run.train("predictor", run.runs / "predictor", *run.training_data, "--adapter", run.runs / "start/small-predictor",
              *PREDICTOR, *size, "--fold", "all", "--seed", "5")  # fmt: skip


# 4. second. Train users of half a -> RUNS/second. Personas of half b are rewarded by it: it has not seen their ratings.
def train_second_predictor(run: Reproduction) -> None:
    """Train a second predictor on half of the train users, for rewards, from the plain model."""
    size = run.training_size(steps="400", batch="32")
    run.train("predictor", run.runs / "second", *run.training_data, *PREDICTOR, *size,
              "--fold", "a", "--seed", "4")  # fmt: skip


# 5. learn. RUNS/policy, RUNS/second -> RUNS/learnt. 1.2 hours.
# The reward is the CRPS: by MAE half of all differences within a context are 0 (docs/log.md).
def learn(run: Reproduction) -> None:
    """Run two iterations of preference learning."""
    run.deeper("learn", *run.training_data, *adapters(run.runs / "policy", run.runs / "second"), *run.engines,
               *VALIDATION, "--reward", "crps", "--margin", f"{MARGIN},{MARGIN}", *DPO, *run.micro_batch_of_dpo,
               "--users", "24", "--directions", "6", "--validation-users", VALIDATION_USERS_COMPARED, "--force",
               "--out", run.runs / "learnt")  # fmt: skip


# 6. ablation. Directions of RUNS/learnt -> RUNS/ablation. About 2 hours.
OTHER_REWARDS = {
    "previous": ("--reward", "crps", "--weights", "1,0,0"),
    "current": ("--reward", "crps", "--weights", "0,1,0"),
    "future": ("--reward", "crps", "--weights", "0,0,1"),
    "mae": ("--reward", "mae"),
}
SEARCHED_DIRECTIONS = "4"


def ablate(run: Reproduction) -> None:
    """Train with other rewards, leave out one adapter or both, and search at test time."""
    policy, second, ablation = run.runs / "policy", run.runs / "second", run.runs / "ablation"
    for name, reward in OTHER_REWARDS.items():
        place = ablation / name
        run.copy(run.runs / "learnt/1/sampled", place / "sampled")
        run.deeper("reward", place / "sampled", *reward)
        run.deeper("pairs", place / "sampled", "--margin", MARGIN, "--force", "--out", place / "pairs")
        run.train("dpo", place / "policy", "--pairs", place / "pairs", "--policy-adapter", policy, *LORA, *DPO,
                  *run.micro_batch_of_dpo, "--reference", "previous")  # fmt: skip
        evaluate_on_validation_users(run, place / "validation", adapters(place / "policy", second), run.engines)
    evaluate_on_validation_users(run, ablation / "no-predictor", adapters(policy, None), run.engines)
    evaluate_on_validation_users(run, ablation / "no-policy", adapters(None, second), run.engines)
    evaluate_on_validation_users(run, ablation / "none", (), run.engines)
    searched = (*adapters(policy, second), "--search-n", SEARCHED_DIRECTIONS)
    evaluate_on_validation_users(run, ablation / "search", searched, run.engines)


# 7. choice. Validations in RUNS/learnt -> RUNS/choice.json, and the link RUNS/chosen. Asks no model.
def choose_policy(run: Reproduction) -> None:
    """Choose the policy with the lowest error relative to the user median, on validation users, all rounds."""
    candidates = {
        "before": run.runs / "policy",
        "1/validation": run.runs / "learnt/1/policy",
        "2/validation": run.runs / "learnt/2/policy",
    }
    validations = [f"{name}={run.runs / 'learnt' / name}" for name in candidates]
    run.script("benchmarks/ablation.py", *validations, output="choice.json")
    if run.plan_only:
        return
    compared = json.loads((run.runs / "choice.json").read_text("utf-8"))["runs"]
    best = min(compared, key=lambda row: row["ratio"]["value"])["name"]
    chosen = run.runs / "chosen"
    chosen.unlink(missing_ok=True)
    chosen.symlink_to(candidates[best])
    print(f"chosen: {candidates[best]}", flush=True)


# 8. left_out. Train users -> RUNS/left-out. About 1 hour: five short pairs of training runs.
def leave_domains_out(run: Reproduction) -> None:
    """Train briefly on all four domains, and without each of them in turn."""
    for domain in ("", *TRAINED_DOMAINS.values()):
        place = left_out_folder(run, domain)
        kept = ("--domains", ",".join(name for name in TRAINED_DOMAINS.values() if name != domain))
        size = run.training_size(steps="40", batch="8")
        run.train("coldstart", place / "policy", *run.training_data, *kept, *COLDSTART, *size)
        size = run.training_size(steps="60", batch="8")
        run.train("predictor", place / "predictor", *run.training_data, *kept, *PREDICTOR, *size,
                  "--fold", "all", "--seed", "2")  # fmt: skip
        evaluated = ("--domains", domain) if domain else ()
        flags = (*adapters(place / "policy", place / "predictor"), *evaluated)
        evaluate_on_validation_users(run, place / "validation", flags, run.engines)


# 9. compare. Runs of steps 5, 6 and 8 -> RUNS/ablation.json, RUNS/transfer.json. Asks no model.
def compare(run: Reproduction) -> None:
    """Compare the ablations, and the training runs without a domain."""
    learnt, ablation = run.runs / "learnt", run.runs / "ablation"
    ablations = {
        "cold start and predictor": learnt / "before",
        "iteration 1": learnt / "1/validation",
        "iteration 2": learnt / "2/validation",
        **{f"iteration 1, reward: {name}": ablation / name / "validation" for name in OTHER_REWARDS},
        "cold start, untuned predictor": ablation / "no-predictor",
        "untuned policy, predictor": ablation / "no-policy",
        "untuned": ablation / "none",
        f"cold start and predictor, search of {SEARCHED_DIRECTIONS}": ablation / "search",
    }
    run.script("benchmarks/ablation.py", *(f"{name}={path}" for name, path in ablations.items()),
               output="ablation.json")  # fmt: skip
    left_out = {domain: left_out_folder(run, domain) / "validation" for domain in TRAINED_DOMAINS.values()}
    one_by_one = [f"{domain}={path}" for domain, path in left_out.items()]
    together = [f"each={path}" for path in left_out.values()]
    run.script("benchmarks/ablation.py", f"none={left_out_folder(run, '') / 'validation'}", *one_by_one, *together,
               output="transfer.json")  # fmt: skip


# 10. ship. RUNS/chosen, RUNS/predictor -> RUNS/together, src/deeper/adapters. Part of the last hour.
def ship(run: Reproduction) -> None:
    """Evaluate the chosen pair on validation users, and put it into the package."""
    chosen, predictor, together = run.runs / "chosen", run.runs / "predictor", run.runs / "together"
    # The package runs on processors, so its pair is evaluated with the embedded engine.
    evaluate_on_validation_users(run, together, adapters(chosen, predictor), (), VALIDATION_USERS_SHIPPED)
    run.script("scripts/ship_adapters.py", chosen, predictor, "--validation", together, "--made-in", run.runs)


# 11. results. RUNS/chosen, RUNS/predictor, eval users -> RUNS/results. 1.7 hours.
# Without `raw_history`, which takes as long as two rounds of an updater.
FINAL_METHODS = (
    "refine,incremental_update,hierarchical_merge,full_regeneration,slide_regeneration,frozen,no_persona,user_median,"
    "user_mean,last_window_median,user_histogram,always_top,domain_median,item_standing,matrix_factorisation"
)


def evaluate_on_eval_users(run: Reproduction) -> None:
    """Run the final evaluation, on eval users of all domains."""
    final_evaluation(run, run.runs / "results", *adapters(run.runs / "chosen", run.runs / "predictor"),
                     "--prediction", "history", "--methods", FINAL_METHODS)  # fmt: skip


# 12. untuned. Eval users -> RUNS/untuned. This and the steps below are part of the last hour.
def evaluate_untuned(run: Reproduction) -> None:
    """Run the same evaluation without adapters."""
    final_evaluation(run, run.runs / "untuned", "--methods", "refine,frozen,user_median")


# 13. language. RUNS/results, RUNS/second -> RUNS/language.json.
def measure_language(run: Reproduction) -> None:
    """Predict from paraphrased personas, and with the second predictor."""
    run.script("benchmarks/language.py", run.runs / "results", "--other", run.runs / "second", output="language.json")


# 14. unseen. All fingerprints under RUNS -> RUNS/unseen.json. Asks no model.
def prove_unseen(run: Reproduction) -> None:
    """Prove that no eval user reached a training, a calibration or a choice."""
    data = [word for source in run.all_data for word in ("--data", source)]
    run.script("benchmarks/unseen.py", *data, run.runs, output="unseen.json")


# 15. demo. -> RUNS/demo. Three to twelve minutes on two cores.
def time_demo(run: Reproduction) -> None:
    """Run the demo, to measure its time."""
    run.deeper("demo", "--out", run.runs / "demo")


# 16. targets. Everything of steps 9 and 11 to 15 -> RUNS/small.json. Asks no model.
def check_targets(run: Reproduction) -> None:
    """Check the targets, and write everything of the final evaluation into one file."""
    parts = {
        "untuned": "untuned",
        "language": "language.json",
        "ablation": "ablation.json",
        "unseen": "unseen.json",
        "demo": "demo/results.json",
    }
    flags = [word for name, path in parts.items() for word in (f"--{name}", run.runs / path)]
    run.script("benchmarks/small.py", run.runs / "results", *flags, output="small.json")


STEPS: Mapping[str, Callable[[Reproduction], None]] = {
    "start": fetch_start,
    "policy": train_policy,
    "predictor": train_predictor,
    "second": train_second_predictor,
    "learn": learn,
    "ablation": ablate,
    "choice": choose_policy,
    "left_out": leave_domains_out,
    "compare": compare,
    "ship": ship,
    "results": evaluate_on_eval_users,
    "untuned": evaluate_untuned,
    "language": measure_language,
    "unseen": prove_unseen,
    "demo": time_demo,
    "targets": check_targets,
}


def main() -> int:
    """Run the chosen steps, in the order given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, help="folder with the published domains' folders")
    parser.add_argument("runs", type=Path, help="folder for everything that is made")
    parser.add_argument("--steps", default=",".join(STEPS), help="only these steps [default: %(default)s]")
    parser.add_argument("--plan", action="store_true", help="print the commands and run none")
    parser.add_argument("--gpu", action="store_true",
                        help="train whole batches at once, and write and read personas with transformers")  # fmt: skip
    given = parser.parse_args()
    chosen = given.steps.split(",")
    if unknown := [name for name in chosen if name not in STEPS]:
        parser.error(f"no step {', '.join(unknown)}; choose from {', '.join(STEPS)}")
    if missing := [name for name in TRAINED_DOMAINS if name != BUNDLED and not (given.published / name).is_dir()]:
        parser.error(f"{given.published} has no {', '.join(missing)}; docs/data.md says where to get published data")
    run = Reproduction(given.published.resolve(), given.runs.resolve(), given.plan, given.gpu)
    for name in chosen:
        print(f"{name}: {STEPS[name].__doc__}", flush=True)
        try:
            STEPS[name](run)
        except subprocess.CalledProcessError as error:
            print(f"{name} ended with status {error.returncode}. Repeat the command to continue.", file=sys.stderr)
            return 1
    return 0


def evaluate_on_validation_users(run: Reproduction, out: Path, flags: tuple[str, ...], engines: tuple[str, ...],
                                 users: str = VALIDATION_USERS_COMPARED) -> None:  # fmt: skip
    """Evaluate as `deeper learn` validates a policy."""
    run.deeper("evaluate", *run.training_data, *VALIDATION, "--split", "validation", "--users", users,
               "--roles", "future", "--methods", "refine,frozen,user_median", "--untuned", *engines, *flags,
               "--out", out)  # fmt: skip


def final_evaluation(run: Reproduction, out: Path, *flags: str) -> None:
    """Evaluate on eval users of all domains."""
    run.deeper("evaluate", "--data", ",".join(run.all_data), *WITH_KNOWLEDGE, "--users", EVAL_USERS,
               "--roles", "future", "--untuned", *flags, "--out", out)  # fmt: skip


def left_out_folder(run: Reproduction, domain: str) -> Path:
    """The folder of the short training runs without a domain; of those on all domains if it is empty."""
    return run.runs / "left-out" / (domain or "nothing")


if __name__ == "__main__":
    sys.exit(main())
