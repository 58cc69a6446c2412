"""Kernels: PyTorch's plain numbers and gradients, whichever way they are come by."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from impasto_daemon.engine import features, kernels
from impasto_daemon.engine.canvas import Region, View
from impasto_daemon.engine.features import VGG
from impasto_daemon.engine.kernels import Fused
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.recipes import RECIPES, override
from torch import Tensor

from .networks import picture, random_vgg19

HALF = torch.bfloat16


def noise(*size: int, seed: int = 0) -> Tensor:
    """In float64, with its channels last."""
    found = torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return found.contiguous(memory_format=torch.channels_last) if len(size) == 4 else found


def slope(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The gradient of a sum of what the function gives, each with a weight of its own."""
    at = at.clone().requires_grad_()
    found = function(at)
    weights = noise(*found.shape, seed=9).to(found)
    (gradient,) = torch.autograd.grad((found * weights).sum(), at)
    return gradient


def off(found: Tensor, exact: Tensor) -> float:
    """By how much, relative to the norm."""
    return float((found.double() - exact.double()).norm() / exact.double().norm())


# Sums over positions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [kernels.gram, kernels.energy])
def test_sums_and_their_gradients_are_exact_in_double_precision(function: Callable[[Tensor], Tensor]) -> None:
    assert torch.autograd.gradcheck(function, noise(1, 5, 4, 3).requires_grad_())


