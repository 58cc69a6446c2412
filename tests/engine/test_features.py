"""Features: one interface, and VGG16 and VGG19 true to torchvision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision
from impasto_daemon.engine import features
from impasto_daemon.engine.architectures import ARCHITECTURES
from impasto_daemon.engine.features import VGG
from impasto_daemon.engine.wavelets import Wavelets
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor, nn

from .networks import picture, random_vgg, random_vgg19


def torchvision_s(network: str, state: dict[str, Tensor]) -> nn.Sequential:
    """torchvision's own network with these weights in its convolutions."""
    with torch.device("meta"):
        whole = getattr(torchvision.models, network)()
    whole.load_state_dict(state, strict=False, assign=True)
    assert isinstance(whole.features, nn.Sequential)
    return whole.features


@pytest.mark.parametrize(
    ("network", "named"),
    [
        ("vgg19", {1: "conv1_1", 7: "conv2_2.linear", 8: "conv2_2", 35: "conv5_4"}),
        ("vgg16", {1: "conv1_1", 7: "conv2_2.linear", 15: "conv3_3", 29: "conv5_3"}),
    ],
)
def test_the_networks_give_torchvision_s_activations(network: str, named: dict[int, str]) -> None:
    state = random_vgg(network)
    rgb = picture(40, 36)
    x = (rgb - torch.tensor(features.MEAN).view(1, 3, 1, 1)) / torch.tensor(features.STD).view(1, 3, 1, 1)
    found = VGG(network, state)(rgb, list(named.values()))
    for number, module in enumerate(torchvision_s(network, state)[: max(named) + 1]):
        x = module(x).clone()
        if number in named:
            torch.testing.assert_close(found[named[number]], x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", ARCHITECTURES)
def test_every_convolution_is_torchvision_s_and_has_its_name(network: str) -> None:
    with torch.device("meta"):
        modules = list(getattr(torchvision.models, network)().features)
    theirs, block, number = [], 1, 1
    for index, module in enumerate(modules):
        if isinstance(module, nn.Conv2d):
            theirs.append((f"conv{block}_{number}", index, module.in_channels, module.out_channels, 2 ** (block - 1)))
            number += 1
        elif isinstance(module, nn.MaxPool2d):
            block, number = block + 1, 1
    ours = ARCHITECTURES[network].convolutions
    assert [(c.name, c.number, c.inputs, c.outputs, c.stride) for c in ours] == theirs
    assert [c.name for c in ours if c.pooled] == ["conv2_1", "conv3_1", "conv4_1", "conv5_1"]
    assert len(set(ARCHITECTURES[network].layers)) == 2 * 3 * len(ours), "before and after ReLU, at three sizes"


def test_only_what_is_wanted_is_computed_and_nothing_deeper(monkeypatch: pytest.MonkeyPatch) -> None:
    network, asked = VGG("vgg19", random_vgg19()), list[str]()
    convolve = VGG._convolve

    def noted(self: VGG, name: str, x: Tensor, wrap: bool, then: str) -> Tensor:
        asked.append(name)
        return convolve(self, name, x, wrap, then)

    monkeypatch.setattr(VGG, "_convolve", noted)
    found = network(picture(32, 32), ["conv3_1", "conv1_1"])
    assert set(found) == {"conv1_1", "conv3_1"}
    assert asked == ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]


def test_average_pooling_and_replicate_padding_are_options_of_the_same_weights() -> None:
    network = VGG("vgg19", random_vgg19(3))
    other = network.with_options("average", "replicate")
    assert other.filters["conv1_1"] is network.filters["conv1_1"]
    rgb = torch.full((1, 3, 8, 8), 0.3)
    edge = other(rgb, ["conv1_1"])["conv1_1"]
    torch.testing.assert_close(edge[..., 0, 0], edge[..., 4, 4])  # no border to be seen
    assert not torch.allclose(network(rgb, ["conv1_1"])["conv1_1"][..., 0, 0], edge[..., 0, 0])
    rgb = picture(8, 8)
    conv1_2 = other(rgb, ["conv1_2"])["conv1_2"]
    expected = torch.relu(F.conv2d(F.avg_pool2d(conv1_2, 2), *other.filters["conv2_1"], padding=1))
    torch.testing.assert_close(other(rgb, ["conv2_1"])["conv2_1"], expected)


