"""A painting that is given a picture to start with, as the frames of an animation are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from impasto_daemon.engine import colour
from impasto_daemon.engine.rasters import resize
from impasto_protocol.errors import Code, ImpastoError
from PIL import Image
from torch import Tensor

from .networks import picture
from .paintings import altered, painted, result

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = altered("wavelets", steps="6,3", coarsest=24)


def example(name: str, width: int, height: int) -> Tensor:
    """One of the repository's pictures, small."""
    samples = np.asarray(Image.open(EXAMPLES / name).convert("RGB").resize((width, height)), dtype=np.float32)
    return torch.from_numpy(samples / 255).permute(2, 0, 1)[None].contiguous()


def with_alpha(rgb: Tensor, shown: Tensor) -> Tensor:
    return torch.cat([rgb, shown.expand(1, 1, *rgb.shape[-2:])], 1)


@pytest.mark.parametrize("times", [1, 2])
def test_painting_begins_with_it_at_the_last_size(times: int) -> None:
    content, style, start = picture(48, 60, seed=1), picture(40, 40, seed=2), picture(48 * times, 60 * times, seed=3)
    _, steps = painted(content, style, QUICK, start=start)
    assert len(steps) == steps[0].steps == 3
    torch.testing.assert_close(steps[0].picture(), resize(start, 48, 60))
    assert steps[-1].losses["total"] < steps[0].losses["total"]


def test_where_it_is_transparent_painting_begins_with_the_content() -> None:
    content, start, shown = picture(48, 60, seed=1), picture(48, 60, seed=3), torch.zeros(48, 60)
    shown[:, :30], shown[:, 30:40] = 1, 0.5
    _, steps = painted(content, picture(40, 40, seed=2), QUICK, start=with_alpha(start, shown))
    torch.testing.assert_close(steps[0].picture(), torch.lerp(content, start, shown))


def test_it_comes_in_the_colours_of_the_result_and_is_painted_on_in_those_that_are_painted() -> None:
    content, style = picture(48, 60, seed=1), picture(40, 40, seed=2)
    before = result(content, style, altered("wavelets", steps="6,3", coarsest=24, colour="luminance"))
    _, steps = painted(content, style, altered("wavelets", steps="3", colour="luminance"), start=before)
    torch.testing.assert_close(colour.luma(steps[0].picture()), colour.luma(before), atol=2e-3, rtol=0)


def test_one_that_is_transparent_all_over_is_refused() -> None:
    start = with_alpha(picture(20, 30), torch.zeros(20, 30))
    with pytest.raises(ImpastoError, match="The start is fully transparent") as caught:
        painted(picture(20, 30), picture(20, 30), QUICK, start=start)
    assert caught.value.code is Code.BAD_REQUEST


def test_consecutive_frames_that_begin_with_the_painting_before_differ_less_than_those_painted_afresh() -> None:
    """Noise as a camera has it is enough for other strokes. (The second painting goes on where the first one ended,
    with all that was left to do there; the third shows how it stays.)"""
    style, frame = example("swirls.jpg", 64, 48), example("lake.jpg", 64, 48)
    noise = torch.randn(frame.shape, generator=torch.Generator().manual_seed(1)) * 8 / 255
    other = (frame + noise).clamp(0, 1)
    recipe = altered("wavelets", steps="20,10", coarsest=24, style_loss="balanced", content_weight=0.005)
    first, afresh = (result(each, style, recipe) for each in (frame, other))
    second = result(other, style, recipe, start=first)
    third = result(frame, style, recipe, start=second)
    assert (third - second).abs().mean() < 0.7 * (afresh - first).abs().mean()
