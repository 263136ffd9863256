"""The numbers that shape personas and predictions, besides the settings of a run; each run's manifest records them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PersonaRecipe:
    """What is fixed about writing, predicting, calibrating and searching.

    Attributes:
        sentence_tokens: Tokens of a plain sentence; turns a length limit in tokens into one in sentences.
        title_characters: A longer title is cut in prompts.
        leak_retry_temperature: A persona that leaks is sampled once more at this temperature.
        structured_temperatures: A structured answer is asked for at these, one after the other, before it has failed.
        raw_history_items: Ratings that the control `raw_history` shows.
        search_temperature: Candidates are sampled at the policy's own distribution, as DEEPER samples directions.
        search_tolerance: A candidate's gain must exceed this: equal errors, summed in another order, differ by less.
        calibration_epsilon: Added to probabilities before a division, so that one-hot readouts stay finite.
        calibration_exponents: The largest exponent of a map, and the step between those tried from 0 on.
        calibration_cells: Cells of the normalised scale [0, 1] on which domains are pooled.
        calibration_folds: Folds of a calibration without train users.
        history_shrinkages: Grid of s, in ratings.
        history_weights: Grid of α, the weight of the user's histogram.
        history_persona_weights: Grid of β, the weight of the persona.
    """

    sentence_tokens: int = 24
    title_characters: int = 160
    leak_retry_temperature: float = 0.7
    structured_temperatures: tuple[float, ...] = (0.0, 1.0)
    raw_history_items: int = 10
    search_temperature: float = 1.0
    search_tolerance: float = 1e-9
    calibration_epsilon: float = 1e-4
    calibration_exponents: tuple[float, float] = (2.0, 0.05)
    calibration_cells: int = 100
    calibration_folds: int = 5
    history_shrinkages: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0)
    history_weights: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
    history_persona_weights: tuple[float, ...] = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5)


RECIPE = PersonaRecipe()
