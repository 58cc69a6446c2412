"""Keep my colours: a group of the painting and, above it, the source's pixels in a mode that gives their colours alone.

Both stay layers: the artist may hide the colours, thin them out or paint on them. Knows layers and groups; of the
records with them only that a painting has one. Knows nothing of jobs, files or widgets.
"""

from __future__ import annotations

from typing import Any

import pixels
import record
from gi.repository import Gimp
from impasto_protocol.errors import ImpastoError, bad_request
from impasto_protocol.picture import Picture
from language import _

ARGUMENT = "keep-colours"
MODE = Gimp.LayerMode.LCH_COLOR
"""Of the colours' layer: its hue and chroma, with the exact lightness (CIE L*) of what lies below."""
PARASITE = "impasto-colours"
"""With a layer of colours: the digest of its pixels, as long as nobody but us has changed them."""


def are_in(image: Any) -> bool:
    """Whether it has any: greys have none to keep."""
    return bool(image.get_base_type() != Gimp.ImageBaseType.GRAY)


def note(image: Any) -> list[str]:
    """What the artist should know who wants to keep them."""
    return [] if are_in(image) else [_("A greyscale image has no colours to keep: the painting is an ordinary layer.")]


def insert_above(image: Any, source: Any, painting: Any, content: Picture) -> None:
    """Insert a group above the source, with the painting's name and its mask: one undo step.

    painting: not yet in the image. content: the source as it was painted from. Raises ImpastoError.
    """
    colours, group = _made(image, source, content), Gimp.GroupLayer.new(image, painting.get_name())
    image.undo_group_start()
    try:
        pixels.insert_above(image, source, group)
        painting.set_name(_inner_name(painting.get_name()))
        pixels.check_done(image.insert_layer(painting, group, 0))
        pixels.check_done(image.insert_layer(colours, group, 0))
        pixels.show_selected(group)
        image.set_selected_layers([group])
    except BaseException:
        _discard(image, group, colours)
        raise
    finally:
        image.undo_group_end()


def painting_in(layer: Any) -> Any:
    """The painting that a layer stands for: of a group, or of a layer of colours, the one there; else itself.

    Raises ImpastoError.
    """
    if layer.get_parasite(record.PARASITE) is not None:
        return layer
    group = _home(layer) if layer.get_parasite(PARASITE) is not None else layer
    found = _marked(group, record.PARASITE)
    if len(found) > 1:
        raise bad_request(
            _("The group {name} has several paintings in it. Select one of them.").format(name=group.get_name()),
        )
    return found[0] if found else layer


def beside(painting: Any) -> Any:
    """The layer of colours in a painting's group, or None."""
    found = _marked(_home(painting), PARASITE)
    return found[0] if found else None


def above(painting: Any, source: Any, content: Picture) -> Any:
    """A layer of colours for a painting that has none, not yet in the image; None where it has, or there can be none.

    content: the source as it is painted from. Raises ImpastoError.
    """
    image = painting.get_image()
    return _made(image, source, content) if beside(painting) is None and are_in(image) else None


def put_above(painting: Any, colours: Any) -> None:
    """Put what `above` made into the image, in a group that takes the painting's place, its name and its mode, unless
    it is alone in one. Raises ImpastoError; the image is as it was then."""
    image, home, place = painting.get_image(), _home(painting), painting.get_image().get_item_position(painting)
    if home is not None and len(home.get_children()) == 1:
        pixels.check_done(image.insert_layer(colours, home, place))
        return
    name, group = painting.get_name(), Gimp.GroupLayer.new(image, "")
    try:
        pixels.check_done(image.insert_layer(group, home, place))
        pixels.check_done(image.insert_layer(colours, group, 0))
        pixels.check_done(image.reorder_item(painting, group, 1))
    except BaseException:
        _discard(image, group, colours)
        raise
    painting.set_name(_inner_name(name))
    group.set_name(name)
    group.set_mode(painting.get_mode())
    painting.set_mode(Gimp.LayerMode.NORMAL)


def follow(painting: Any, place: pixels.Extent, content: Picture, wanted: bool) -> list[str]:
    """After a painting was painted again, its colours become the source's as that looks now. What the artist should
    know.

    place: where the source lies. Colours that somebody has changed since they were put there stay.
    """
    colours = beside(painting)
    if colours is not None:
        return _renew(colours, place, content)
    return note(painting.get_image()) if wanted else []


def rename(painting: Any, old: str, new: str) -> None:
    """Names that Impasto gave follow the style: a painting's, and its group's."""
    for layer, called in ((painting, str), (painting, _inner_name), (_home(painting), str)):
        if layer is not None and layer.get_name() == called(old):
            layer.set_name(called(new))


def greys(painting: Picture) -> Picture:
    """A small picture of a painting as a greyscale image has it."""
    image, layer = pixels.new_image(painting, "")
    try:
        image.undo_disable()
        image.convert_grayscale()
        return pixels.read(layer)
    finally:
        image.delete()


def seen(painting: Picture, content: Picture) -> Picture:
    """A small picture of a painting as it looks below the content's colours. In 8 bits; for looking at."""
    image, below = pixels.new_image(pixels.shrunk(painting, max(painting.size)), "")
    try:
        image.undo_disable()
        above = pixels.new_layer(image, below, pixels.shrunk(content, max(painting.size)), "")
        above.set_mode(MODE)
        image.insert_layer(above, None, 0)
        return pixels.read(image.merge_visible_layers(Gimp.MergeType.CLIP_TO_BOTTOM_LAYER))
    finally:
        image.delete()


def _made(image: Any, source: Any, content: Picture) -> Any:
    """A layer of the source's colours, not yet in the image."""
    colours = pixels.new_layer(image, source, content, _("Colours: {layer}").format(layer=source.get_name()))
    try:
        colours.set_mode(MODE)
        _sign(colours)
    except BaseException:
        colours.delete()
        raise
    return colours


def _discard(image: Any, group: Any, *inside: Any) -> None:
    """Take the group away with all that is in it by now, and what is not."""
    if pixels.is_in(image, group):
        image.remove_layer(group)
        inside = tuple(layer for layer in inside if layer.get_parent() is None)
    else:
        group.delete()
    for layer in inside:
        layer.delete()


def _renew(colours: Any, place: pixels.Extent, content: Picture) -> list[str]:
    signature = bytes(colours.get_parasite(PARASITE).get_data())
    try:
        pixels.check_writable(colours, place)
        is_ours = signature == _signature(colours)
    except ImpastoError:
        is_ours = False
    if not is_ours:
        return [_("{layer} was changed or locked: these colours stay as they are.").format(layer=colours.get_name())]
    pixels.repaint(colours, place, content)
    _sign(colours)
    return []


def _marked(group: Any, parasite: str) -> list[Any]:
    """The layers in a group that keep this parasite; of what is no group, none."""
    children = group.get_children() if group is not None and group.is_group() else []
    return [layer for layer in children if layer.get_parasite(parasite) is not None]


def _home(layer: Any) -> Any:
    """The group that it is in, or None."""
    return layer.get_parent()


def _inner_name(name: str) -> str:
    """Of a painting whose group has its name: GIMP gives each name once."""
    return _("Painting: {name}").format(name=name)


def _sign(colours: Any) -> None:
    flags = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE
    colours.attach_parasite(Gimp.Parasite.new(PARASITE, flags, _signature(colours)))


def _signature(colours: Any) -> bytes:
    return pixels.read(colours).sha256().encode("ascii")
