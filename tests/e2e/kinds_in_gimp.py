"""Runs inside GIMP: an image of every kind, a layer in every state, painted one by one, and what came of each.

The filter's own modules are called in this process, for a process of the plug-in's a case would take ten times as long.
The tests outside read the facts (kinds.json) and judge; nothing is judged here.
"""

# mypy: ignore-errors
# Everything in here is GIMP's, whose library has no types.

import array
import base64
import itertools
import json
import os
import sys
import time
from pathlib import Path

from gi.repository import Gegl, Gimp, Gio

FOLDER = Path(os.environ["IMPASTO_TEST_FOLDER"])
PLUG_IN = FOLDER / "profile/plug-ins/impasto"
ICC = Path("/usr/share/color/icc/ghostscript")
"""Profiles that come with Ghostscript, and so with most GIMPs."""
PDB = Gimp.get_pdb()
RGB, GRAY = Gimp.ImageBaseType.RGB, Gimp.ImageBaseType.GRAY
TYPES = {(RGB, False): 0, (RGB, True): 1, (GRAY, False): 2, (GRAY, True): 3}
WIDTH, HEIGHT = 12, 8
PRECISIONS = [
    f"{size}_{curve}" for size in ("U8", "U16", "U32", "HALF", "FLOAT", "DOUBLE") for curve in ("NON_LINEAR", "LINEAR")
]

sys.path.insert(0, str(PLUG_IN))
import impasto  # noqa: E402

impasto.use_own_libraries()
import order  # noqa: E402
import pixels  # noqa: E402
import progress  # noqa: E402
import restyle  # noqa: E402
import run  # noqa: E402
from impasto_protocol.errors import ImpastoError  # noqa: E402


class Procedure:
    """In place of the filter's own, which lives in another process; its plug-in too."""

    on_quit = None

    def get_plug_in(self):
        return self

    def persistent_enable(self): ...


def arguments(name, image, **given):
    config = PDB.lookup_procedure(f"plug-in-impasto-{name}").create_config()
    config.set_property("image", image)
    for argument, value in given.items():
        config.set_property(argument.replace("_", "-"), value)
    return config


def told(work):
    """What an artist is told, and whether it was done."""
    try:
        return {"status": "success", "message": "", "notes": work()}
    except ImpastoError as error:
        return {"status": "execution-error", "message": str(error), "notes": []}


def paint(image, drawables, **given):
    config = arguments("style-transfer", image, **{"style_layer": STYLE, **given})

    def work():
        source = pixels.only_layer(image, drawables, order.LIMITS)
        return run.paint(Procedure(), image, source, config, progress.StatusBar())

    return told(work)


def paint_again(image, drawables, **given):
    config = arguments("restyle", image, **given)
    return told(lambda: restyle.restyle(Procedure(), Gimp.RunMode.NONINTERACTIVE, image, drawables, config))


# Pictures -------------------------------------------------------------------------------------------------


def image_of(base=RGB, precision="U8_NON_LINEAR", profile=None):
    image = Gimp.Image.new_with_precision(40, 30, base, getattr(Gimp.Precision, precision))
    if profile is not None:
        image.set_color_profile(profile)
    return image


