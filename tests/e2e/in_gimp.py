"""Runs inside GIMP: makes pictures of every kind, calls the filter on each, and writes down what came of it.

One start of GIMP serves all cases. The tests outside read the facts (gallery.json) and judge; nothing is judged here.
"""

# mypy: ignore-errors
# Everything in here is GIMP's, whose library has no types.

import base64
import json
import os
import sys
from pathlib import Path

from gi.repository import Gegl, Gimp, Gio

FOLDER = Path(os.environ["IMPASTO_TEST_FOLDER"])
STYLE = FOLDER / "starry_night.png"
WIDTH, HEIGHT = 40, 30
PDB = Gimp.get_pdb()

RGB, GRAY, INDEXED = Gimp.ImageBaseType.RGB, Gimp.ImageBaseType.GRAY, Gimp.ImageBaseType.INDEXED
TYPE = {(RGB, 0): 0, (RGB, 1): 1, (GRAY, 0): 2, (GRAY, 1): 3, (INDEXED, 0): 4, (INDEXED, 1): 5}


def image_of(base, precision=Gimp.Precision.U8_NON_LINEAR):
    return Gimp.Image.new_with_precision(100, 80, base, precision)


def layer_of(image, alpha=False, width=WIDTH, height=HEIGHT, parent=None, offsets=(0, 0), name="source"):
    """A layer with a ramp of colours (of greys in a grey image), a quarter of it transparent where it has alpha."""
    kind = Gimp.ImageType(TYPE[image.get_base_type(), int(alpha)])
    layer = Gimp.Layer.new(image, name, width, height, kind, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, parent, 0)
    layer.set_offsets(*offsets)
    ramp = bytearray()
    for y in range(height):
        for x in range(width):
            opaque = 255 if x >= width // 4 or not alpha else 0
            ramp += bytes((x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), 128, opaque))
    write(layer, bytes(ramp))
    return layer


def write(layer, rgba):
    buffer = layer.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height()), "R'G'B'A u8", rgba)
    buffer.flush()


def read(layer, form="R'G'B'A float"):
    rectangle = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    return layer.get_buffer().get(rectangle, 1.0, form, Gegl.AbyssPolicy.NONE)


def call(image, drawables, style=STYLE, procedure="style-transfer", **arguments):
    procedure = PDB.lookup_procedure(f"plug-in-impasto-{procedure}")
    config = procedure.create_config()
    config.set_property("image", image)
    config.set_core_object_array("drawables", drawables)
    if style is not None:
        config.set_property("style-file", Gio.File.new_for_path(str(style)))
    for name, value in arguments.items():
        config.set_property(name.replace("_", "-"), value)
    result = procedure.run(config)
    return {
        "status": result.index(0).value_nick,
        "message": result.index(1) if result.length() > 1 else "",
    }


def tree(image):
    """All layers, top first, each as [name, parent, place]."""
    rows = []

    def walk(layers, parent):
        for place, layer in enumerate(layers):
            rows.append([layer.get_name(), parent, place])
            if layer.is_group():
                walk(layer.get_children(), layer.get_name())

    walk(image.get_layers(), None)
    return rows


def new_layer(image, known):
    def walk(layers):
        for layer in layers:
            if layer.get_id() not in known:
                return layer
            found = walk(layer.get_children()) if layer.is_group() else None
            if found is not None:
                return found
        return None

    return walk(image.get_layers())


def ids(image):
    def walk(layers):
        for layer in layers:
            yield layer.get_id()
            if layer.is_group():
                yield from walk(layer.get_children())

    return set(walk(image.get_layers()))


def facts(image, source, drawables=None, **arguments):
    """Call the filter, and everything about the image and the new layer that a test may ask."""
    known, before, pixels = ids(image), tree(image), read(source) if source else b""
    told = call(image, [source] if drawables is None else drawables, **arguments)
    told |= {"before": before, "after": tree(image), "source_untouched": not source or read(source) == pixels}
    layer = new_layer(image, known)
    if layer is not None:
        told |= describe(layer)
        save(told, source, layer)
    image.delete()
    return told


