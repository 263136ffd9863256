"""Behaviour: ratings from any source, as windows of users.

`load.py` finds what a data setting names: the bundled ratings, your own (`own/`), a published layout (`published/`), a
prepared folder, or synthetic users (`planted/`). `windows.py` cuts windows; `splits.py` says who is trained on;
`recipe.py` has the numbers of both.
"""
