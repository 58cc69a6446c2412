"""Draw the two example pictures: `lake.jpg`, a landscape like a photograph, and `swirls.jpg`, like a painting.

    python -m examples.make_examples [FOLDER]

Numpy and Pillow alone, the same pictures every time, no other picture in them: both are CC0. The landscape is
rendered from noise with light, haze and a mirror of water; the painting is some thousands of bristled strokes that
follow a field of whirls, lit from the upper left like thick paint.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.float64]


def noise(
    rng: np.random.Generator, height: int, width: int, cells: float, octaves: int = 5, decay: float = 0.5
) -> Array:
    """Fractal noise of mean 0 and deviation 1: smooth lattices, `cells` across the width at first, doubling."""
    total = np.zeros((height, width))
    for octave in range(octaves):
        across = max(2, round(cells * 2**octave))
        down = max(2, round(across * height / width))
        lattice = Image.fromarray(rng.standard_normal((down + 1, across + 1)).astype(np.float32))
        total += decay**octave * np.asarray(lattice.resize((width, height), Image.Resampling.BICUBIC))
    return np.asarray((total - total.mean()) / total.std())


def blend(below: Array, above: Array, share: Array) -> Array:
    """`above` over `below` where share (height, width) is 1."""
    return below + (above - below) * share[..., None]


def shifted(picture: Array, down: int, across: int) -> Array:
    """What lies so many pixels further down and to the right; the border is repeated."""
    height, width = picture.shape
    rows = np.clip(np.arange(height) + down, 0, height - 1)
    columns = np.clip(np.arange(width) + across, 0, width - 1)
    return np.asarray(picture[rows[:, None], columns])


def rgb(*values: float) -> Array:
    return np.array(values, dtype=float) / 255


# The landscape.


def lake(height: int = 480, width: int = 640) -> Image.Image:
    rng = np.random.default_rng(7)
    shore = round(height * 0.62)
    y, x = np.mgrid[0:height, 0:width]
    scene = sky(rng, height, width)
    for ridge in range(4):
        scene = mountains(rng, scene, ridge, shore)
    scene = forest(rng, scene, shore)
    scene = cabin(scene, shore)
    scene = water(rng, scene, shore)
    scene = meadow(rng, scene)
    light = np.exp(-(((x - 0.30 * width) / (0.5 * width)) ** 2 + ((y - 0.42 * height) / (0.45 * height)) ** 2))
    scene = scene * (0.86 + 0.16 * light)[..., None] + rng.normal(0, 0.008, scene.shape)
    return to_image(scene)


def sky(rng: np.random.Generator, height: int, width: int) -> Array:
    y, x = np.mgrid[0:height, 0:width]
    down = np.clip(y / (height * 0.6), 0, 1)
    colour = blend(np.broadcast_to(rgb(58, 110, 178), (height, width, 3)), rgb(178, 205, 224), down**0.8)
    colour = blend(colour, rgb(255, 214, 160), np.clip(down - 0.55, 0, 1) * 1.5)
    sun = np.exp(-np.hypot(x - 0.30 * width, y - 0.36 * height) / (0.16 * width))
    colour = blend(colour, rgb(255, 240, 205), np.clip(sun * 0.95, 0, 1))
    stretched = noise(rng, height * 2, width, 3, 6, 0.55)[::2]
    clouds = np.clip(stretched * 0.55 + 0.1 - 0.3 * down, 0, 1) ** 0.9
    shade = np.clip(0.5 + (stretched - shifted(stretched, -6, 0)) * 1.6, 0, 1)
    tint = blend(np.broadcast_to(rgb(150, 156, 178), colour.shape), rgb(255, 246, 232), shade)
    return blend(colour, tint, np.clip(clouds * 1.1, 0, 0.92))


def mountains(rng: np.random.Generator, scene: Array, ridge: int, shore: int) -> Array:
    """One range; the farther (smaller `ridge`), the higher and the deeper in haze."""
    height, width = scene.shape[:2]
    y = np.mgrid[0:height, 0:width][0]
    smooth, jagged = noise(rng, 8, width, 2.2 + ridge, 3, 0.5)[4], noise(rng, 8, width, 9 + 4 * ridge, 4, 0.6)[4]
    profile = smooth * 0.8 - np.abs(jagged) * (0.75, 0.6, 0.35, 0.3)[ridge] + 0.3
    top = shore - height * (0.30 - 0.068 * ridge) - profile * height * (0.062 - 0.011 * ridge)
    depth = y - top[None, :]
    rock = noise(rng, height, width, 5, 7, 0.62)
    folds = rock - 1.6 * np.abs(noise(rng, height, width, 14, 5, 0.55))
    lit = np.clip(0.5 + 0.55 * (shifted(folds, 1, 2) - folds), 0, 1)
    base = (rgb(96, 100, 112), rgb(84, 92, 92), rgb(66, 84, 62), rgb(46, 68, 40))[ridge]
    colour = base * (0.45 + 0.95 * lit)[..., None] + rgb(26, 16, 4) * lit[..., None]
    if ridge < 2:
        snow = np.clip((height * 0.11 - depth + 16 * rock) / 14, 0, 1) * (0.93, 0.55)[ridge]
        colour = blend(colour, rgb(236, 240, 248) * (0.62 + 0.42 * lit)[..., None], snow)
    haze = (0.48, 0.36, 0.22, 0.08)[ridge] + np.clip(depth / (height * 0.5), 0, 0.3)
    colour = blend(colour, rgb(196, 206, 214), np.clip(haze, 0, 1))
    return blend(scene, colour, np.clip(depth, 0, 1) * (y < shore))


def forest(rng: np.random.Generator, scene: Array, shore: int) -> Array:
    """Firs along the far shore, each a ragged cone, the near ones darker."""
    height, width = scene.shape[:2]
    big = Image.new("RGBA", (width * 2, height * 2))
    draw = ImageDraw.Draw(big)
    for tree in range(150):
        foot = shore * 2 + rng.uniform(-10, 3)
        at = rng.uniform(0, width * 2)
        if 0.60 < at / (2 * width) < 0.77:
            continue
        tall = rng.uniform(26, 66) * (0.75 + 0.5 * (tree / 150))
        hue = rng.uniform(-8, 12)
        for layer in range(9):
            share = layer / 9
            low, half = foot - tall * share, tall * 0.20 * (1 - share) * rng.uniform(0.8, 1.25) + 1
            fill = (int(22 + hue + 26 * share), int(46 + hue + 34 * share), int(30 + 14 * share), 255)
            draw.polygon([(at - half, low), (at + half, low), (at + rng.normal(0, 1), low - tall * 0.24)], fill=fill)
            warm = (int(70 + hue), int(84 + hue), 42, 255)
            draw.line([(at - half * 0.8, low - 1), (at - half * 0.15, low - tall * 0.16)], fill=warm, width=1)
    return paste(scene, big)


def cabin(scene: Array, shore: int) -> Array:
    """A red house with a chimney, its gable towards the light."""
    height, width = scene.shape[:2]
    big = Image.new("RGBA", (width * 2, height * 2))
    draw = ImageDraw.Draw(big)
    left, foot, wide, tall = 0.63 * width * 2, shore * 2 - 1, 150, 62
    gable = left + 62
    draw.rectangle([gable, foot - tall, left + wide, foot], fill=(122, 44, 34, 255))
    draw.polygon(
        [(left, foot), (left, foot - tall), (left + 31, foot - tall - 40), (gable, foot - tall), (gable, foot)],
        fill=(178, 66, 46, 255),
    )
    for plank in range(0, wide, 7):
        draw.line([(left + plank, foot), (left + plank, foot - tall)], fill=(110, 36, 28, 90), width=1)
    roof = [
        (left + 27, foot - tall - 46),
        (left + wide - 30, foot - tall - 46),
        (left + wide + 8, foot - tall + 4),
        (gable + 6, foot - tall + 4),
    ]
    draw.polygon(roof, fill=(74, 66, 70, 255))
    draw.line([(left - 7, foot - tall + 6), (left + 29, foot - tall - 45)], fill=(226, 214, 196, 255), width=4)
    draw.rectangle([left + 100, foot - tall - 66, left + 114, foot - tall - 36], fill=(120, 92, 80, 255))
    for at in (gable + 14, gable + 50):
        draw.rectangle([at, foot - 44, at + 20, foot - 20], fill=(240, 228, 200, 255))
        draw.rectangle([at + 2, foot - 42, at + 18, foot - 22], fill=(58, 66, 84, 255))
    draw.rectangle([left + 22, foot - 46, left + 42, foot - 22], fill=(255, 222, 140, 255))
    return paste(scene, big)


def paste(scene: Array, big: Image.Image) -> Array:
    """A drawing of twice the size, shrunk and laid over the scene."""
    height, width = scene.shape[:2]
    small = np.asarray(big.resize((width, height), Image.Resampling.BOX).convert("RGBA"), dtype=float) / 255
    return blend(scene, small[..., :3], small[..., 3])


def water(rng: np.random.Generator, scene: Array, shore: int) -> Array:
    """Below the shore: the scene upside down, rippled, darker and bluer, with the sun's glitter on it."""
    height, width = scene.shape[:2]
    y, x = np.mgrid[shore:height, 0:width]
    below = (y - shore).astype(float)
    wave = noise(rng, (height - shore) * 6, width, 7, 5, 0.6)[::6]
    shift = wave * (0.6 + below * 0.055)
    from_row = np.clip(shore - 1 - below * 1.18 + shift * 1.8, 0, shore - 1).astype(int)
    from_column = np.clip(x + shift * 0.9, 0, width - 1).astype(int)
    mirror = scene[from_row, from_column] * 0.80 + rgb(4, 12, 22)
    mirror = blend(mirror, rgb(36, 74, 96), np.clip(0.12 + below / (height - shore) * 0.4, 0, 0.5))
    glitter = np.exp(-(((x - 0.30 * width) / (18 + below * 0.38)) ** 2)) * np.clip(wave - 0.55, 0, 1.4)
    result = scene.copy()
    result[shore:] = blend(mirror, rgb(255, 232, 190), np.clip(glitter * 0.75, 0, 1))
    result[shore - 1 : shore + 2] = result[shore - 1 : shore + 2] * 0.72 + rgb(40, 36, 26) * 0.28
    return result