def layer_of(image, alpha=False, size=(WIDTH, HEIGHT), parent=None, offsets=(3, 4), name="source"):
    """A layer with a ramp of colours, its left quarter transparent where it has alpha."""
    kind = Gimp.ImageType(TYPES[image.get_base_type(), alpha])
    layer = Gimp.Layer.new(image, name, *size, kind, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, parent, 0)
    layer.set_offsets(*offsets)
    width, height = size
    samples = array.array("f")
    for y in range(height):
        for x in range(width):
            opaque = float(x >= width // 4 or not alpha)
            samples.extend((0.1 + 0.8 * x / max(1, width - 1), 0.1 + 0.8 * y / max(1, height - 1), 0.5, opaque))
    write(layer, samples)
    return layer


def write(layer, samples):
    buffer = layer.get_buffer()
    whole = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    buffer.set(whole, "R'G'B'A float", samples.tobytes())
    buffer.flush()


def read(layer):
    whole = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    return layer.get_buffer().get(whole, 1.0, "R'G'B'A float", Gegl.AbyssPolicy.NONE)


def look(image, layer):
    """The layer's part of the image as it is seen, floats."""
    left, top = layer.get_offsets()[1:]
    visible = Gimp.Layer.new_from_visible(image, image, "seen")
    part = Gegl.Rectangle.new(left, top, layer.get_width(), layer.get_height())
    try:
        return visible.get_buffer().get(part, 1.0, "R'G'B'A float", Gegl.AbyssPolicy.NONE)
    finally:
        visible.delete()


def group_in(image, parent=None, name="group"):
    group = Gimp.GroupLayer.new(image, name)
    image.insert_layer(group, parent, 0)
    return group


def tree(image, layers=None):
    """Each layer's name, and of a group what is in it: top first."""
    layers = image.get_layers() if layers is None else layers
    return [[one.get_name(), tree(image, one.get_children())] if one.is_group() else one.get_name() for one in layers]


def packed(samples):
    return base64.b64encode(samples).decode("ascii")


def about(layer):
    mask = layer.get_mask()
    return {
        "name": layer.get_name(),
        "type": layer.type().value_nick,
        "offsets": list(layer.get_offsets()[1:]),
        "size": [layer.get_width(), layer.get_height()],
        "parent": layer.get_parent().get_name() if layer.get_parent() else None,
        "mode": layer.get_mode().value_nick,
        "opacity": layer.get_opacity(),
        "mask": mask is not None and shown(mask),
        "pixels": packed(read(layer)),
    }


def shown(mask):
    """The first and the last column of its middle row that it shows, in the image."""
    width, row = mask.get_width(), Gegl.Rectangle.new(0, mask.get_height() // 2, mask.get_width(), 1)
    values = mask.get_buffer().get(row, 1.0, "Y u8", Gegl.AbyssPolicy.NONE)
    columns = [x + mask.get_offsets()[1] for x in range(width) if values[x] > 127]
    return [columns[0], columns[-1]] if columns else []


def painting_of(image):
    """The first layer that keeps how it was painted, at any depth."""

    def walk(layers):
        for layer in layers:
            yield layer
            if layer.is_group():
                yield from walk(layer.get_children())

    return next((layer for layer in walk(image.get_layers()) if layer.get_parasite("impasto")), None)


def facts(image, source, drawables=None, **given):
    """Paint it, and everything about the image and the painting that a test may ask."""
    before, pixels_before = tree(image), source and read(source)
    result = paint(image, [source] if drawables is None else drawables, **given)
    result |= {"before": before, "after": tree(image)}
    if source:
        result |= {"source": packed(pixels_before), "untouched": read(source) == pixels_before}
        result["source_place"] = [list(source.get_offsets()[1:]), [source.get_width(), source.get_height()]]
    profile = image.get_color_profile()
    result |= {"profile": profile.get_label() if profile else None}
    painting = painting_of(image)
    if painting is not None:
        result |= about(painting)
        result["request"] = json.loads(bytes(painting.get_parasite("impasto").get_data()))["record"]["request"]
        result["selected"] = [layer.get_name() for layer in image.get_selected_layers()]
        home = painting.get_parent()
        if home is not None:
            result |= {"group_mask": about(home)["mask"], "colours": packed(read(home.get_children()[0]))}
        result["seen"] = packed(look(image, painting))
    image.delete()
    return result


# The cases ------------------------------------------------------------------------------------------------


def of_kind(base, precision, alpha=False, profile=None):
    image = image_of(base, precision, profile)
    return facts(image, layer_of(image, alpha))


def of_file(name):
    """A profile from a file."""
    return Gimp.ColorProfile.new_from_file(Gio.File.new_for_path(str(name)))


def simulated():
    image = image_of()
    image.set_simulation_profile(of_file(ICC / "default_cmyk.icc"))
    layer = layer_of(image)
    return facts(image, layer)


def indexed(alpha=False, **given):
    image = image_of()
    layer = layer_of(image, alpha)
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 64, False, False, "")
    return facts(image, layer, **given)


def prepared(prepare, alpha=False, base=RGB, **place):
    """A layer to which something was done. prepare: (image, layer) to the layer to paint, or None for that one."""
    image = image_of(base)
    layer = layer_of(image, alpha, **place)
    made = prepare(image, layer)
    return facts(image, made if isinstance(made, Gimp.Layer) else layer)


def with_mask(image, layer):
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.BLACK))
    layer.set_edit_mask(False)


def half_hidden(image, layer):
    layer.set_opacity(30)
    layer.set_mode(Gimp.LayerMode.MULTIPLY)


