"""Layers to Pictures and back. Knows GIMP's buffers; knows nothing of files, jobs or sockets.

Pixels are read and written as R'G'B', which is sRGB whatever the image is: GEGL converts from and to the image's
colour space, precision, greys or palette.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import gi

gi.require_version("Babl", "0.1")
from gi.repository import Babl, Gegl, Gimp, GLib  # noqa: E402
from impasto_protocol.errors import Code, ImpastoError, bad_request  # noqa: E402
from impasto_protocol.limits import Limits  # noqa: E402
from impasto_protocol.picture import Picture, Shape  # noqa: E402
from language import _, numeral  # noqa: E402

EIGHT_BIT = (Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.U8_PERCEPTUAL)
LIKE_SRGB = ("sRGB", "space-gray-sRGB")
"""Babl's names of the colour spaces of which 8 bits are the same in sRGB, or nearly so."""

KINDS = {
    Gimp.ImageBaseType.RGB: (Gimp.ImageType.RGB_IMAGE, Gimp.ImageType.RGBA_IMAGE),
    Gimp.ImageBaseType.GRAY: (Gimp.ImageType.GRAY_IMAGE, Gimp.ImageType.GRAYA_IMAGE),
    Gimp.ImageBaseType.INDEXED: (Gimp.ImageType.INDEXED_IMAGE, Gimp.ImageType.INDEXEDA_IMAGE),
}
"""The types of an image's layers: without alpha and with it."""

Extent = tuple[tuple[int, int], tuple[int, int]]
"""Left and top, width and height."""

FORMATS = {
    (3, "u8"): "R'G'B' u8",
    (4, "u8"): "R'G'B'A u8",
    (3, "f32"): "R'G'B' float",
    (4, "f32"): "R'G'B'A float",
}
"""Our (channels, dtype) to babl's names. An unknown name would end the process."""


def only_layer(image: Any, drawables: list[Any], limits: Limits) -> Any:
    """The one layer of the image to paint; none of its pixels is read yet. Raises ImpastoError where it cannot be
    painted."""
    if len(drawables) != 1:
        raise bad_request(_("Select one layer to paint. Selected are: {number}").format(number=len(drawables)))
    layer = drawables[0]
    if isinstance(layer, Gimp.LayerMask):
        raise bad_request(_("The layer mask is being edited. Click on the layer itself, then try again."))
    if not isinstance(layer, Gimp.Layer):
        raise bad_request(_("Impasto paints layers. Select a layer instead of this channel, then try again."))
    check_there(layer)
    if layer.get_image().get_id() != image.get_id():
        raise bad_request(
            _("The layer {name} is in another image. Call Impasto with that image.").format(name=layer.get_name())
        )
    if image.get_floating_sel() is not None:
        raise bad_request(_("The image has a floating selection. Anchor it, or make it a layer, then try again."))
    if layer.is_group() and not layer.get_children():
        raise bad_request(_("This layer group is empty: there is nothing to paint."))
    check_size(layer.get_width(), layer.get_height(), limits)
    if not layer.mask_intersect()[0]:
        raise bad_request(_("The selection lies outside this layer: there is nothing to paint."))
    return layer


def check_there(layer: Any) -> None:
    """Raises ImpastoError where there is no such layer any more: GIMP is usable while a dialog is open."""
    if not is_there(layer):
        raise bad_request(_("The layer to paint is not in the image any more. Select another one, then try again."))


def check_size(width: int, height: int, limits: Limits) -> None:
    """Raises ImpastoError where a layer of this size, in pixels, is too large to be painted."""
    if max(width, height) > limits.side or width * height > limits.pixels:
        raise ImpastoError(
            Code.TOO_LARGE,
            _(
                "This layer has {width}×{height} pixels, more than Impasto takes ({side} a side, {pixels} in "
                "all). Scale it down, or paint it in parts."
            ).format(width=width, height=height, side=numeral(limits.side), pixels=numeral(limits.pixels)),
        )


def read(layer: Any, box: Sequence[int] = ()) -> Picture:
    """The layer as it looks with its own filters, without its mask, its opacity and the layers below.

    box: left, top, width and height of a part of it in pixels of its own; nothing for all of it.
    """
    whole = shape(layer)
    left, top, width, height = box or (0, 0, whole.width, whole.height)
    with _with_filters(layer) as seen:
        buffer = seen.get_buffer()
        # A filter may make the layer's buffer larger; what counts is the layer as it lies in the image.
        part = Gegl.Rectangle.new(left, top, width, height)
        data = buffer.get(part, 1.0, FORMATS[whole.channels, whole.dtype], Gegl.AbyssPolicy.NONE)
        del buffer
    return Picture(width, height, whole.channels, whole.dtype, data)


def shape(layer: Any) -> Shape:
    """Of the picture that `read` makes of it."""
    return Shape(layer.get_width(), layer.get_height(), 4 if layer.has_alpha() else 3, _dtype(layer.get_image()))