def test_a_wrapping_network_sees_a_shifted_tile_as_the_same_tile_shifted() -> None:
    state = {name: value.double() for name, value in random_vgg19(9).items()}
    rgb = picture(48, 32).double()
    wanted = ["conv1_1", "conv2_2.linear", "conv4_1"]
    for pooling in ("max", "average"):
        network = VGG("vgg19", state).with_options(pooling, "replicate", wrap=True)
        still, moved = network(rgb, wanted), network(rgb.roll((16, 8), (2, 3)), wanted)
        for name, steps in (("conv1_1", (16, 8)), ("conv2_2.linear", (8, 4)), ("conv4_1", (2, 1))):
            torch.testing.assert_close(moved[name], still[name].roll(steps, (2, 3)))


def test_a_wrapping_network_is_circular_in_every_convolution_and_loses_no_border() -> None:
    state = random_vgg("vgg16", 5)
    rgb = picture(37, 35)
    x = (rgb - torch.tensor(features.MEAN).view(1, 3, 1, 1)) / torch.tensor(features.STD).view(1, 3, 1, 1)
    for module in torchvision_s("vgg16", state)[:11]:
        if isinstance(module, nn.Conv2d):
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), "circular"), module.weight, module.bias)
        elif isinstance(module, nn.MaxPool2d):
            x = F.max_pool2d(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), "circular"), 2)
        else:
            x = F.relu(x)
    assert x.shape[2:] == (10, 9)
    network = VGG("vgg16", state).with_options("max", "zero", wrap=True)
    torch.testing.assert_close(network(rgb, ["conv3_1.linear"])["conv3_1.linear"], x, rtol=1e-4, atol=1e-5)


def test_options_leave_the_network_as_it_was() -> None:
    network, rgb = VGG("vgg19", random_vgg19(3)), picture(33, 33)
    before = network(rgb, ["conv2_1"])["conv2_1"]
    network.with_options("average", "replicate", wrap=True)
    assert torch.equal(network(rgb, ["conv2_1"])["conv2_1"], before)


def test_a_layer_that_the_weights_lack_is_named_with_the_file() -> None:
    network = VGG("vgg19", random_vgg19(8), "three-blocks.pth")
    with pytest.raises(ImpastoError) as caught:
        network(picture(32, 32), ["conv1_1", "conv4_2"])
    assert caught.value.code is Code.MISSING_LAYER
    assert caught.value.problem.details == {"layer": "conv4_2", "file": "three-blocks.pth"}
    assert "conv4_2" in str(caught.value) and "three-blocks.pth" in str(caught.value) and "conv3_4" in str(caught.value)


@pytest.mark.parametrize(("name", "code"), [("conv3_4", Code.BAD_REQUEST), ("conv3_3", Code.MISSING_LAYER)])
def test_errors_name_the_network_that_paints(name: str, code: Code) -> None:
    with pytest.raises(ImpastoError, match="VGG16") as caught:
        VGG("vgg16", random_vgg("vgg16", 2))(picture(32, 32), [name])
    assert caught.value.code is code and "VGG19" not in str(caught.value)


@pytest.mark.parametrize("network", [VGG("vgg19", random_vgg19(2)), Wavelets()], ids=["vgg19", "wavelets"])
def test_a_layer_that_nobody_has_gets_the_nearest_name(network: VGG | Wavelets) -> None:
    with pytest.raises(ImpastoError) as caught:
        network(picture(32, 32), ["conv1-1"])
    assert caught.value.code is Code.BAD_REQUEST and "nearest" in caught.value.problem.details
