"""Neural style transfer from a GIMP batch: a script to start from.

    CONTENT=photo.jpg STYLE=painting.jpg OUT=result.png gimp-console-3.0 -id \\
        --batch-interpreter python-fu-eval -b 'exec(open("examples/gimp_batch.py").read())' --quit

The result is written as a flat picture, and beside it as .xcf with its layers. PAINT=visible-layers paints each layer
of CONTENT, and PAINT=frames each frame of an animation, each beginning with the painting of the one before.
"""

import os
from pathlib import Path
from typing import Any

from gi.repository import Gimp, Gio


def stylize(image: Any, layer: Any, style: str, **arguments: Any) -> Any:
    """A new layer above `layer` in the manner of the picture file `style`, or what `paint` says. Returns the image in
    which that is. Raises RuntimeError with a sentence."""
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-impasto-batch")
    if procedure is None:
        raise RuntimeError("GIMP does not know the Impasto plug-in: `impasto install-plugin`, then start GIMP again")
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", [layer])
    config.set_property("style-file", Gio.File.new_for_path(str(style)))
    for name, value in arguments.items():
        config.set_property(name.replace("_", "-"), value)
    result = procedure.run(config)
    if result.index(0) != Gimp.PDBStatusType.SUCCESS:
        raise RuntimeError(result.index(1))
    return result.index(1)


def main(content: str, style: str, out: str, **arguments: Any) -> None:
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(content)))
    painted = stylize(image, image.get_layers()[0], style, **arguments)
    for path in (Path(out), Path(out).with_suffix(".xcf")):
        Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, painted, Gio.File.new_for_path(str(path)), None)
    image.delete()


main(
    os.environ["CONTENT"],
    os.environ["STYLE"],
    os.environ["OUT"],
    paint=os.environ.get("PAINT", "selected-layers"),
    max_size=int(os.environ.get("MAX_SIZE", "1024")),
)
