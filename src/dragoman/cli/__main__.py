"""`python -m dragoman.cli` is the same as `dragoman`."""

from dragoman.cli.main import main

main()