def describe(layer):
    parasite = layer.get_parasite("impasto")
    mask = layer.get_mask()
    return {
        "name": layer.get_name(),
        "type": layer.type().value_nick,
        "offsets": list(layer.get_offsets())[1:],
        "size": [layer.get_width(), layer.get_height()],
        "parent": layer.get_parent().get_name() if layer.get_parent() else None,
        "parasite": bytes(parasite.get_data()).decode("ascii") if parasite else None,
        "persistent": bool(parasite and parasite.is_persistent()),
        "opacity": layer.get_opacity(),
        "mask": mask_bytes(mask) if mask else None,
        "mask_is_edited": layer.get_edit_mask() if mask else False,
    }


def mask_bytes(mask):
    """The columns of the mask's middle row that show the layer."""
    width = mask.get_width()
    row = mask.get_buffer().get(
        Gegl.Rectangle.new(0, mask.get_height() // 2, width, 1), 1.0, "Y u8", Gegl.AbyssPolicy.NONE
    )
    shown = [x for x, value in enumerate(row) if value > 127]
    return [shown[0], shown[-1]] if shown else []


def save(told, source, layer):
    """Both layers' samples as files: hexadecimal numbers would make the facts unreadable."""
    told["pixels"] = f"{len(list(FOLDER.glob('*.raw')))}"
    (FOLDER / f"{told['pixels']}.source.raw").write_bytes(read(source))
    (FOLDER / f"{told['pixels']}.raw").write_bytes(read(layer))


# The cases ------------------------------------------------------------------------------------------------


def kind(base, alpha, precision=Gimp.Precision.U8_NON_LINEAR):
    image = image_of(base, precision)
    return facts(image, layer_of(image, alpha))


def inside_a_group():
    image = image_of(RGB)
    layer_of(image, width=100, height=80, name="background")
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer_of(image, parent=group, name="lowest")
    source = layer_of(image, True, parent=group, offsets=(13, -7))
    layer_of(image, parent=group, name="highest")
    return facts(image, source)


def a_group_itself():
    image = image_of(RGB)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer_of(image, True, parent=group, offsets=(5, 6))
    return facts(image, group)


def with_a_selection(inside):
    image = image_of(RGB)
    source = layer_of(image, offsets=(10, 20))
    x = 15 if inside else 70
    image.select_rectangle(Gimp.ChannelOps.REPLACE, x, 20, 20, 30)
    return facts(image, source)


def of_size(width, height):
    image = image_of(RGB)
    return facts(image, layer_of(image, True, width, height))


def one_colour():
    image = image_of(RGB)
    layer = layer_of(image)
    write(layer, bytes((120, 60, 30, 255)) * (WIDTH * HEIGHT))
    return facts(image, layer)


def transparent(precision=Gimp.Precision.U8_NON_LINEAR):
    image = image_of(RGB, precision)
    layer = layer_of(image, True)
    write(layer, bytes(4 * WIDTH * HEIGHT))
    return facts(image, layer)


def no_utf_8(name):
    """The style under a name as old disks have them: Latin-1."""
    path = FOLDER / name
    path.write_bytes(STYLE.read_bytes())
    return path


def styled(style, **arguments):
    image = image_of(RGB)
    return facts(image, layer_of(image), style=style, **arguments)


def style_elsewhere(selected=False, grouped=False):
    """A layer of another image as the style; images_left counts that no copy of it stays."""
    other = image_of(RGB)
    group = None
    if grouped:
        group = Gimp.GroupLayer.new(other, "group")
        other.insert_layer(group, None, 0)
    style = layer_of(other, parent=group, offsets=(10, 20), name="sketch")
    style.set_lock_content(True)
    if selected:
        other.select_ellipse(Gimp.ChannelOps.REPLACE, 5, 25, 20, 10)
    before = ids(other), read(style)
    told = styled(None, style_layer=group or style)
    told["style_untouched"] = before == (ids(other), read(style))
    other.delete()
    return told


def style_too_large():
    image = image_of(RGB)
    style = layer_of(image, width=33_000, height=2)
    return facts(image, layer_of(image), style=None, style_layer=style)


def style_in_the_same_image():
    """The selection says where to paint, and not what the style is."""
    image = image_of(RGB)
    style = layer_of(image, width=16, height=12, name="sketch")
    source = layer_of(image)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 2, 2, 5, 5)
    return facts(image, source, style=None, style_layer=style)


