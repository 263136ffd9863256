"""The part of `speed.py` for a GPU: the engine `transformers`, in the precision `auto` against `exact`."""

from functools import partial

from deeper.engine import Precision
from deeper.engine.torch.engine import TransformersEngine
from deeper.persona.predict import predict
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.stages import update
from deeper.persona.updaters import MODULES
from deeper.persona.write import Writer
from speed_engine import to_predict
from speed_published import update_inputs
from speed_shared import DOMAINS, RUN, SEED, Figure, Say, Sizes, figure, in_turns, ratios, seconds

PRECISIONS: tuple[Precision, ...] = ("auto", "exact")


def gpu(sizes: Sizes, say: Say) -> dict[str, Figure]:
    """Measure windows predicted and personas refined per second, in `auto` and in `exact`."""
    engines: dict[Precision, TransformersEngine] = {
        name: TransformersEngine(precision=name) for name in ("auto", "exact")
    }
    prompts = load_prompts()
    work = {"predicted": to_predict(sizes.read, 3), "refined": update_inputs(sizes.written)}

    def predicted(engine: TransformersEngine) -> float:
        return seconds(lambda: predict(work["predicted"], engine, prompts, DOMAINS, "distribution", SEED))

    def refined(engine: TransformersEngine) -> float:
        writer = Writer(engine, prompts, RUN["max_persona_tokens"], SEED)
        return seconds(lambda: update(work["refined"], writer, DOMAINS, MODULES))

    figures: dict[str, Figure] = {}
    for name, measure, each in (("predicted", predicted, 30), ("refined", refined, 1)):
        sides = {precision: partial(measure, engine) for precision, engine in engines.items()}
        for side in sides.values():
            side()  # the first call compiles kernels
        found = in_turns(sides, sizes.repeats, say)
        how = f"Things {name} per second by the engine transformers, in the precision auto divided by those in exact."
        count = work[name].num_rows * each
        rates = {f"{side}_per_second": round(count / min(spent), 2) for side, spent in found.items()}
        counts = {"count": count, "engine": engines["auto"].fingerprint, **rates}
        figures[f"gpu_{name}_vs_exact"] = figure(ratios(found["exact"], found["auto"]), 1.0, "higher", how, **counts)
    return figures
