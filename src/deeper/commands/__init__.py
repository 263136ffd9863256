"""Commands: each takes settings and leaves a run folder.

A command has a folder: its settings, and a module of its name with the function that does it. `execution/` holds what
they share: the local executor, progress, engines, and the users of a run.
"""
