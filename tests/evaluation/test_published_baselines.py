from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from deeper.behaviour.published.domain_folder import read_published
from deeper.domains import find_domain
from deeper.evaluation.error_table import baseline_errors
from deeper.evaluation.results import summarise
from deeper.persona.schema import PERSONA, PREDICTION

PUBLISHED = Path(__file__).parents[2] / ".." / "shared" / "data" / "published"


@pytest.mark.published
@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published files are not beside the checkout")
def test_the_user_median_gets_better_by_itself_as_more_is_known():
    """From W1 to W5 the research has .588 to .510 over ten domains; eight domains and half of the users are here."""
    folders = sorted(folder for folder in PUBLISHED.iterdir() if folder.is_dir())
    domains = {domain.id: domain for domain in (find_domain(folder.name) for folder in folders)}
    windows = pa.concat_tables([read_published(folder)[0] for folder in folders])
    errors, _ = baseline_errors(windows, domains, 4, ["user_median", "always_top"], seed=0)
    empty = PERSONA.empty_table(), PREDICTION.empty_table()
    result = summarise(errors, *empty, windows, domains, rounds=4).as_json()

    assert 8 < result["reduction"]["across_windows"]["user_median"]["mean"] < 20
    mae = {
        (e["method"], e["round"]): e["mae"] for e in result["errors"] if e["domain"] == "mean" and e["role"] == "future"
    }
    assert mae["user_median", 4] < mae["always_top", 4]
    by_round = [mae["user_median", t] for t in range(5)]
    assert np.all(np.diff(by_round) < 0)
    assert by_round[0] == pytest.approx(0.6, abs=0.06)
