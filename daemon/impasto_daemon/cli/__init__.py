"""The `impasto` command. One module a command; `app` holds the table of them and turns errors into sentences.

This file imports nothing but the standard library before its `try`, so that Ctrl-C during the imports is no
traceback either.
"""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line of this process and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks × or ▸ shows ? and no error
    try:
        from .app import impasto

        impasto(prog_name="impasto")
    except KeyboardInterrupt:
        print("impasto: cancelled [cancelled]", file=sys.stderr)
        sys.exit(130)