def invisible(image, layer):
    layer.set_visible(False)


def filtered(image, layer):
    """Turned round twice: as it was."""
    for _ in range(2):
        layer.append_filter(Gimp.DrawableFilter.new(layer, "gegl:invert-gamma", "invert"))


def filtered_group(image, layer):
    group = grouped(image, layer)
    filtered(image, group)
    return group


def grouped(image, layer, mode=None):
    group = group_in(image)
    image.reorder_item(layer, group, 0)
    if mode is not None:
        group.set_mode(mode)
    return group


def nested(image, layer):
    inner = grouped(image, layer)
    outer = group_in(image, name="outer")
    image.reorder_item(inner, outer, 0)
    return inner


def locked(lock):
    return lambda image, layer: getattr(layer, f"set_lock_{lock}")(True)


def locked_parent(lock):
    def prepare(image, layer):
        getattr(grouped(image, layer), f"set_lock_{lock}")(True)

    return prepare


def text(image, layer):
    made = Gimp.TextLayer.new(image, "Impasto", Gimp.context_get_font(), 8, Gimp.Unit.pixel())
    image.insert_layer(made, None, 0)
    return made


def link(image, layer):
    """GIMP 3.2: a layer whose pixels lie in another file."""
    image_file = Gio.File.new_for_path(str(FOLDER / "linked.png"))
    other = image_of()
    layer_of(other, offsets=(0, 0))
    other.resize(WIDTH, HEIGHT, 0, 0)
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, other, image_file, None)
    other.delete()
    made = Gimp.LinkLayer.new(image, image_file)
    image.insert_layer(made, None, 0)
    return made


def vector(image, layer):
    """GIMP 3.2: a layer that is drawn from a path."""
    path = Gimp.Path.new(image, "path")
    image.insert_path(path, None, 0)
    path.stroke_new_from_points(
        Gimp.PathStrokeType.BEZIER, [2, 2, 2, 2, 2, 2, 20, 2, 20, 2, 20, 2, 10, 20, 10, 20, 10, 20], True
    )
    made = Gimp.VectorLayer.new(image, path)
    image.insert_layer(made, None, 0)
    return made


def drawn(make):
    """A drawable that is no layer, or several: make: image to drawables."""
    image = image_of()
    layer_of(image)
    return facts(image, None, make(image))


def a_channel(image):
    channel = Gimp.Channel.new(image, "channel", 40, 30, 50, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    return [channel]


def a_mask(image):
    layer = image.get_layers()[0]
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
    return [layer.get_mask()]


def a_stranger():
    """A layer of another image than the one that it is given with."""
    stranger = image_of()
    layer = layer_of(stranger, name="stranger")
    try:
        return drawn(lambda _image: [layer])
    finally:
        stranger.delete()


def floating(image):
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 4, 5, 5, 5)
    Gimp.Selection.float(image, image.get_layers(), 0, 0)
    return [image.get_floating_sel()]


def below_floating(image):
    floating(image)
    return [image.get_layers()[-1]]


def forgotten():
    """The layer is deleted while it is painted, and GIMP can bring it back no more."""
    image = image_of()
    source = layer_of(image, alpha=True)

    class Forgets(progress.StatusBar):
        def end(self):
            super().end()
            image.remove_layer(source)
            image.undo_disable()

    config = arguments("style-transfer", image, style_layer=STYLE)
    result = told(lambda: run.paint(Procedure(), image, source, config, Forgets()))
    result |= {"known": source.is_valid(), "after": tree(image), **about(painting_of(image))}
    image.delete()
    return result


def style_in_a_group():
    """Of a style in another image, which has groups, the part that is selected."""
    other = image_of()
    group = group_in(other)
    layer_of(other, parent=group, size=(5, 5), name="not this one")
    sketch = layer_of(other, parent=group, offsets=(0, 0), name="this one")
    other.select_rectangle(Gimp.ChannelOps.REPLACE, 2, 2, 5, 3)
    image = image_of()
    result = facts(image, layer_of(image), style_layer=sketch)
    other.delete()
    return result


# Keep my colours ------------------------------------------------------------------------------------------


def kept(base=RGB, precision="U8_NON_LINEAR", alpha=False, profile=None, prepare=None):
    """A painting that keeps the colours of what it was painted from."""
    image = image_of(base, precision, profile)
    source = layer_of(image, alpha)
    if prepare is not None:
        prepare(image, source)
    return facts(image, source, keep_colours=True)