def style_layer_gone():
    other = image_of(RGB)
    style = layer_of(other)
    image = image_of(RGB)
    source = layer_of(image)
    other.delete()
    return facts(image, source, style=None, style_layer=style)


# A living layer -------------------------------------------------------------------------------------------


def painted(image, source, **arguments):
    """A layer that Impasto painted from this one."""
    known = ids(image)
    told = call(image, [source], **arguments)
    assert told["status"] == "success", told
    return new_layer(image, known)


def changed(layer):
    """The layer's colours are others now."""
    layer.invert(False)


def again(layer, source=None, **arguments):
    """Restyle the layer, and everything about it that a test may ask."""
    image = layer.get_image()
    before, was = tree(image), {"parasite": text_of(layer, "impasto"), "pixels": read(layer)}
    told = call(image, [layer], None, "restyle", **arguments)
    told |= {"before": before, "after": tree(image), "first": was["parasite"], **describe(layer)}
    told |= {"unchanged": was == {"parasite": text_of(layer, "impasto"), "pixels": read(layer)}}
    told |= {"copy": text_of(layer, "impasto-style"), "kept": sorted(layer.get_parasite_list())}
    if source is not None:
        save(told, source, layer)
    image.delete()
    return told


def text_of(layer, name):
    parasite = layer.get_parasite(name)
    return bytes(parasite.get_data()).decode("ascii") if parasite else None


def living(style="starry_night.png", base=RGB, precision=Gimp.Precision.U8_NON_LINEAR, second=None):
    """A layer and its painting, as if that had been painted in this very image. It is painted once for each style."""
    image = image_of(base, precision)
    source = layer_of(image, base == GRAY, offsets=(3, 4))
    if (style, second) not in PAINTED:
        once = image_of(RGB)
        more = {"style_file_2": file_of(second), "style_weight_2": 50.0} if second else {}
        layer = painted(once, layer_of(once), style=FOLDER / style, strength=70.0, stroke_size=50.0, seed=7, **more)
        kept = {name: text_of(layer, name) for name in layer.get_parasite_list()}
        PAINTED[style, second] = layer.get_name(), kept
        once.delete()
    name, kept = PAINTED[style, second]
    layer = source.copy()
    image.insert_layer(layer, None, 0)
    layer.set_name(name)
    layer.fill(Gimp.FillType.WHITE)
    for parasite, text in kept.items():
        layer.attach_parasite(Gimp.Parasite.new(parasite, Gimp.PARASITE_PERSISTENT, text.encode()))
    return source, layer


PAINTED = {}
"""By the styles' files, a painting's name and what is kept with it."""


def file_of(name):
    return Gio.File.new_for_path(str(FOLDER / name))


def restyle_changed(**arguments):
    """As an artist left it: renamed, half transparent, in a group with a mask."""
    source, layer = living()
    image = layer.get_image()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    image.reorder_item(layer, group, 0)
    layer.set_name("mine")
    layer.set_opacity(40)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 8, 4, 20, 30)
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.SELECTION))
    layer.set_edit_mask(False)
    Gimp.Selection.none(image)
    changed(source)
    return again(layer, source, **arguments)


def restyle_given(style="starry_night.png", base=RGB, precision=Gimp.Precision.U8_NON_LINEAR, second=None, **arguments):
    source, layer = living(style, base, precision, second)
    changed(source)
    return again(layer, source, **arguments)


