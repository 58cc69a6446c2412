"""`make fuzz-guided`: what `make fuzz` does blindly, guided by which code a message reaches (atheris, over libFuzzer).

An input is one message, written as a conformance vector is, so the vectors are the corpus. It goes the way that it goes
there, to a core that is busy: it parses or raises the one protocol error, within bounds of time and memory. What does
not is written to artifacts/fuzz. So are inputs that reach something new, and the next run begins with them.

Nothing of ours is imported before atheris can see to it: code that it has not instrumented shows it nothing.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "artifacts" / "fuzz"
BOUNDS = ("-timeout=5", "-rss_limit_mb=512", "-max_len=8192", "-use_value_profile=1")
"""Of one input: seconds, memory of the whole process in MiB, bytes. Numbers that are compared guide as well."""


def main(options: list[str]) -> None:
    """options: of libFuzzer, -max_total_time=600 for one."""
    import atheris

    with atheris.instrument_imports(include=["impasto_protocol"]):
        from . import fuzz

    core = fuzz.busy()

    def try_one(data: bytes) -> None:
        nonlocal core
        if fuzz.feed(core, split(data), 1.0).startswith("parsed"):
            core = fuzz.busy()  # what an input does must not depend on those before it

    def damage(data: bytes, most: int, seed: int) -> bytes:
        """Bytes as they come, or one of the damages that know frames and headers."""
        frames = split(data)
        if seed % 2 or not frames:
            return bytes(atheris.Mutate(data, most))
        return joined(fuzz.damaged([frames], random.Random(seed)))[:most]

    KEPT.mkdir(parents=True, exist_ok=True)
    corpus = ",".join(map(str, sorted(ROOT.glob("protocol/vectors/*/*.bin"))))
    places = (f"-artifact_prefix={KEPT}/", f"-seed_inputs={corpus}", str(KEPT))
    atheris.Setup([sys.argv[0], *BOUNDS, *options, *places], try_one, custom_mutator=damage)
    atheris.Fuzz()


def split(data: bytes) -> list[bytes]:
    """Frames, each behind its length in four bytes (big-endian), as a vector has them; a length may claim too much."""
    frames = []
    while data:
        length = int.from_bytes(data[:4], "big")
        frames.append(data[4 : 4 + length])
        data = data[4 + length :]
    return frames


def joined(frames: list[bytes]) -> bytes:
    """The other way."""
    return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)


if __name__ == "__main__":
    main(sys.argv[1:])
