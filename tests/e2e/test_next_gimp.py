"""GIMP 3.2 beside the usual 3.0: the small part that every run of the tests has, where a root with it was built.

`make gimp-3.2` builds it, and `make e2e GIMP=3.2` runs everything there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from . import styles
from .conftest import running_daemon
from .studio import Gimp, NoGimp, Studio

pytestmark = pytest.mark.gimp

VERSION = "3.2"
SCRIPT = """
import json
from pathlib import Path
from gi.repository import Gegl, Gimp, Gio
folder = Path({folder!r})
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(folder / "content.png")))
source = image.get_layers()[0]
said = []

def call(name, layer, **arguments):
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-impasto-" + name)
    config = procedure.create_config()
    config.set_property("image", image)
    config.set_core_object_array("drawables", [layer])
    for key, value in arguments.items():
        config.set_property(key.replace("_", "-"), value)
    result = procedure.run(config)
    said.append([result.index(0).value_nick, result.index(1) if result.length() > 1 else ""])

call("style-transfer", source, style_file=Gio.File.new_for_path(str(folder / "starry_night.png")))
painted = image.get_layers()[0]
call("restyle", painted, seed=5)
pixels = painted.get_buffer().get(
    Gegl.Rectangle.new(0, 0, source.get_width(), source.get_height()), 1.0, "R'G'B' u8", Gegl.AbyssPolicy.NONE
)
(folder / "painted.raw").write_bytes(pixels)
told = {{
    "version": Gimp.version(),
    "said": said,
    "layers": [layer.get_name() for layer in image.get_layers()],
    "record": bytes(painted.get_parasite("impasto").get_data()).decode(),
}}
(folder / "told.json").write_text(json.dumps(told))
"""


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    """A profile of GIMP 3.2's. Where there is none the tests are left out, and how to have one is said."""
    try:
        gimp = Gimp.find(VERSION, build=False)
    except NoGimp as error:
        pytest.skip(str(error))
    made = Studio(gimp, Path(tempfile.mkdtemp(prefix="impasto-", dir="/tmp")))
    made.prepare()
    with (made.profile / "gimprc").open("a") as gimprc:
        gimprc.write(f'(plug-in-path "${{gimp_dir}}/plug-ins:{few_plug_ins(made)}")\n')
    made.install_plug_in()
    yield made
    made.clean()


def few_plug_ins(studio: Studio) -> Path:
    """A folder with no more of GIMP's own plug-ins than the script needs: to ask all of them takes seconds."""
    root, folder = studio.gimp.root or Path("/"), studio.folder / "few"
    folder.mkdir()
    for name in ("python-eval", "file-png"):
        (there,) = root.glob(f"usr/lib/*/gimp/3.0/plug-ins/{name}")
        (folder / name).symlink_to(Path("/") / there.relative_to(root))
    return folder


def test_a_layer_is_painted_and_painted_again_without_a_warning_of_ours(studio: Studio) -> None:
    content = Image.radial_gradient("L").resize((64, 48)).convert("RGB")
    content.save(studio.folder / "content.png")
    styles.picture().save(studio.folder / "starry_night.png")
    with running_daemon(studio):
        process = studio.batch(SCRIPT.format(folder=str(studio.folder)))
        said, _ = process.communicate(timeout=120)
    assert (studio.folder / "told.json").exists(), said
    told: dict[str, Any] = json.loads((studio.folder / "told.json").read_text())
    assert told["version"].startswith(f"{VERSION}.")
    assert told["said"] == [["success", ""], ["success", ""]]
    assert told["layers"] == ["Starry night (style transfer)", "Background"]
    assert json.loads(told["record"])["record"]["request"]["seed"] == 5
    painted = (studio.folder / "painted.raw").read_bytes()
    assert max(abs(255 - a - b) for a, b in zip(content.tobytes(), painted, strict=True)) <= 1, "its colours turned"
    assert not [line for line in said.splitlines() if "plug-ins/impasto/" in line or "Traceback" in line]
