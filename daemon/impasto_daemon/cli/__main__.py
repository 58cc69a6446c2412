"""`python -m impasto_daemon.cli` is `impasto`."""

from impasto_daemon.cli import main

main()