def twin(copy: Any, layer: Any) -> Any:
    """The layer in a copy of its image, by its place: GIMP gives the layers of a copy other tattoos."""
    parent, place = layer.get_parent(), layer.get_image().get_item_position(layer)
    return (copy.get_layers() if parent is None else twin(copy, parent).get_children())[place]


@contextlib.contextmanager
def _with_filters(layer: Any) -> Iterator[Any]:
    """The layer, or for as long as the block lasts a copy with which its filters are merged."""
    if not layer.get_filters():
        yield layer
    elif layer.is_group():  # only in an image can a group be merged
        image = layer.get_image().duplicate()
        try:
            image.undo_disable()
            yield twin(image, layer).merge()
        finally:
            image.delete()
    else:
        copy = layer.copy()
        try:
            copy.merge_filters()
            yield copy
        finally:
            copy.delete()


def read_eight_bit(layer: Any) -> Picture:
    """The layer as it is stored, with alpha and in 8 bits, whatever the image is."""
    width, height = layer.get_width(), layer.get_height()
    whole = Gegl.Rectangle.new(0, 0, width, height)
    data = layer.get_buffer().get(whole, 1.0, FORMATS[4, "u8"], Gegl.AbyssPolicy.NONE)
    return Picture(width, height, 4, "u8", data)


def read_small(layer: Any, box: Sequence[int], scale: float) -> Picture:
    """A part of the layer (left, top, width and height in its own pixels) in 8 bits, for looking at: made smaller by
    `scale` (at most 1), and without the layer's filters. Raises ImpastoError where the layer is gone."""
    check_there(layer)
    left, top, width, height = (round(value * scale) for value in box)
    width, height, channels = max(1, width), max(1, height), 4 if layer.has_alpha() else 3
    part = Gegl.Rectangle.new(left, top, width, height)  # in pixels after the scaling
    data = layer.get_buffer().get(part, scale, FORMATS[channels, "u8"], Gegl.AbyssPolicy.CLAMP)
    return Picture(width, height, channels, "u8", data)


def read_pattern(pattern: Any) -> Picture:
    """A pattern in its own size."""
    width, height, bytes_each = pattern.get_info()[1:]
    channels = 4 if bytes_each in (2, 4) else 3
    Gegl.init(None)
    buffer = pattern.get_buffer(width, height, Babl.format(FORMATS[channels, "u8"]))
    whole = Gegl.Rectangle.new(0, 0, width, height)
    data = buffer.get(whole, 1.0, FORMATS[channels, "u8"], Gegl.AbyssPolicy.NONE)
    return Picture(width, height, channels, "u8", data)


def shrunk(picture: Picture, side: int) -> Picture:
    """The picture as `u8`, its longest side no more than this."""
    scale = min(1.0, side / max(picture.size))
    width, height = (max(1, round(length * scale)) for length in picture.size)
    Gegl.init(None)
    own, small = (FORMATS[picture.channels, dtype] for dtype in (picture.dtype, "u8"))
    buffer = Gegl.Buffer.new(own, 0, 0, *picture.size)
    buffer.set(Gegl.Rectangle.new(0, 0, *picture.size), own, bytes(picture.data))
    data = buffer.get(Gegl.Rectangle.new(0, 0, width, height), scale, small, Gegl.AbyssPolicy.CLAMP)
    return Picture(width, height, picture.channels, "u8", data)


def check_visible(picture: Picture) -> None:
    """Raises ImpastoError where every pixel is fully transparent."""
    if picture.has_alpha:
        samples = memoryview(picture.data).cast("B")
        if not any((samples.cast("f") if picture.dtype == "f32" else samples)[3::4]):
            raise bad_request(_("This layer is fully transparent: there is nothing to paint."))


def new_layer(image: Any, like: Any, picture: Picture, name: str) -> Any:
    """A layer with these pixels, of the type and at the place of another; not yet inserted into the image.

    like: where GIMP has forgotten it by now, the image's own type, and its corner.
    """
    kept = like.is_valid()
    kind = like.type() if kept else KINDS[image.get_base_type()][picture.has_alpha]
    layer = Gimp.Layer.new(image, name, picture.width, picture.height, kind, 100.0, Gimp.LayerMode.NORMAL)
    try:
        layer.set_offsets(*(like.get_offsets()[1:] if kept else (0, 0)))
        _fill(layer.get_buffer(), picture)
    except BaseException:
        layer.delete()
        raise
    return layer


def show_selected(layer: Any) -> None:
    """Where there is a selection, give the layer a mask that shows the selection alone."""
    if not Gimp.Selection.is_empty(layer.get_image()):
        layer.add_mask(layer.create_mask(Gimp.AddMaskType.SELECTION))
        layer.set_edit_mask(False)  # or the next stroke, and the next call of the filter, would meet the mask


