"""`make bench`: prints the ratios, and stores them as JSON where asked to.

python -m benchmarks.bench [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

import torch
from impasto_daemon import painter

from . import step, wire


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure Impasto's overheads as ratios in one run.")
    parser.add_argument("--json", type=Path, help="also store the figures here")
    options = parser.parse_args()
    painter.open_painter("cpu", None, True)  # sets up the process as the worker does
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, on the CPU")
    ratios = [*wire.measure(), *step.measure()]
    for each in ratios:
        print(f"- {each}", flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in ratios], indent=1) + "\n")


if __name__ == "__main__":
    main()
