"""`python -m r2s`: the same as the command `r2s`."""

from r2s.cli import main

main()
