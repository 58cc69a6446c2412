"""The losses of the field as their authors published them, in plain torch: what the engine's recipes are held against.

Nothing here comes from the engine. Each function takes a network, a content and a style picture (1, 3, h, w) with
samples 0 to 1, and gives what is minimised as a function of a picture. Where content and style are of unequal size,
each Gram matrix is over its own number of positions N; where they are equal, the formulae are as they were printed.

The one conversion: programs that were written for Caffe's networks feed them pixels from 0 to 255 less the mean, and
count activations in those units. torchvision's networks are fed pixels less the mean over the standard deviation, 0.226
on average where white is 1; their activations are hence multiplied by 255·0.226 = 57.6 (`in_caffe_units`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Network = Callable[[Tensor], Mapping[str, Tensor]]
"""From a picture to activations (1, C, h, w): `convB_I` after its ReLU, `convB_I.linear` before it."""
Loss = Callable[[Tensor], Tensor]
Published = Callable[[Network, Tensor, Tensor], Loss]

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
BLOCKS = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}
FIVE = {"conv1_1": 64, "conv2_1": 128, "conv3_1": 256, "conv4_1": 512, "conv5_1": 512}
"""The first layer of each block, and VGG's channels in it."""


def vgg(name: str, state: Mapping[str, Tensor], pooling: str, padding: str = "zero") -> Network:
    """Simonyan & Zisserman's networks, layer after layer, as far as the state dict goes."""

    def network(rgb: Tensor) -> dict[str, Tensor]:
        x = (rgb - rgb.new_tensor(MEAN).view(1, 3, 1, 1)) / rgb.new_tensor(STD).view(1, 3, 1, 1)
        found, number = dict[str, Tensor](), 0
        for block, count in enumerate(BLOCKS[name], 1):
            for i in range(1, count + 1):
                if f"features.{number}.weight" not in state:
                    return found
                repeated = padding == "replicate" and number == 0
                x = F.pad(x, (1, 1, 1, 1), "replicate" if repeated else "constant")
                x = F.conv2d(x, state[f"features.{number}.weight"], state[f"features.{number}.bias"])
                found[f"conv{block}_{i}.linear"] = x
                x = torch.clamp(x, min=0)
                found[f"conv{block}_{i}"] = x
                number += 2
            x = F.avg_pool2d(x, 2) if pooling == "average" else F.max_pool2d(x, 2)
            number += 1
        return found

    return network


def at_three_sizes(network: Network) -> Network:
    """Beside a network's layers those of the picture halved and halved again, by the binomial 1, 3, 3, 1 with its
    border repeated, and by repetition at least 32 pixels a side."""

    def layers(rgb: Tensor) -> dict[str, Tensor]:
        found = dict(network(rgb))
        for suffix in (".half", ".quarter"):
            framed = F.pad(rgb, (1, 1, 1, 1), "replicate")
            rows = (framed[..., 0:-3:2, :] + 3 * framed[..., 1:-2:2, :]) / 8
            rows = rows + (3 * framed[..., 2:-1:2, :] + framed[..., 3::2, :]) / 8
            rgb = (rows[..., 0:-3:2] + 3 * rows[..., 1:-2:2] + 3 * rows[..., 2:-1:2] + rows[..., 3::2]) / 8
            low, right = (max(0, 32 - side) for side in rgb.shape[-2:])
            rgb = F.pad(rgb, (0, right, 0, low), "replicate")
            found |= {name + suffix: x for name, x in network(rgb).items()}
        return found

    return layers


def in_caffe_units(network: Network, white: float = 255.0) -> Network:
    """The network's activations as a program counts them whose pixels go from 0 to `white`."""
    return lambda rgb: {name: x * 57.6 * white / 255 for name, x in network(rgb).items()}


def gram(x: Tensor) -> Tensor:
    """G = F·Fᵀ for F of C×N."""
    flat = x[0].flatten(1)
    return flat @ flat.T