def restyle_selection():
    source, layer = living()
    changed(source)
    source.get_image().select_rectangle(Gimp.ChannelOps.REPLACE, 3, 4, 20, 30)
    return again(layer, source)


def restyle_resized():
    """The source is larger by now, lies elsewhere and has become transparent in part."""
    source, layer = living()
    source.add_alpha()
    source.resize(50, 35, 4, 2)
    return again(layer, source)


def restyle_reloaded(*names):
    """From an XCF on another machine: nothing of the styles is there but what the layer keeps."""
    source, layer = living(names[0], second=names[1] if names[1:] else None)
    changed(source)
    file, image = Gio.File.new_for_path(str(FOLDER / "living.xcf")), source.get_image()
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
    image.delete()
    reloaded = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    layer, source = reloaded.get_layers()
    for name in names:
        (FOLDER / name).rename(FOLDER / f"{name}.away")
    try:
        return again(layer, source)
    finally:
        for name in names:
            (FOLDER / f"{name}.away").rename(FOLDER / name)


def restyle_foreign():
    image = image_of(RGB)
    return again(layer_of(image))


def restyle_locked():
    """By the group that it is in."""
    _, layer = living()
    image = layer.get_image()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    image.reorder_item(layer, group, 0)
    group.set_lock_content(True)
    return again(layer)


def restyle_source_gone(told=False):
    source, layer = living()
    image = layer.get_image()
    image.remove_layer(source)
    if not told:
        return again(layer)
    other = layer_of(image, name="other")
    changed(other)
    return again(layer, other, source_layer=other)


def restyle_in_another_image():
    """A layer of another image may have the tattoo that the source had in the first one."""
    source, layer = living()
    image = image_of(RGB)
    stranger = layer_of(image, width=10, height=10, name="stranger")
    assert stranger.get_tattoo() == source.get_tattoo()
    copy = Gimp.Layer.new_from_drawable(layer, image)
    image.insert_layer(copy, None, 0)
    source.get_image().delete()
    return again(copy)


def restyle_from_itself():
    _, layer = living()
    return again(layer, source_layer=layer)


def restyle_damaged(name, data):
    """As somebody who wants to do harm may have made the file."""
    _, layer = living()
    (FOLDER / "profile" / "impasto-styles.json").unlink(missing_ok=True)
    layer.attach_parasite(Gimp.Parasite.new(name, Gimp.PARASITE_PERSISTENT, data))
    return again(layer)


LIVING = {
    "changed": restyle_changed,
    "other values": lambda: restyle_given(strength=20.0, recipe="gatys", style_pattern=Gimp.context_get_pattern()),
    "GRAYA 16-bit": lambda: restyle_given(base=GRAY, precision=Gimp.Precision.U16_NON_LINEAR),
    "selection": restyle_selection,
    "resized": restyle_resized,
    "large style": lambda: restyle_given("large.png"),
    "reloaded": lambda: restyle_reloaded("large.png"),
    "several reloaded": lambda: restyle_reloaded("starry_night.png", "large.png"),
    "several with one left out": lambda: restyle_given(second="large.png", style_weight_2=0.0),
    "several with another": lambda: restyle_given(second="large.png", style_pattern=Gimp.context_get_pattern()),
    "continue": lambda: restyle_given(**{"continue": True}),
    "continue with nothing kept": lambda: restyle_given(**{"continue": True, "seed": 1005}),
    "another source": lambda: restyle_source_gone(told=True),
    "foreign": restyle_foreign,
    "locked": restyle_locked,
    "source gone": restyle_source_gone,
    "in another image": restyle_in_another_image,
    "from itself": restyle_from_itself,
    "damaged": lambda: restyle_damaged("impasto", b'{"record": {"request": []}}'),
    "bomb as copy": lambda: restyle_damaged(
        "impasto-style", base64.b64encode((FOLDER / "styles/bad_bomb.png").read_bytes())
    ),
}

