"""Writes what every error code means into the troubleshooting page: python -m docs.make_codes."""

from __future__ import annotations

from pathlib import Path

from impasto_daemon.explained import PAGE, markdown

START = "<!-- Made by python -m docs.make_codes from daemon/impasto_daemon/explained.py -->\n\n"


def main() -> None:
    path = Path(PAGE)
    path.write_text(path.read_text(encoding="utf-8").partition(START)[0] + START + markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
