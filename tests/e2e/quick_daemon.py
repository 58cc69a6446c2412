"""Impasto's daemon as it is, with the quick painter in place of the real one."""

import sys

from impasto_daemon.supervisor import Settings, run

if __name__ == "__main__":
    sys.exit(run(Settings(endpoint=sys.argv[1], painter="tests.e2e.painter:open_painter", lease=4.0, heartbeat=1.0)))
