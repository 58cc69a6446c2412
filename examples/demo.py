"""`make demo`: paint the example through the daemon, and through GIMP 3 as well where there is one.

Everything goes through what users have: the command `impasto`, and the plug-in in a GIMP profile of its own.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from impasto_daemon import plugin_install
from impasto_protocol.errors import ImpastoError

HERE = Path(__file__).parent
CONTENT, STYLE = HERE / "lake.jpg", HERE / "swirls.jpg"


def main() -> int:
    parser = argparse.ArgumentParser(description="Paint the example picture, as `make demo` does.")
    parser.add_argument("--out", type=Path, default=HERE.parent / "demo", help="folder for the results")
    parser.add_argument("--max-size", type=int, default=400, help="longest side in pixels at which to optimise")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return through_the_daemon(options.out, options.max_size) or through_gimp(options.out, options.max_size)


def through_the_daemon(out: Path, size: int) -> int:
    """`impasto stylize`, as a user would type it. Starts a daemon if none runs; it leaves by itself when idle."""
    result = out / "lake-in-swirls.png"
    command = ["stylize", str(CONTENT), "--style", str(STYLE), "-o", str(result), "--max-size", str(size)]
    print("$ impasto", *command, flush=True)
    status = subprocess.run([sys.executable, "-m", "impasto_daemon.cli", *command], check=False).returncode
    if status == 0:
        print(f"\nThe painting: {result}", flush=True)
    return status


def through_gimp(out: Path, size: int) -> int:
    """The same through the plug-in in a real GIMP, with a profile of its own so that yours stays as it is."""
    gimp = find_gimp()
    if gimp is None:
        print("There is no GIMP 3 on this machine, so the demonstration ends here. With one: impasto install-plugin")
        return 0
    result = out / "lake-in-swirls-by-gimp.png"
    print(f"\nThe same through {gimp}:", flush=True)
    with tempfile.TemporaryDirectory(prefix="impasto-demo-") as profile:
        try:
            plugin_install.install(Path(profile), say=print)
        except ImpastoError as error:
            print(error, file=sys.stderr)
            return 1
        environment = {
            **os.environ,
            "GIMP3_DIRECTORY": profile,
            "CONTENT": str(CONTENT), "STYLE": str(STYLE), "OUT": str(result), "MAX_SIZE": str(size),
        }  # fmt: skip
        script = f"exec(open({str(HERE / 'gimp_batch.py')!r}).read())"
        command = [gimp, "-id", "--batch-interpreter", "python-fu-eval", "-b", script, "--quit"]
        status = subprocess.run(command, env=environment, check=False).returncode
    if status == 0:
        print(f"\nThe painting: {result}, and with its layers: {result.with_suffix('.xcf')}")
    return status


def find_gimp() -> str | None:
    """A console GIMP of version 3 on the PATH, if there is one."""
    for name in ("gimp-console-3.2", "gimp-console-3.0", "gimp-console-3", "gimp-console"):
        path = shutil.which(name)
        if path:
            version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            if re.search(r"\b3\.\d", version):
                return path
    return None


if __name__ == "__main__":
    sys.exit(main())
