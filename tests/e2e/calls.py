"""A GIMP that calls the filter once from a script, and what it tells of that."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

from PIL import Image

from . import styles
from .studio import Studio

BEGUN, TOLD = "begun", "told.json"
CALL = """
import json
from pathlib import Path
from gi.repository import Gimp, Gio
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path("{content}"))
layer = image.get_layers()[0]
procedure = Gimp.get_pdb().lookup_procedure("plug-in-impasto-style-transfer")
config = procedure.create_config()
config.set_property("image", image)
config.set_core_object_array("drawables", [layer])
config.set_property("style-file", Gio.File.new_for_path("{style}"))
for name, value in {arguments}.items():
    config.set_property(name, value)
Path("{begun}").touch()
result = procedure.run(config)
layers = image.get_layers()
parasite = layers[0].get_parasite("impasto")
Path("{told}").write_text(json.dumps({{
    "status": result.index(0).value_nick,
    "message": result.index(1) if result.length() > 1 else "",
    "layers": len(layers),
    "parasite": bytes(parasite.get_data()).decode() if parasite else "",
}}))
"""


def picture() -> Image.Image:
    """What is painted."""
    return Image.radial_gradient("L").resize((64, 48)).convert("RGB")


def call(
    studio: Studio, *, environment: dict[str, str] | None = None, locked: bool = False, **arguments: Any
) -> subprocess.Popen[str]:
    """Start a GIMP that calls the filter once. locked: with a style file that it may not read."""
    style = studio.folder / "style.png"
    style.unlink(missing_ok=True)
    styles.picture().save(style)
    style.chmod(0 if locked else 0o644)
    content, begun, told = (studio.folder / name for name in ("content.png", BEGUN, TOLD))
    picture().save(content)
    for path in (begun, told):
        path.unlink(missing_ok=True)
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    script = CALL.format(content=content, style=style, begun=begun, told=told, arguments=named)
    return studio.batch(script, False, obedient=locked, **(environment or {}))


def begun(studio: Studio) -> bool:
    """Whether it calls the filter now, or has."""
    return (studio.folder / BEGUN).exists()


def outcome(studio: Studio, process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it told, when it has ended by itself."""
    said, _ = process.communicate(timeout=120)
    told = studio.folder / TOLD
    assert told.exists(), said
    facts: dict[str, Any] = json.loads(told.read_text())
    return facts


def plug_ins(studio: Studio) -> list[int]:
    """The processes of our plug-in in this GIMP."""
    main = str(studio.profile / "plug-ins/impasto/impasto.py").encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if main in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found