def positions(x: Tensor) -> int:
    return x.shape[2] * x.shape[3]


def e(ours: Tensor, style: Tensor) -> Tensor:
    """E = Σ(G−A)² / (4·C²·N²)."""
    difference = gram(ours) / positions(ours) - gram(style) / positions(style)
    return difference.square().sum() / (4 * ours.shape[1] ** 2)


def gatys(network: Network, content: Tensor, style: Tensor) -> Loss:
    """Gatys, Ecker, Bethge 2016: ½Σ(F−P)² at conv4_2 with α = 1e-3, Σ 1/5·E. Activations are scaled to one mean in
    every layer, as they did; which one, and over which pictures, is the recipe's: 100, over content and style."""
    p, a = network(content), network(style)
    scale = {name: 100 / ((p[name].mean() + a[name].mean()) / 2) for name in (*FIVE, "conv4_2")}

    def loss(rgb: Tensor) -> Tensor:
        f = network(rgb)
        total = 1e-3 * 0.5 * (scale["conv4_2"] * (f["conv4_2"] - p["conv4_2"])).square().sum()
        for name in FIVE:
            total = total + 0.2 * e(f[name] * scale[name], a[name] * scale[name])
        return total

    return loss


def gatys_hires(network: Network, content: Tensor, style: Tensor) -> Loss:
    """leongatys/PytorchNeuralStyleTransfer: nn.MSELoss at r42; Gram matrices over h·w under nn.MSELoss, weights
    1e3/n² for n of 64, 128, 256, 512, 512."""
    network = in_caffe_units(network)
    p, a = network(content), network(style)

    def loss(rgb: Tensor) -> Tensor:
        f = network(rgb)
        total = F.mse_loss(f["conv4_2"], p["conv4_2"])
        for name, n in FIVE.items():
            ours, wanted = gram(f[name]) / positions(f[name]), gram(a[name]) / positions(a[name])
            total = total + 1e3 / n**2 * F.mse_loss(ours, wanted)
        return total

    return loss


def neural_style(network: Network, content: Tensor, style: Tensor) -> Loss:
    """jcjohnson/neural-style: MSE × 5 at relu4_2, MSE × 100 of Gram matrices over input:nElement(); pixels × 256.
    Its total variation is no part of the loss, only of the gradient: `neural_style_variation`."""
    network = in_caffe_units(network, 256)
    p, a = network(content), network(style)

    def loss(rgb: Tensor) -> Tensor:
        f = network(rgb)
        total = 5 * F.mse_loss(f["conv4_2"], p["conv4_2"])
        for name in FIVE:
            total = total + 100 * F.mse_loss(gram(f[name]) / f[name].numel(), gram(a[name]) / a[name].numel())
        return total

    return loss


def neural_style_variation(rgb: Tensor) -> Tensor:
    """What neural-style's TVLoss adds to the gradient, tv_weight 1e-3; of samples 0 to 1, hence 256 twice."""
    image = rgb * 256
    across = image[..., :-1, :-1] - image[..., :-1, 1:]
    down = image[..., :-1, :-1] - image[..., 1:, :-1]
    added = torch.zeros_like(image)
    added[..., :-1, :-1] += across + down
    added[..., :-1, 1:] -= across
    added[..., 1:, :-1] -= down
    return 1e-3 * added * 256


def pytorch(network: Network, content: Tensor, style: Tensor) -> Loss:
    """PyTorch's tutorial: mse_loss at conv_4, 1e6 × the plain sum of mse_loss of Gram matrices over b·c·d at conv_1 to
    conv_5, all before ReLU."""
    p, a = network(content), network(style)

    def loss(rgb: Tensor) -> Tensor:
        f = network(rgb)
        total = F.mse_loss(f["conv2_2.linear"], p["conv2_2.linear"])
        for name in ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"):
            ours, wanted = f[f"{name}.linear"], a[f"{name}.linear"]
            total = total + 1e6 * F.mse_loss(gram(ours) / ours.numel(), gram(wanted) / wanted.numel())
        return total

    return loss