def new_image(picture: Picture, name: str) -> tuple[Any, Any]:
    """An image with these pixels in one layer of this name: both, not yet shown."""
    precision = Gimp.Precision.U8_NON_LINEAR if picture.dtype == "u8" else Gimp.Precision.FLOAT_NON_LINEAR
    image = Gimp.Image.new_with_precision(picture.width, picture.height, Gimp.ImageBaseType.RGB, precision)
    kind = Gimp.ImageType.RGBA_IMAGE if picture.has_alpha else Gimp.ImageType.RGB_IMAGE
    layer = Gimp.Layer.new(image, name, picture.width, picture.height, kind, 100.0, Gimp.LayerMode.NORMAL)
    _fill(layer.get_buffer(), picture)
    image.insert_layer(layer, None, 0)
    return image, layer


def insert_above(image: Any, source: Any, layer: Any) -> None:
    """Insert the layer above the source, in the same group: one undo step. On top where the source is gone.

    Raises ImpastoError.
    """
    parent, position = None, 0
    if source.is_valid() and is_in(image, source):
        parent, position = source.get_parent(), image.get_item_position(source)
    check_done(image.insert_layer(layer, parent, position))


def check_done(done: bool) -> None:
    """Raises ImpastoError where GIMP did not insert or move a layer, with what it says."""
    if not done:
        raise bad_request(Gimp.get_pdb().get_last_error() or _("GIMP does not insert the layer"))


def check_writable(layer: Any, place: Extent) -> None:
    """Raises ImpastoError where `repaint` may not touch the layer; GIMP would end this process."""
    if not is_there(layer):
        raise bad_request(_("the layer is not in the image any more"))
    if layer.is_group():
        raise bad_request(
            _("{name} is a layer group by now, which has no pixels of its own. Select a layer.").format(
                name=layer.get_name()
            )
        )
    item = layer
    while item is not None:
        if item.get_lock_content():
            raise bad_request(
                _("The pixels of {name} are locked. Unlock them in the Layers dock and try again.").format(
                    name=item.get_name()
                )
            )
        item = item.get_parent()
    if layer.get_lock_position() and extent(layer)[1] != place[1]:
        raise bad_request(
            _(
                "The layer that is painted from has another size by now, and {name} cannot follow, for its position "
                "is locked. Unlock it in the Layers dock and try again."
            ).format(name=layer.get_name())
        )


def repaint(layer: Any, place: Extent, picture: Picture) -> None:
    """Put these pixels in the place of the layer's own: what is selected, or all of it. GIMP can undo each step of it.

    place: the extent of what was painted from. Where that has another size by now, the layer takes its size and its
    place. The layer's mask, opacity, mode and filters stay. Raises ImpastoError as `check_writable`.
    """
    check_writable(layer, place)
    (offsets, size), (wanted_offsets, wanted) = extent(layer), place
    if size != wanted:
        layer.resize(*wanted, *(own - other for own, other in zip(offsets, wanted_offsets)))
    if picture.has_alpha and not layer.has_alpha():
        layer.add_alpha()
    _fill(layer.get_shadow_buffer(), picture)
    layer.merge_shadow(True)  # unlike the layer's buffer, it knows the selection and undo
    layer.update(0, 0, *wanted)


def extent(layer: Any) -> Extent:
    """Where it lies in the image, and how large it is."""
    left, top = layer.get_offsets()[1:]
    return (left, top), (layer.get_width(), layer.get_height())


def _dtype(image: Any) -> str:
    """Of pictures of its pixels: floats where 8 bits of sRGB would lose some of its colours, or steps between them."""
    if image.get_precision() not in EIGHT_BIT:
        return "f32"
    profile = image.get_effective_color_profile()
    try:
        space = profile.get_space(Gimp.ColorRenderingIntent.RELATIVE_COLORIMETRIC)
    except GLib.Error:
        return "u8"  # of tables, which GEGL does not know: it takes the samples as sRGB's
    return "u8" if Babl.get_name(space) in LIKE_SRGB else "f32"


def _fill(buffer: Any, picture: Picture) -> None:
    data = bytes(picture.data)  # anything else than bytes is written thirty times slower
    if len(data) != picture.nbytes:  # GEGL would read past the end
        raise ValueError(f"{len(data)} bytes of pixels where {picture.nbytes} belong")
    rectangle = Gegl.Rectangle.new(0, 0, picture.width, picture.height)
    buffer.set(rectangle, FORMATS[picture.channels, picture.dtype], data)
    buffer.flush()


def is_there(layer: Any) -> bool:
    """Whether it is in an image that is still open."""
    return bool(layer.is_valid() and is_in(layer.get_image(), layer))


def is_in(image: Any, layer: Any) -> bool:
    """Whether a layer hangs in the image's tree (one that was deleted lives on in the undo history)."""
    while layer.get_parent() is not None:
        layer = layer.get_parent()
    return any(layer.get_id() == root.get_id() for root in image.get_layers())
