"""The evidence that prompts have shown, for the pages and tables that say why a persona changed."""

from collections.abc import Sequence

from deeper.domains import Domain
from deeper.persona.evidence.facts import Window
from deeper.persona.evidence.lines import error_lines, evidence_lines


def evidence_shown(
    method: str, windows: Sequence[Window], predicted: Sequence[float] | None, domain: Domain
) -> list[str]:
    """The lines of evidence in the prompt that asked for a persona, with `--evidence kinds`.

    Args:
        method: "initialise" or the updater. The prompt of a merge shows none; these are of its short-term persona's.
        windows: What the user had rated by then, W_0..W_k.
        predicted: Calibrated points of W_k predicted from the persona before; None without a prediction.
        domain: The domain of the windows.

    Returns:
        No line for an updater of the user's own, whose prompt is not known here.
    """
    last, known = windows[-1:], len(windows)
    if method == "refine":
        return error_lines(windows[-1], predicted, domain, known)
    if method == "incremental_update":
        return evidence_lines(last, domain, known)
    if method == "full_regeneration":
        return evidence_lines(windows, domain, known)
    if method in ("initialise", "slide_regeneration", "hierarchical_merge"):
        return evidence_lines(last, domain, len(last))
    return []
