"""The only place that talks to a language model: one protocol, one module per engine."""

from deeper.engine.protocol import Completion, Engine, Prompt, Sampling, ScoreRequest, Usage

__all__ = ["Completion", "Engine", "Prompt", "Sampling", "ScoreRequest", "Usage"]
