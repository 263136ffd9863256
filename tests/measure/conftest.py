"""The same examples in every run, and no deadline: the machine may be busy."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