def meadow(rng: np.random.Generator, scene: Array) -> Array:
    """The near bank in the right-hand corner: blades of grass and flowers."""
    height, width = scene.shape[:2]
    big = Image.new("RGBA", (width * 2, height * 2))
    draw = ImageDraw.Draw(big)
    for blade in range(5200):
        at = rng.uniform(0, 1)
        edge = 0.985 - 0.17 * at**1.6 - 0.035 * np.sin(at * 9)
        foot = edge + (1.06 - edge) * (blade / 5200)
        tone = rng.uniform(0.45, 1.1) * (0.7 + 0.4 * np.cos((at - 0.3) * 2))
        fill = (int(96 * tone), int(116 * tone), int(40 * tone), 255)
        x, y, tall = at * width * 2, foot * height * 2, rng.uniform(10, 30)
        lean = rng.normal(3, 6)
        draw.line([(x, y), (x + lean * 0.3, y - tall * 0.6), (x + lean, y - tall)], fill=fill, width=2)
        if blade % 31 == 0 and foot > edge + 0.02:
            petal = ((236, 196, 60), (240, 240, 236), (196, 74, 96))[blade // 31 % 3]
            draw.ellipse([x + lean - 3, y - tall - 3, x + lean + 3, y - tall + 2], fill=(*petal, 255))
    return paste(scene, big)


# The painting.


def swirls(height: int = 512, width: int = 640) -> Image.Image:
    """Long strokes over short ones, following whirls; then relief from the height of the paint."""
    rng = np.random.default_rng(11)
    angle = whirls(height, width)
    palette = colours(rng, height, width)
    canvas = palette * 0.5 + rgb(40, 34, 30) * 0.5
    thickness = np.zeros((height, width))
    for wide, count in ((15.0, 1500), (9.0, 3600), (5.5, 5200)):
        for _ in range(count):
            start = rng.uniform(0, 1, 2) * (height, width)
            stroke(rng, canvas, thickness, angle, palette, start, wide)
    return to_image(relief(canvas, thickness))


def whirls(height: int, width: int) -> Array:
    """The direction of the brush at each pixel, in radians: around a few centres, level between them."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    across, along = np.full((height, width), 0.55), np.full((height, width), 0.12)
    for cy, cx, size, turn in (
        (0.30, 0.28, 0.20, 1.0), (0.24, 0.74, 0.15, -1.0), (0.58, 0.56, 0.17, 1.0), (0.80, 0.16, 0.15, -1.0),
        (0.82, 0.88, 0.18, 1.0),
    ):  # fmt: skip
        dy, dx = (y - cy * height) / height, (x - cx * width) / height
        strength = np.exp(-(dy**2 + dx**2) / (2 * size**2)) / (size * 0.5)
        along += turn * dx * strength * 2.2
        across += -turn * dy * strength * 2.2
    return np.asarray(np.arctan2(along, across))


def colours(rng: np.random.Generator, height: int, width: int) -> Array:
    """What is painted: dark blue to turquoise in streams, warm lights at the whirls' hearts, ochre below."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    ramp = np.stack([rgb(18, 30, 84), rgb(28, 66, 140), rgb(48, 122, 172), rgb(120, 182, 188), rgb(212, 216, 172)])
    value = np.clip(0.42 + 0.20 * noise(rng, height, width, 3, 4, 0.6), 0, 0.999) * (len(ramp) - 1)
    low = value.astype(int)
    picture = ramp[low] + (ramp[np.minimum(low + 1, 4)] - ramp[low]) * (value - low)[..., None]
    for cy, cx, size, colour in (
        (0.30, 0.28, 0.10, rgb(250, 206, 70)), (0.24, 0.74, 0.075, rgb(255, 232, 150)),
        (0.58, 0.56, 0.07, rgb(240, 170, 60)),
    ):  # fmt: skip
        distance = np.hypot(y / height - cy, (x - cx * width) / height)
        picture = blend(picture, colour, np.exp(-((distance / size) ** 2)))
        ring = np.exp(-(((distance - 1.75 * size) / (0.35 * size)) ** 2))
        picture = blend(picture, colour * 0.6 + rgb(120, 190, 170) * 0.4, ring * 0.7)
    hills = np.clip((y / height - 0.74 - 0.05 * np.sin(x / width * 7 + 0.6)) * 14, 0, 1)
    ground = blend(
        np.broadcast_to(rgb(156, 84, 36), picture.shape),
        rgb(66, 92, 48),
        np.clip(0.5 + 0.5 * noise(rng, height, width, 5, 3), 0, 1),
    )
    return blend(picture, ground, hills * 0.92)


def stroke(
    rng: np.random.Generator, canvas: Array, thickness: Array, angle: Array, palette: Array, start: Array, wide: float
) -> None:
    """One pull of a bristled brush along the field: a ribbon whose bristles differ in tone and load."""
    height, width = thickness.shape
    steps, bristles = int(wide * rng.uniform(2.5, 4.5)), max(4, int(wide * 1.6))
    row, column = int(start[0]), int(start[1])
    colour = np.clip(palette[row, column] * rng.uniform(0.78, 1.22) + rng.normal(0, 0.035, 3), 0, 1)
    path = np.empty((steps, 2))
    heading, at = np.empty(steps), np.array(start, dtype=float)
    for i in range(steps):
        heading[i] = angle[min(max(int(at[0]), 0), height - 1), min(max(int(at[1]), 0), width - 1)]
        path[i] = at
        at = at + np.array([np.sin(heading[i]), np.cos(heading[i])])
    spread = np.linspace(-0.5, 0.5, bristles)
    taper = np.minimum(1, np.minimum(np.arange(steps) + 2, (steps - np.arange(steps)) * 0.8 + 0.6) / (wide * 0.45))
    offset = spread[None, :] * (wide * taper)[:, None]
    rows = np.rint(path[:, :1] + np.cos(heading)[:, None] * offset).astype(int)
    columns = np.rint(path[:, 1:] - np.sin(heading)[:, None] * offset).astype(int)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    tone = np.broadcast_to(1 + rng.normal(0, 0.085, bristles), rows.shape)
    load = (0.55 + 0.45 * rng.random(bristles))[None, :] * (1 - 4 * spread**2 * 0.55)[None, :]
    load = np.broadcast_to(load, rows.shape) * np.linspace(1, 0.55, steps)[:, None]
    r, c = rows[inside], columns[inside]
    canvas[r, c] = np.clip(colour * tone[inside][:, None], 0, 1) * 0.92 + canvas[r, c] * 0.08
    thickness[r, c] = thickness[r, c] * 0.35 + load[inside] * (0.5 + wide / 18)


def relief(canvas: Array, thickness: Array) -> Array:
    """Light from the upper left on the paint's surface, with a little gloss."""
    around = [np.roll(thickness, shift, (0, 1)) for shift in ((0, 1), (0, -1), (1, 0), (-1, 0))]
    down, across = np.gradient(thickness * 0.4 + np.sum(around, axis=0) * 0.15)
    slope: Array = -(np.asarray(down) + np.asarray(across))
    shaded: Array = canvas * (1 + np.clip(slope, -0.6, 0.6) * 0.55)[..., None]
    return shaded + (np.clip(slope - 0.22, 0, 1) ** 1.5 * 0.35)[..., None]


def to_image(scene: Array) -> Image.Image:
    return Image.fromarray((np.clip(scene, 0, 1) * 255 + 0.5).astype(np.uint8))


def main(folder: Path) -> None:
    for name, picture in (("lake", lake()), ("swirls", swirls())):
        picture.save(folder / f"{name}.jpg", quality=90, subsampling=0, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
