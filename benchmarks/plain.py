"""The published method in plain torch, as one writes it after the tutorials: what Impasto's speed is measured against.

One size, float32, torchvision's modules one after the other, `torch.optim.LBFGS` with its line search. (Without one, as
in the tutorials, its first step is 1/‖g‖₁: so short on a large picture that the change of the gradient is rounding, and
it depends on the size and on the loss's unit whether it ever gets anywhere. At 512 pixels it did not, in 300
evaluations.) Nothing here comes from the engine, and nothing is done for speed. The objective is that of Gatys et al.
2016 with each distance relative to its target, on the layers that the first three blocks of VGG19 have:

    L = ALPHA·‖F−P‖²/‖P‖² + mean over style layers of ‖G−A‖²/‖A‖² + mean (x − x clipped to 0..1)²

with G and A the Gram matrices of painting and style, each over its number of positions, F and P the activations of
painting and content. The last term keeps the picture one that can be shown; without it the loss of what is shown would
not be the loss that was minimised. `SETTINGS` says the same to the engine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import torch
import torchvision
from torch import Tensor, nn

CONTENT = "conv3_4"
STYLES = ("conv1_1", "conv2_1", "conv3_1")
ALPHA = 0.02
UNIT = 1e6
"""By what L is multiplied for the optimiser: without it its tolerances and its first step, which are made for losses
of the tutorials' size, would end it early."""
EVALUATIONS = 300

NUMBERS = {"conv1_1": 0, "conv2_1": 5, "conv3_1": 10, "conv3_4": 16}
"""Of the convolutions among `vgg19().features`; the ReLU follows."""

SETTINGS: Mapping[str, str | float] = {
    "pooling": "max",
    "padding": "zero",
    "content_layers": CONTENT,
    "content_loss": "relative",
    "content_weight": ALPHA,
    "style_layers": ",".join(STYLES),
    "style_weights": "1",
    "style_loss": "relative",
    "style_weight": 1.0,
    "tv_weight": 0.0,
    "range_weight": 1.0,
    "style_scale": 1.0,
    "style_size": 0.0,
}
"""Of the engine's recipe `impasto`: the same objective."""


def network(state: Mapping[str, Tensor]) -> nn.Sequential:
    """torchvision's VGG19 to the ReLU after conv3_4, from a state dict that goes there at least."""
    with torch.device("meta"):  # no random weights before these
        features: nn.Sequential = torchvision.models.vgg19(weights=None).features[: NUMBERS[CONTENT] + 2]
    weights = {name.removeprefix("features."): value for name, value in state.items()}
    features.load_state_dict(weights, strict=False, assign=True)
    for module in features:
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return features.requires_grad_(False).eval()


class Objective(nn.Module):
    """From a picture (1, 3, H, W), 0 to 1, to L."""

    def __init__(self, network: nn.Sequential, content: Tensor, style: Tensor) -> None:
        super().__init__()
        self.features = network
        self.mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        self.std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        with torch.no_grad():
            self.kept = self.layers(content)[CONTENT]
            found = self.layers(style)
            self.grams = {name: gram(found[name]) for name in STYLES}

    def layers(self, picture: Tensor) -> dict[str, Tensor]:
        """Activations after ReLU."""
        found, names = {}, {number + 1: name for name, number in NUMBERS.items()}
        x = (picture - self.mean) / self.std
        for number, module in enumerate(self.features):
            x = module(x)
            if number in names:
                found[names[number]] = x
        return found

    def forward(self, picture: Tensor) -> Tensor:
        found = self.layers(picture)
        content = (found[CONTENT] - self.kept).square().sum() / self.kept.square().sum()
        style = picture.new_zeros(())
        for name, wanted in self.grams.items():
            style = style + (gram(found[name]) - wanted).square().sum() / wanted.square().sum()
        outside = (picture - picture.clamp(0, 1)).square().mean()
        loss: Tensor = ALPHA * content + style / len(STYLES) + outside
        return loss


def gram(layer: Tensor) -> Tensor:
    """(C, C) of (1, C, h, w), over its positions."""
    _, channels, height, width = layer.shape
    flat = layer.view(channels, height * width)
    return flat @ flat.t() / (height * width)


class _Spent(Exception):
    """The budget, in the midst of a line search."""


def paint(objective: Objective, start: Tensor, evaluations: int, seen: Callable[[Tensor], None]) -> None:
    """Minimise from a start for so many evaluations of the objective; seen: called with the picture of each."""
    picture = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([picture], line_search_fn="strong_wolfe")
    done = 0

    def closure() -> Tensor:
        nonlocal done
        if done == evaluations:
            raise _Spent
        optimiser.zero_grad()
        loss: Tensor = objective(picture) * UNIT
        loss.backward()  # type: ignore[no-untyped-call]
        done += 1
        seen(picture.detach())
        return loss.detach()

    before = -2
    with contextlib.suppress(_Spent):
        while done != before + 1:  # else it has converged by its own tolerances
            before = done
            optimiser.step(closure)  # type: ignore[no-untyped-call]