def tensorflow(network: Network, content: Tensor, style: Tensor) -> Loss:
    """TensorFlow's tutorial: 1e4 · mean at block5_conv2, 1e-2/5 · Σ mean of (G/N − A/N)², 30 · Σ|differences| of the
    picture in 0 to 1."""
    network = in_caffe_units(network)
    p, a = network(content), network(style)

    def loss(rgb: Tensor) -> Tensor:
        f = network(rgb)
        total = 1e4 * (f["conv5_2"] - p["conv5_2"]).square().mean()
        for name in FIVE:
            difference = gram(f[name]) / positions(f[name]) - gram(a[name]) / positions(a[name])
            total = total + 1e-2 / 5 * difference.square().mean()
        return total + 30 * (rgb.diff(dim=2).abs().sum() + rgb.diff(dim=3).abs().sum())

    return loss


def peixeiro(network: Network, content: Tensor, style: Tensor) -> Loss:
    """deeplearning.ai's Art Generation: J = 10 · Σ(F−P)²/(4·h·w·C) + 40 · Σ 0.2·Σ(GS−GG)²/(4·C²·(h·w)²)."""
    network = in_caffe_units(network)
    p, a = network(content), network(style)

    def loss(rgb: Tensor) -> Tensor:
        f = network(rgb)
        kept = (f["conv4_2"] - p["conv4_2"]).square().sum() / (4 * p["conv4_2"].numel())
        styles = [0.2 * e(f[name], a[name]) for name in FIVE]
        return 10 * kept + 40 * torch.stack(styles).sum()

    return loss