def selected(image, layer):
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 5, 6, 4, 4)


def saturated(image, layer):
    """A green that sRGB has not."""
    write(layer, array.array("f", (-0.3, 0.93, 0.1, 1.0) * (WIDTH * HEIGHT)))


def again(which, change=None, wanted=False, first=True, moved=None):
    """Painted again after the source has changed. which: (group, painting, colours) to what the artist has selected;
    change: what else was done to them. first: whether it kept the colours at first, wanted: whether it shall.
    moved: the image to the one in which it is painted again."""
    image = image_of()
    source = layer_of(image)
    assert paint(image, [source], keep_colours=first)["status"] == "success"
    if moved is not None:
        other = moved(image)
        image.delete()
        image, source = other, other.get_layer_by_name("source")
    painting = painting_of(image)
    group = painting.get_parent()
    colours = group.get_children()[0] if group else None
    if change is not None:
        change(group, painting, colours)
    source.invert(False)
    colours = colours if colours and colours.get_parent() else None
    before, colours_before, was = tree(image), colours and packed(read(colours)), packed(read(painting))
    result = paint_again(image, [which(group, painting, colours)], keep_colours=wanted)
    result |= {"before": before, "after": tree(image), "source": packed(read(source)), **about(painting_of(image))}
    result["pixels_before"] = was
    result["source_place"] = about(source)["offsets"], about(source)["size"]
    home = painting_of(image).get_parent()
    if home:
        result |= {"colours_before": colours_before, "colours": packed(read(home.get_children()[0]))}
        result |= {"group_mode": home.get_mode().value_nick}
    result["seen"] = packed(look(image, painting))
    image.delete()
    return result


def reloaded(image):
    file = Gio.File.new_for_path(str(FOLDER / "kept.xcf"))
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
    return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)


def resized(group, painting, colours):
    group.get_image().get_layer_by_name("source").resize(20, 10, 4, 1)


def scribble(group, painting, colours):
    samples = array.array("f", read(colours))
    samples[0] = 0.9
    write(colours, samples)


def refused(step, work):
    """GIMP refuses this one of the times that a layer is put somewhere."""
    check, calls = pixels.check_done, itertools.count(1)
    pixels.check_done = lambda done: check(done and next(calls) != step)
    try:
        return work()
    finally:
        pixels.check_done = check


KEPT = {
    **{f"step {step} refused": lambda step=step: refused(step, kept) for step in (1, 2, 3)},
    "refused later": lambda: refused(
        3, lambda: again(lambda group, painting, colours: painting, wanted=True, first=False)
    ),
    "RGB": kept,
    "RGBA": lambda: kept(alpha=True),
    "RGB U16_LINEAR": lambda: kept(precision="U16_LINEAR"),
    "RGB FLOAT_LINEAR": lambda: kept(precision="FLOAT_LINEAR"),
    "GRAY": lambda: kept(GRAY),
    "INDEXED": lambda: indexed(keep_colours=True),
    "Adobe RGB": lambda: kept(profile=Gimp.ColorProfile.new_rgb_adobe()),
    "a green beyond sRGB": lambda: kept(profile=Gimp.ColorProfile.new_rgb_adobe(), prepare=saturated),
    "a selection": lambda: kept(prepare=selected),
    "in a group": lambda: kept(prepare=grouped),
    "the painting again": lambda: again(lambda group, painting, colours: painting),
    "the group again": lambda: again(lambda group, painting, colours: group),
    "the colours again": lambda: again(lambda group, painting, colours: colours),
    "a larger source": lambda: again(lambda group, painting, colours: group, resized),
    "from an XCF": lambda: again(lambda group, painting, colours: group, moved=reloaded),
    "in a copy of the image": lambda: again(
        lambda group, painting, colours: group, moved=lambda image: image.duplicate()
    ),
    "changed colours": lambda: again(lambda group, painting, colours: group, scribble),
    "locked colours": lambda: again(
        lambda group, painting, colours: painting, lambda group, painting, colours: colours.set_lock_content(True)
    ),
    "later": lambda: again(lambda group, painting, colours: painting, wanted=True, first=False),
    "later with a mode": lambda: again(
        lambda group, painting, colours: painting,
        lambda group, painting, colours: painting.set_mode(Gimp.LayerMode.MULTIPLY),
        wanted=True,
        first=False,
    ),
    "removed colours": lambda: again(
        lambda group, painting, colours: group,
        lambda group, painting, colours: group.get_image().remove_layer(colours),
        wanted=True,
    ),
    "two paintings in a group": lambda: again(
        lambda group, painting, colours: group,
        lambda group, painting, colours: group.get_image().insert_layer(painting.copy(), group, 0),
    ),
}
KINDS = {f"{name} {precision}": (base, precision) for name, base in (("RGB", RGB), ("GRAY", GRAY))
         for precision in PRECISIONS}  # fmt: skip
