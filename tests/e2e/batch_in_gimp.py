"""Runs inside GIMP: paints layers, images and an animation's frames in a row, and writes down what came of each.

The tests outside read the facts (batch.json) and judge; nothing is judged here.
"""

# mypy: ignore-errors
# Everything in here is GIMP's, whose library has no types.

import json
import os
from pathlib import Path

from gi.repository import Gegl, Gimp, Gio

FOLDER = Path(os.environ["IMPASTO_TEST_FOLDER"])
WIDTH, HEIGHT = 32, 24
RED, GREEN, BLUE, GREY = (200, 0, 0, 255), (0, 200, 0, 255), (0, 0, 200, 255), (90, 90, 90, 255)
NOTHING = (0, 0, 0, 0)


def image_of():
    return Gimp.Image.new(WIDTH, HEIGHT, Gimp.ImageBaseType.RGB)


def layer_of(image, name, colour, parent=None, box=(0, 0, WIDTH, HEIGHT)):
    """A layer of one colour, on top of the others."""
    left, top, width, height = box
    layer = Gimp.Layer.new(image, name, width, height, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)
    buffer = layer.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, width, height), "R'G'B'A u8", bytes(colour) * (width * height))
    buffer.flush()
    image.insert_layer(layer, parent, 0)
    layer.set_offsets(left, top)
    return layer


def pixel(layer, x, y):
    rectangle = Gegl.Rectangle.new(x, y, 1, 1)
    return list(layer.get_buffer().get(rectangle, 1.0, "R'G'B'A u8", Gegl.AbyssPolicy.NONE))


def call(image, drawables, procedure="batch", **arguments):
    procedure = Gimp.get_pdb().lookup_procedure(f"plug-in-impasto-{procedure}")
    config = procedure.create_config()
    config.set_property("image", image)
    if drawables:
        config.set_core_object_array("drawables", drawables)
    config.set_property("style-file", Gio.File.new_for_path(str(FOLDER / "starry_night.png")))
    for name, value in arguments.items():
        config.set_property(name.replace("_", "-"), value)
    result = procedure.run(config)
    last = result.index(1) if result.length() > 1 else None
    return {"status": result.index(0).value_nick, "message": last if isinstance(last, str) else ""}, last


def rows(layers):
    """Each layer from the top down, with those of its groups: its name, and its pixels' colour in the middle."""
    found = []
    for layer in layers:
        middle = pixel(layer, layer.get_width() // 2, layer.get_height() // 2)
        found.append([layer.get_name(), middle])
        if layer.is_group():
            found += rows(layer.get_children())
    return found


def selected():
    """With the filter itself: three layers that can be painted, one of them in a group, and two that cannot."""
    image = image_of()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layers = [
        layer_of(image, "red", RED),
        layer_of(image, "green", GREEN, group),
        layer_of(image, "empty", NOTHING),
        layer_of(image, "outside", GREEN, box=(100, 100, 5, 5)),
        layer_of(image, "blue", BLUE),
    ]
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, WIDTH, HEIGHT)
    image.set_selected_layers(layers)
    told, _ = call(image, layers, "style-transfer")
    told["selected"] = [layer.get_name() for layer in image.get_selected_layers()]
    told["layers"] = rows(image.get_layers())
    image.delete()
    return told


def visible():
    """One is hidden, and one was painted before."""
    image = image_of()
    layer_of(image, "red", RED)
    layer_of(image, "hidden", GREEN).set_visible(False)
    layer_of(image, "painted", BLUE).attach_parasite(Gimp.Parasite.new("impasto", 0, b"{}"))
    told, _ = call(image, [], paint="visible-layers")
    told["layers"] = rows(image.get_layers())
    image.delete()
    return told


def nothing_at_all():
    image = image_of()
    told, _ = call(image, [layer_of(image, "empty", NOTHING), layer_of(image, "void", NOTHING)])
    told["layers"] = rows(image.get_layers())
    image.delete()
    return told


def images():
    made = [image_of() for _ in range(2)]
    for image, name, colour in zip(made, ("red", "blue"), (RED, BLUE)):
        image.set_selected_layers([layer_of(image, name, colour)])
    told, _ = call(made[0], made[0].get_selected_layers(), paint="all-images")
    told["layers"] = [rows(image.get_layers()) for image in made]
    for image in made:
        image.delete()
    return told


def frames():
    """An animation as a GIF has it: a palette, and frames that are laid over those before."""
    image = image_of()
    layer_of(image, "Frame 1 (100ms)", GREY)
    layer_of(image, "Frame 2 (200ms) (combine)", RED, box=(4, 4, 8, 8))
    layer_of(image, "Frame 3 (50ms) (replace)", NOTHING)
    layer_of(image, "Frame 4", BLUE)
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 64, False, False, "")
    before = rows(image.get_layers())
    told, painted = call(image, [], paint="frames", seed=7)
    told["untouched"] = rows(image.get_layers()) == before
    told["layers"] = rows(painted.get_layers())
    told["unsaved"] = painted.is_dirty()
    told["kind"] = painted.get_base_type().value_nick
    told["corners"] = [[pixel(layer, 0, 0), pixel(layer, 8, 8)] for layer in painted.get_layers()]
    records = [layer.get_parasite("impasto") for layer in painted.get_layers()]
    told["records"] = [json.loads(bytes(each.get_data()))["record"] if each else None for each in records]
    told["sizes"] = [[layer.get_width(), layer.get_height()] for layer in painted.get_layers()]
    painted.delete()
    image.delete()
    return told


def frames_of_nothing():
    """None of them can be painted."""
    image = image_of()
    layer_of(image, "Frame 1", NOTHING)
    told, _ = call(image, [], paint="frames")
    image.delete()
    return told


CASES = {
    "selected": selected,
    "visible": visible,
    "nothing": nothing_at_all,
    "images": images,
    "frames": frames,
    "frames of nothing": frames_of_nothing,
}

told = {}
for name, case in CASES.items():
    told[name] = case()
    told[name]["images_left"] = len(Gimp.get_images())
    print(name, told[name]["status"], told[name]["message"], flush=True)
(FOLDER / "batch.json").write_text(json.dumps(told))
