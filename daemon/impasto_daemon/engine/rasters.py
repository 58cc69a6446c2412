"""Small operations on pictures as tensors (1, C, H, W): resizing, padding, filling what alpha hides."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def resize(picture: Tensor, height: int, width: int) -> Tensor:
    """Bicubic, without aliasing when it shrinks; samples stay within 0 to 1."""
    if picture.shape[-2:] == (height, width):
        return picture
    return F.interpolate(picture, (height, width), mode="bicubic", align_corners=False, antialias=True).clamp_(0, 1)


def fitted(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width times scale, in whole pixels, at least one."""
    return max(1, round(height * scale)), max(1, round(width * scale))


def pad_to(picture: Tensor, least: int) -> Tensor:
    """At least `least` pixels on either side: the border's colour is repeated to the right and below."""
    height, width = picture.shape[-2:]
    extra = max(0, least - height), max(0, least - width)
    return F.pad(picture, (0, extra[1], 0, extra[0]), "replicate") if any(extra) else picture


def fill_hidden(picture: Tensor) -> Tensor:
    """RGB (1, 3, H, W) of an RGBA picture (1, 4, H, W) with what alpha hides painted over by its surroundings.

    Where alpha is 0 the stored colour is meaningless (often black), and must not bleed into the painting. The
    visible colours are averaged into ever coarser pictures, alpha-weighted, and fill the holes from there
    (pull-push, Gortler et al. 1996). At least one pixel must be visible.
    """
    rgb, alpha = picture[:, :3], picture[:, 3:]
    if bool((alpha == 1).all()):
        return rgb
    return _pull_push(rgb * alpha, alpha)


def _pull_push(weighted: Tensor, weight: Tensor) -> Tensor:
    own = weighted / weight.clamp(min=1e-6)
    height, width = weight.shape[-2:]
    if height == width == 1:
        return own
    half = ((height + 1) // 2, (width + 1) // 2)
    coarse = _pull_push(F.adaptive_avg_pool2d(weighted, half), F.adaptive_avg_pool2d(weight, half))
    below = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    return own * weight + below * (1 - weight)
