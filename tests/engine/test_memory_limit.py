"""A real limit on memory: a painting for which it does not suffice in one piece is finished in tiles all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.daemon import PYTHONPATH

ROOT = Path(__file__).parents[2]
SIDE, TILE = 384, 128
MORE = 380 << 20
"""Bytes that the process may take beyond what it has when it starts to paint: in one piece some 480 MB are needed, in
tiles some 300."""

PROGRAM = f"""
import json, resource
from dataclasses import replace
from pathlib import Path
import torch
from impasto_daemon.engine import recipes, stylize
from impasto_daemon.engine.canvas import Commission, Manner
from impasto_daemon.engine.features import VGG
from impasto_daemon.engine.plan import Plan
from tests.engine.networks import picture, random_vgg19

torch.set_num_threads(1)
recipe = replace(recipes.find("impasto"), steps=(2,), levels=1, noise=0.0, optimiser="adam", learning_rate=0.005)
features = VGG("vgg19", random_vgg19(8))

def paint(side, ways):
    commission = Commission(picture(side, side, seed=1), [Manner(picture(64, 64, seed=2))])
    walk = stylize.paint(commission, features, recipe, ways=ways)
    return [[step.step, step.losses["total"], step.note] for step in walk]

paint(64, [Plan()])
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + {MORE},) * 2)
print(json.dumps(paint({SIDE}, [Plan(), Plan(tile={TILE}, history=4)])))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such limit")
def test_under_a_limit_a_painting_goes_on_in_tiles() -> None:
    alone = {**os.environ, "PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=alone, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    steps, losses, notes = zip(*json.loads(done.stdout))
    assert steps == (1, 2)
    assert [note for note in notes if note] == [
        f"Memory ran out: this goes on in tiles of {TILE} pixels, from the last iterate with a fresh optimiser."
    ]
    assert losses[-1] < losses[0]
