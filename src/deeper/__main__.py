"""`python -m deeper`: the command line, where no `deeper` is on the path."""

from deeper.cli.main import main

main()