def vgg16(network: Network, content: Tensor, style: Tensor) -> Loss:
    """The articles with VGG16: Σ(F−P)² at relu3_3, E with equal weights; α/β, which they leave open, 1e-6."""
    p, a = network(content), network(style)

    def loss(rgb: Tensor) -> Tensor:
        f = network(rgb)
        styles = [e(f[name], a[name]) for name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3")]
        return 1e-6 * (f["conv3_3"] - p["conv3_3"]).square().sum() + torch.stack(styles).mean()

    return loss


def wasserstein(network: Network, content: Tensor, style: Tensor) -> Loss:
    """crowsonkb/style-transfer-pytorch: StyleLossW2, ContentLossMSE × 0.015, TVLoss × 2."""
    p, a = network(content), network(style)
    weights = dict(zip(FIVE, (256, 64, 16, 4, 1)))

    def loss(rgb: Tensor) -> Tensor:
        f = network(rgb)
        total = 0.015 * F.mse_loss(f["conv4_2"], p["conv4_2"])
        for name, weight in weights.items():
            total = total + weight / 341 * w2(f[name], a[name])
        return total + 2 * nine_points(rgb)

    return loss


def w2(ours: Tensor, style: Tensor) -> Tensor:
    """mean(μ−μ*)² + mean of the diagonal of Σ* + Σ − 2·(Σ*^½·Σ·Σ*^½)^½, 1e-4 on the diagonals of Σ and Σ*."""
    (mean, covariance), (mean_wanted, wanted) = statistics(ours), statistics(style)
    half = newton_schulz(wanted)
    between = newton_schulz(half @ covariance @ half)
    return (mean - mean_wanted).square().mean() + torch.diagonal(wanted + covariance - 2 * between).mean()


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (C,), and covariance (C, C) with its ridge."""
    mean = x.mean((2, 3))[0]
    ridge = 1e-4 * torch.eye(len(mean), dtype=x.dtype)
    return mean, gram(x) / positions(x) - mean[:, None] * mean[None, :] + ridge


def newton_schulz(matrix: Tensor) -> Tensor:
    """sqrtm_ns_lyap: twelve steps towards the square root, and twelve of their own towards its gradient."""
    found: Tensor = Root.apply(matrix)
    return found


class Root(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        norm = matrix.square().sum().sqrt()
        one = torch.eye(len(matrix), dtype=matrix.dtype)
        y, z = matrix / norm, one
        for _ in range(12):
            t = (3 * one - z @ y) / 2
            y, z = y @ t, t @ z
        root: Tensor = y * norm.sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        """Newton's iteration for the sign of [[A, Q], [0, −Aᵀ]], whose upper right is the solution of a Lyapunov
        equation; on the whole matrix, where the published program works on its blocks."""
        (root,) = ctx.saved_tensors
        n, norm = len(root), root.square().sum().sqrt()
        whole = torch.zeros(2 * n, 2 * n, dtype=root.dtype)
        whole[:n, :n], whole[n:, n:], whole[:n, n:] = root / norm, -root.T / norm, upstream[0] / norm
        for _ in range(12):
            whole = (3 * whole - whole @ whole @ whole) / 2
        return whole[:n, n:] / 2


def nine_points(rgb: Tensor) -> Tensor:
    """Its TVLoss: squared differences to the right, below and along both diagonals, of the picture with its border
    repeated; the diagonal ones are of the framed picture's corners of each 2×2 pixels."""
    framed = F.pad(rgb, (1, 1, 1, 1), "replicate")
    inside = framed[..., 1:-1, 1:-1]
    right = (framed[..., 1:-1, 2:] - inside).square().mean()
    below = (framed[..., 2:, 1:-1] - inside).square().mean()
    falling = (framed[..., 1:, 1:] - framed[..., :-1, :-1]).square().mean()
    rising = (framed[..., 1:, :-1] - framed[..., :-1, 1:]).square().mean()
    return 2 * (right / 3 + below / 3 + falling / 12 + rising / 12)


def impasto(network: Network, content: Tensor, style: Tensor) -> Loss:
    """This project's own: 0.006 · ‖F−P‖²/‖P‖² at conv3_4, the mean of ‖G−A‖²/‖A‖² over eleven layers at three sizes
    with Gram matrices over N, and the mean square of what lies outside 0 to 1."""
    p, a = network(content), network(style)
    four = ("conv1_1", "conv2_1", "conv3_1", "conv3_3")
    names = [*four, *(f"{name}.half" for name in four), *(f"{name}.quarter" for name in four[1:])]

    def loss(rgb: Tensor) -> Tensor:
        f = network(rgb)
        total = 0.006 * (f["conv3_4"] - p["conv3_4"]).square().sum() / p["conv3_4"].square().sum()
        for name in names:
            ours, wanted = gram(f[name]) / positions(f[name]), gram(a[name]) / positions(a[name])
            total = total + (ours - wanted).square().sum() / wanted.square().sum() / 11
        outside = torch.clamp(rgb - 1, min=0) + torch.clamp(-rgb, min=0)
        return total + outside.square().mean()

    return loss


LOSSES: Mapping[str, Published] = {
    "impasto": impasto,
    "gatys": gatys,
    "gatys-hires": gatys_hires,
    "neural-style": neural_style,
    "pytorch": pytorch,
    "tensorflow": tensorflow,
    "peixeiro": peixeiro,
    "vgg16": vgg16,
    "wasserstein": wasserstein,
}

NETWORKS: Mapping[str, tuple[str, str, str]] = {
    "impasto": ("vgg19", "max", "replicate"),
    "gatys": ("vgg19", "average", "zero"),
    "gatys-hires": ("vgg19", "max", "zero"),
    "neural-style": ("vgg19", "max", "zero"),
    "pytorch": ("vgg19", "max", "zero"),
    "tensorflow": ("vgg19", "max", "zero"),
    "peixeiro": ("vgg19", "average", "zero"),
    "vgg16": ("vgg16", "max", "zero"),
    "wasserstein": ("vgg19", "max", "replicate"),
}
"""The network of each, its pooling, and the padding of its first convolution."""