CASES = {
    "RGB": lambda: kind(RGB, False),
    "RGBA": lambda: kind(RGB, True),
    "GRAYA 16-bit": lambda: kind(GRAY, True, Gimp.Precision.U16_NON_LINEAR),
    "RGBA float": lambda: kind(RGB, True, Gimp.Precision.FLOAT_LINEAR),
    "inside a group": inside_a_group,
    "a group": a_group_itself,
    "a selection": lambda: with_a_selection(True),
    "a selection elsewhere": lambda: with_a_selection(False),
    "33000×2": lambda: of_size(33_000, 2),
    "3×2000": lambda: of_size(3, 2000),
    "one colour": one_colour,
    "transparent": transparent,
    "transparent float": lambda: transparent(Gimp.Precision.FLOAT_LINEAR),
    "unknown recipe": lambda: styled(STYLE, recipe="impsato"),
    "a recipe that is no name": lambda: styled(STYLE, recipe="Ünknown recipe!"),
    "no style": lambda: styled(None),
    **{f"style {path.name}": lambda path=path: styled(path) for path in sorted(FOLDER.glob("styles/*"))},
    "style missing.png": lambda: styled(FOLDER / "styles/missing.png"),
    "style folder": lambda: styled(FOLDER),
    "a style with no UTF-8 in its name": lambda: styled(no_utf_8("gem\udce4lde.png")),
    "a missing style with no UTF-8 in its name": lambda: styled(FOLDER / "fort\udcff.png"),
    "strength nan": lambda: styled(STYLE, strength=float("nan")),
    "strength inf": lambda: styled(STYLE, strength=float("inf")),
    "strength 1e9": lambda: styled(STYLE, strength=1e9),
    "strength -1": lambda: styled(STYLE, strength=-1.0),
    "longest side -5": lambda: styled(STYLE, max_size=-5),
    "seed -1": lambda: styled(STYLE, seed=-1),
    "a layer as style": style_elsewhere,
    "a layer's selection as style": lambda: style_elsewhere(selected=True),
    "a group's selection as style": lambda: style_elsewhere(selected=True, grouped=True),
    "a layer of the same image as style": style_in_the_same_image,
    "a layer that is gone as style": style_layer_gone,
    "a layer too large as style": style_too_large,
    "a pattern as style": lambda: styled(None, style_pattern=Gimp.context_get_pattern()),
    "a style given twice": lambda: styled(STYLE, style_pattern=Gimp.context_get_pattern()),
    "several styles": lambda: styled(
        STYLE, style_pattern_2=Gimp.context_get_pattern(), style_file_3=file_of("large.png"), style_weight_3=50.0
    ),
    "a second style that is missing": lambda: styled(STYLE, style_file_2=file_of("missing.png")),
    "no style with a weight": lambda: styled(STYLE, style_weight=0.0),
    "a weight of -1": lambda: styled(STYLE, style_weight=-1.0, style_file_2=file_of("large.png")),
    "stroke size 50": lambda: styled(STYLE, stroke_size=50.0),
    "the painter dies": lambda: styled(STYLE, seed=1002),
    **{f"restyle {name}": case for name, case in LIVING.items()},
}


def previews():
    """Whether the dialog shows each style file small."""
    sys.path.insert(0, str(FOLDER / "profile/plug-ins/impasto"))
    import pixbufs

    paths = [*sorted(FOLDER.glob("styles/*")), *sorted(FOLDER.glob("previews/*"))]
    return {"sides": {path.name: longest_side(pixbufs.of_file(path, 160)) for path in paths}}


def longest_side(pixbuf):
    return max(pixbuf.get_width(), pixbuf.get_height()) if pixbuf else 0


def main():
    told = {}
    for name, case in CASES.items():
        told[name] = case()
        told[name]["images_left"] = len(Gimp.get_images())
        print(name, told[name]["status"], told[name]["message"], told[name]["images_left"], flush=True)
    told["previews"] = previews()
    (FOLDER / "gallery.json").write_text(json.dumps(told))


if __name__ == "__main__" or "IMPASTO_TEST_GALLERY" in os.environ:
    main()