PROFILES = {
    "GRAY with grey as L*": (GRAY, "U8_NON_LINEAR", Gimp.ColorProfile.new_d50_gray_lab_trc),
    "RGB with an sRGB of another maker": (RGB, "U8_NON_LINEAR", lambda: of_file(FOLDER / "srgb.icc")),
    "RGB with Adobe RGB": (RGB, "U8_NON_LINEAR", Gimp.ColorProfile.new_rgb_adobe),
    "RGB U16 with ROMM RGB": (RGB, "U16_NON_LINEAR", lambda: of_file(ICC / "rommrgb.icc")),
    "RGB with a profile of no space": (RGB, "U8_NON_LINEAR", lambda: of_file(FOLDER / "tables.icc")),
}
"""Each new colour space makes GEGL slower in this process, so these are few."""
LOCKS = ("content", "position", "alpha", "visibility")
STATES = {
    "as it is": lambda image, layer: None,
    "a layer mask": with_mask,
    "opacity and mode": half_hidden,
    "invisible": invisible,
    "filters": filtered,
    "filters of a group": filtered_group,
    "a group": grouped,
    "a pass-through group": lambda image, layer: grouped(image, layer, Gimp.LayerMode.PASS_THROUGH),
    "a nested group": nested,
    "a text layer": text,
    **{f"locked {lock}": locked(lock) for lock in LOCKS},
    **{f"in a group with locked {lock}": locked_parent(lock) for lock in LOCKS if lock != "alpha"},
}
PLACES = {
    "1×1": {"size": (1, 1)},
    "1×9": {"size": (1, 9)},
    "9×1": {"size": (9, 1)},
    "partly outside": {"offsets": (-5, 26)},
    "outside": {"offsets": (100, 100)},
    "larger than the image": {"size": (60, 50), "offsets": (-10, -10)},
}
OTHERS = {
    "a channel": a_channel,
    "a layer mask that is edited": a_mask,
    "the selection": lambda image: [image.get_selection()],
    "a floating selection": floating,
    "a layer below a floating selection": below_floating,
    "no layer": lambda image: [],
    "an empty group": lambda image: [group_in(image)],
}
CASES = {
    **{name: lambda of=of: of_kind(*of, alpha="NON" in of[1]) for name, of in KINDS.items()},
    **{name: lambda of=of: of_kind(*of[:2], profile=of[2]()) for name, of in PROFILES.items()},
    "RGB with a CMYK simulation": simulated,
    "INDEXED": indexed,
    "INDEXED with alpha": lambda: indexed(True),
    **{f"layer: {name}": lambda prepare=prepare: prepared(prepare, True) for name, prepare in STATES.items()},
    **{f"layer: {name}": lambda place=place: prepared(lambda *_: None, **place) for name, place in PLACES.items()},
    **{f"other: {name}": lambda make=make: drawn(make) for name, make in OTHERS.items()},
    "other: a layer of another image": a_stranger,
    "a style in a group": style_in_a_group,
    "a layer that is forgotten": forgotten,
    **{f"colours: {name}": case for name, case in KEPT.items()},
    **({"layer: a link layer": lambda: prepared(link)} if hasattr(Gimp, "LinkLayer") else {}),
    **({"layer: a vector layer": lambda: prepared(vector)} if hasattr(Gimp, "VectorLayer") else {}),
}  # fmt: skip


def main():
    global STYLE
    home = image_of()
    STYLE = layer_of(home, name="sketch")
    found = {}
    for name, case in CASES.items():
        begun = time.monotonic()
        found[name] = case()
        found[name]["images_left"] = len(Gimp.get_images())
        print(name, found[name]["status"], found[name]["message"], f"{time.monotonic() - begun:.3f} s", flush=True)
    (FOLDER / "kinds.json").write_text(json.dumps(found))


if __name__ == "__main__" or "IMPASTO_TEST_FOLDER" in os.environ:
    main()
