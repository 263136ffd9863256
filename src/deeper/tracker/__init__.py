"""Live personas from Python: observe behaviour, predict, look back, save.

`PersonaTracker` in `tracker.py` is the entry. It runs the same stages as `deeper evaluate`, for users that come and go.
"""

from deeper.measure.word_changes import Change
from deeper.tracker.answers import Observed, Prediction
from deeper.tracker.events import Event
from deeper.tracker.tracker import PersonaTracker
from deeper.tracker.versions import Discrepancy, Version

__all__ = ["Change", "Discrepancy", "Event", "Observed", "PersonaTracker", "Prediction", "Version"]
