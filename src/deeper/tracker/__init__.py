"""Live personas from Python: observe behaviour, predict, look back, save; the run's own stages, user by user."""

from deeper.measure.word_changes import Change
from deeper.tracker.answers import Observed, Prediction
from deeper.tracker.events import Event
from deeper.tracker.tracker import PersonaTracker
from deeper.tracker.versions import Discrepancy, Version

__all__ = ["Change", "Discrepancy", "Event", "Observed", "PersonaTracker", "Prediction", "Version"]
