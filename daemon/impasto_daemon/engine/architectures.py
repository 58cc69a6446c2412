"""The networks' shapes: which convolutions follow each other, with how many channels, and where they pool. A table.

Whoever loads weights, computes activations or reckons with memory goes by it. No torch here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

SMALLER = (".half", ".quarter")
"""After a layer's name: of the picture at this part of its size, in which the network sees larger strokes."""


@dataclass(frozen=True)
class Convolution:
    """A 3×3 convolution of (inputs, h, w) to (outputs, h, w), and ReLU.

    name: `convB_I`, the I-th of block B, both from 1. number: torchvision's, among `features`. stride: pixels from one
    of its positions to the next. pooled: whether its input is the last one's output after a pooling of 2×2.
    """

    name: str
    number: int
    inputs: int
    outputs: int
    stride: int
    pooled: bool


@dataclass(frozen=True)
class Architecture:
    """One of Simonyan & Zisserman's networks of 3×3 convolutions (2015, table 1), named as in torchvision.

    blocks: convolutions before each pooling, shallow to deep; channels: of each block.
    """

    name: str
    blocks: tuple[int, ...]
    channels: tuple[int, ...] = (64, 128, 256, 512, 512)

    @property
    def title(self) -> str:
        """The name as people write it."""
        return self.name.upper()

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Shallow to deep."""
        found, number, inputs = list[Convolution](), 0, 3
        for block, (count, channels) in enumerate(zip(self.blocks, self.channels)):
            for each in range(count):
                name, pooled = f"conv{block + 1}_{each + 1}", bool(block) and not each
                found.append(Convolution(name, number, inputs, channels, 1 << block, pooled))
                number, inputs = number + 2, channels  # a ReLU follows
            number += 1  # and a pooling
        return tuple(found)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the convolutions."""
        return tuple(each.name for each in self.convolutions)

    @property
    def layers(self) -> tuple[str, ...]:
        """All that can be asked for: a convolution's bare name is its activation after ReLU; with `.linear` before
        it. Each also with one of SMALLER."""
        here = (*self.names, *(f"{name}.linear" for name in self.names))
        return (*here, *(name + suffix for suffix in SMALLER for name in here))

    def down_to(self, layers: Collection[str]) -> tuple[Convolution, ...]:
        """The convolutions down to the deepest that one of these layers is of."""
        wanted = {layer.partition(".")[0] for layer in layers}
        last = max((i for i, name in enumerate(self.names) if name in wanted), default=-1)
        return self.convolutions[: last + 1]


def halo(convolutions: Sequence[Convolution]) -> int:
    """Pixels around an activation of the last of these that it depends on: each sees one position further. A multiple
    of the last one's stride."""
    stride = convolutions[-1].stride
    return math.ceil(sum(each.stride for each in convolutions) / stride) * stride


ARCHITECTURES: Mapping[str, Architecture] = {
    each.name: each
    for each in (
        Architecture("vgg19", (2, 2, 4, 4, 4)),
        Architecture("vgg16", (2, 2, 3, 3, 3)),
    )
}
"""Columns E and D of that table."""