@pytest.mark.parametrize("ways", [(), ("_widens",), ("_widens", "_compensates")], ids=["first", "second", "last"])
def test_gram_matrices_of_half_precision_are_summed_in_full(
    ways: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each way to have them, as if those before it were not here."""
    for way in ways:
        monkeypatch.setattr(kernels, way, lambda precision, device: False)
    activations = noise(1, 24, 70, 61).relu().to(HALF)
    flat = activations[0].double().flatten(1)
    found = kernels.gram(activations)
    assert found.dtype == torch.float32 and off(found, flat @ flat.T) < 1e-5
    exact = slope(kernels.gram, activations.double())
    assert off(slope(kernels.gram, activations), exact) < 1e-2


def test_energies_of_half_precision_are_summed_in_full() -> None:
    activations = noise(1, 24, 70, 61).to(HALF)
    found = kernels.energy(activations)
    assert found.dtype == torch.float32 and off(found, activations.double().square().sum()) < 1e-6
    assert slope(kernels.energy, activations).dtype == HALF


def test_what_is_cut_out_of_a_larger_layer_has_the_same_sums() -> None:
    whole = noise(1, 6, 20, 30)
    part = whole[:, :, 3:17, 5:24]
    torch.testing.assert_close(kernels.gram(part), kernels.gram(part.contiguous()), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(kernels.energy(part), part.square().sum(), rtol=1e-12, atol=0)


# Convolutions -----------------------------------------------------------------------------------------------


class Plain(Fused):
    """PyTorch's convolutions in the place of oneDNN's, which have no double precision: what is around them can be
    compared exactly."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor, padding: int, relu: bool) -> Tensor:
        y = F.conv2d(x, self.weight, self.bias, padding=padding)
        return y.relu() if relu else y

    def backward(self, slope: Tensor, padding: int) -> Tensor:
        return F.conv_transpose2d(slope, self.weight, padding=padding)


AFTER: dict[str, Callable[[Tensor], Tensor]] = {
    "nothing": lambda y: y,
    "relu": torch.relu,
    "pool": lambda y: F.max_pool2d(y.relu(), 2),
}


def test_every_form_of_a_convolution_is_compared_here() -> None:
    assert set(AFTER) == set(kernels.THEN)


@pytest.mark.parametrize("then", kernels.THEN)
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("size", [(8, 10), (9, 7)], ids=["even", "odd"])
def test_what_follows_a_convolution_has_autograd_s_gradient(then: str, padding: int, size: tuple[int, int]) -> None:
    weight, bias, x = noise(4, 3, 3, 3, seed=1), noise(4, seed=2), noise(1, 3, *size, seed=3)
    fused = Plain(weight, bias)

    def plain(x: Tensor) -> Tensor:
        return AFTER[then](F.conv2d(x, weight, bias, padding=padding))

    torch.testing.assert_close(fused(x, padding, then), plain(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(slope(lambda x: fused(x, padding, then), x), slope(plain, x), rtol=1e-12, atol=1e-12)


def test_of_equal_maxima_the_same_one_has_the_gradient() -> None:
    weight = torch.zeros(2, 1, 3, 3, dtype=torch.float64)
    weight[:, :, 1, 1] = 1
    x = torch.ones(1, 1, 6, 6, dtype=torch.float64)
    found = slope(lambda x: Plain(weight, torch.zeros(2).double())(x, 1, "pool"), x)
    assert torch.equal(found, slope(lambda x: F.max_pool2d(F.conv2d(x, weight, padding=1), 2), x))


@pytest.mark.parametrize("padding", [0, 1])
def test_convolutions_of_half_precision_are_those_of_full(padding: int) -> None:
    """PyTorch's own of half precision where oneDNN's cannot be had."""
    form = Fused if kernels.fuses(HALF, "cpu") else Plain
    weight, bias, x = noise(32, 16, 3, 3, seed=1) / 12, noise(32, seed=2), noise(1, 16, 13, 18, seed=3)
    fused = form(weight.to(HALF), bias.to(HALF))
    for then, after in AFTER.items():

        def plain(x: Tensor, after: Callable[[Tensor], Tensor] = after) -> Tensor:
            return after(F.conv2d(x, weight.to(HALF).double(), bias.to(HALF).double(), padding=padding))

        def ours(x: Tensor, then: str = then) -> Tensor:
            return fused(x, padding, then)

        x = x.to(HALF).double()
        assert off(ours(x.to(HALF)), plain(x)) < 1e-2
        assert off(slope(ours, x.to(HALF)), slope(plain, x)) < 0.1  # near a kink halves may fall to either side


@pytest.mark.parametrize(
    ("pooling", "padding", "wrap"),
    [("max", "replicate", False), ("average", "zero", False), ("max", "zero", True)],
)
@pytest.mark.parametrize("layers", [("conv1_1", "conv2_2", "conv3_1"), ("conv1_2.linear", "conv1_2", "conv2_2.linear")])
@pytest.mark.parametrize("masked", [False, True], ids=["open", "masked"])
@pytest.mark.parametrize("tile", [0, 32])
def test_both_forms_of_a_network_in_half_precision_have_the_losses_of_full(
    pooling: str, padding: str, wrap: bool, layers: tuple[str, ...], masked: bool, tile: int
) -> None:
    """Every layer is one of style, and two of the content as well."""
    height, width = (64, 48) if wrap else (61, 47)
    fields = {"content_layers": ",".join(layers[:2]), "style_layers": ",".join(layers), "style_weights": "1"}
    recipe = override(RECIPES["impasto"], {**fields, "content_weight": 1.0, "style_loss": "relative"})
    network = VGG("vgg19", random_vgg19(5)).with_options(pooling, padding, wrap)
    counts = picture(height, width, 1, seed=4) if masked else None
    regions = [Region(counts, 1.0, [(View(picture(70, 50, seed=5)), 1.0)])]

    def gradient(network: VGG) -> Tensor:
        objective = RecipeObjective(recipe, network, View(picture(height, width, seed=6), counts), regions, 1.0, tile)
        return slope(lambda rgb: objective(rgb)["total"], picture(height, width, seed=7) + 0.1 * grain)

    grain = noise(1, 3, height, width).float()
    half, full = network.in_precision(HALF), gradient(network)
    assert network.unfused().fuses is half.unfused().fuses is False
    fused, plain = gradient(half).flatten(), gradient(half.unfused()).flatten()
    assert float(F.cosine_similarity(fused, plain, 0)) > 0.999
    assert float(F.cosine_similarity(plain, full.flatten(), 0)) > 0.99


def test_weights_are_packed_once_whatever_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[Tensor] = []

    class Noted(Plain):
        def __init__(self, weight: Tensor, bias: Tensor) -> None:
            super().__init__(weight, bias)
            packed.append(weight)

    monkeypatch.setattr(features, "fuses", lambda precision, device: precision == HALF)
    monkeypatch.setattr(features, "Fused", Noted)
    network = VGG("vgg19", random_vgg19(4)).in_precision(HALF)
    for twin in (network, network.with_options("average", "replicate"), network.with_options("max", "zero", wrap=True)):
        twin(picture(32, 32), ["conv1_1", "conv2_1"])
    assert len(packed) == 3, "conv1_1, conv1_2, conv2_1; not conv2_2, which nobody wanted"


@pytest.mark.parametrize("reason", [AttributeError("no such operator"), RuntimeError("not built"), None])
def test_without_oned_nn_s_operators_convolutions_are_plain(
    reason: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are missing, fail, or give other numbers."""

    def broken(x: Tensor, *_: object) -> Tensor:
        if reason:
            raise reason
        return x

    monkeypatch.setattr(kernels, "_pointwise", broken)
    assert not kernels.fuses.__wrapped__(HALF, "cpu")


@pytest.mark.parametrize(("precision", "device"), [(HALF, "cuda"), (torch.float32, "cpu"), (torch.float64, "cpu")])
def test_other_devices_and_precisions_are_plain(precision: torch.dtype, device: str) -> None:
    assert not kernels.fuses(precision, device)


@pytest.mark.parametrize("precision", [torch.float64, torch.float32, torch.bfloat16])
def test_a_weighed_gram_matrix_and_its_gradient_are_those_of_weighed_activations(
    monkeypatch: pytest.MonkeyPatch, precision: torch.dtype
) -> None:
    monkeypatch.setattr(kernels, "STRIP", 16)  # 35 positions in three
    generator = torch.Generator().manual_seed(0)
    activations = torch.rand(1, 4, 5, 7, generator=generator, dtype=torch.float64).to(precision).requires_grad_()
    weights = torch.rand(1, 1, 5, 7, generator=generator, dtype=torch.float64)
    upstream = torch.rand(4, 4, generator=generator, dtype=torch.float64)
    found = kernels.gram(activations, weights.to(torch.promote_types(precision, torch.float32)))
    (slope,) = torch.autograd.grad(found, activations, upstream.to(found.dtype))
    exact = activations.detach().double().requires_grad_()
    flat = exact.flatten(2)[0]
    reference = (flat * weights.flatten()) @ flat.T
    (wanted,) = torch.autograd.grad(reference, exact, upstream)
    within = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}[precision]
    assert found.dtype == torch.promote_types(precision, torch.float32) and slope.dtype == precision
    torch.testing.assert_close(found.double(), reference, rtol=min(within, 1e-5), atol=within * 1e-2)
    torch.testing.assert_close(slope.double(), wanted, rtol=within, atol=within)


def test_a_weighed_gram_matrix_keeps_the_activations_and_the_weights_alone() -> None:
    activations, weights = torch.rand(1, 4, 5, 7, requires_grad=True), torch.rand(1, 1, 5, 7)
    kept: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kernels.gram(activations, weights)
    assert set(kept) == {activations.data_ptr(), weights.data_ptr()}
