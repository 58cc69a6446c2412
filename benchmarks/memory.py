"""Memory of the default recipe on the CPU, in bytes a pixel: `python -m benchmarks.memory 256 512 768`.

Each size is painted in a process of its own, with random weights (memory does not depend on them), for one step more
than L-BFGS remembers. What is counted is the process's peak beyond what it holds when the network is loaded.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import torch
from impasto_daemon import device
from impasto_daemon.engine import recipes, stylize
from impasto_daemon.engine.canvas import Commission, Manner
from impasto_daemon.engine.features import VGG
from impasto_daemon.weights import SHAPES


def peak() -> int:
    """Largest resident memory of this process so far, in bytes (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def bytes_a_pixel(size: int) -> float:
    """Paint size × size pixels in this process."""
    device.keep_memory()  # as the daemon does
    state = {}
    for number, outputs, inputs in SHAPES["vgg19"][:8]:
        state[f"features.{number}.weight"] = torch.randn(outputs, inputs, 3, 3) * (2 / (9 * inputs)) ** 0.5
        state[f"features.{number}.bias"] = torch.zeros(outputs)
    recipe = recipes.find("impasto")
    recipe = recipes.override(recipe, {"steps": recipe.history + 1})
    network = VGG("vgg19", state).with_options(recipe.pooling, recipe.padding)
    content, style = torch.rand(1, 3, size, size), torch.rand(1, 3, size, size)
    before = peak()
    for _ in stylize.paint(Commission(content, [Manner(style)]), network, recipe):
        pass
    return (peak() - before) / size**2


def main(words: list[str]) -> None:
    if words[:1] == ["--here"]:
        print(f"{words[1]} × {words[1]}: {bytes_a_pixel(int(words[1])):.0f} bytes a pixel", flush=True)
        return
    for size in words or ["256", "512", "768"]:
        subprocess.run([sys.executable, "-m", "benchmarks.memory", "--here", size], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
