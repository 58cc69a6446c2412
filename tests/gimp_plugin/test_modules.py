"""What the plug-in's modules say and know, apart from GIMP."""

from __future__ import annotations

import ast
import importlib
import io
import json
import os
import random
import threading
import time
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from impasto_daemon import launch, plugin_install
from impasto_daemon.engine.recipes import RECIPES
from impasto_protocol import __version__, key_files, preset, request
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.forecast import Forecast
from impasto_protocol.interrupt import Interrupt
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Accepted, Progress, Result
from impasto_protocol.pairing import Pairing
from impasto_protocol.picture import Picture
from PIL import Image

SOURCES = sorted(plugin_install.source_folder().glob("*.py"))


def module(name: str) -> Any:
    return importlib.import_module(name)


def imported(path: Path) -> set[str]:
    """The top names of a file's imports outside functions."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    return names


def test_registering_imports_nothing_that_can_be_missing() -> None:
    main = plugin_install.source_folder() / "impasto.py"
    standard = {
        "__future__",
        "importlib",
        "traceback",
        "sys",
        "collections",
        "pathlib",
        "typing",
        "gettext",
        "itertools",
    }
    assert imported(main) <= {*standard, "gi", "language"}
    assert imported(main.with_name("language.py")) <= {*standard, "struct", "gi"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_plug_in_knows_neither_the_daemon_nor_the_engine(path: Path) -> None:
    assert not imported(path) & {"impasto_daemon", "torch", "numpy", "PIL", "platformdirs"}


@pytest.mark.usefixtures("without_gimp")
def test_the_dialog_offers_exactly_the_daemons_recipes_in_their_order() -> None:
    assert list(module("recipe_names").RECIPES) == list(RECIPES)


@pytest.mark.usefixtures("without_gimp")
def test_the_arguments_defaults_are_the_protocols() -> None:
    text = (plugin_install.source_folder() / "impasto.py").read_text(encoding="utf-8")
    defaults = (request.DEFAULT_RECIPE, request.DEFAULT_STRENGTH, request.DEFAULT_MAX_SIZE)
    assert defaults == ("impasto", 50.0, 1024)
    for written in ('else "impasto"', "0.0, 100.0, 50.0", "1024,"):
        assert written in text


@pytest.mark.usefixtures("without_gimp")
def test_a_preset_holds_the_filters_numbers_in_their_ranges() -> None:
    for name, *_, lowest, highest, default in module("impasto").NUMERIC:
        read = preset.VALUES[name]
        assert (read(lowest, name), read(highest, name), read(default, name)) == (lowest, highest, default)
        for beyond in (lowest - 1, highest + 1):
            with pytest.raises(ImpastoError):
                read(beyond, name)


@pytest.mark.usefixtures("without_gimp")
@pytest.mark.parametrize(
    ("news", "sentence"),
    [
        (Progress(job="j", state=State.QUEUED, position=1), "Waiting for 1 other painting"),
        (Progress(job="j", state=State.QUEUED, position=2), "Waiting for 2 other paintings"),
        (Progress(job="j", state=State.QUEUED), "Waiting"),
        (Progress(job="j", state=State.LOADING), "Preparing to paint"),
        (Progress(job="j", state=State.LOADING, note="Fetching VGG19, 3 of 548 MB"), "Fetching VGG19, 3 of 548 MB"),
        (Progress(job="j", state=State.RUNNING, step=1, steps=120), "Step 1 of 120"),
        (Progress(job="j", state=State.RUNNING, step=34, steps=120, eta=40.2), "Step 34 of 120, about 40 s left"),
        (Progress(job="j", state=State.RUNNING, step=3, steps=9, eta=0.1), "Step 3 of 9, about 1 s left"),
        (Progress(job="j", state=State.RUNNING, step=3, steps=9, eta=200), "Step 3 of 9, about 3 min left"),
        (Progress(job="j", state=State.RUNNING, step=3, steps=9, eta=7800), "Step 3 of 9, about 2 h 10 min left"),
        (Progress(job="j", state=State.RUNNING, step=3, steps=9, eta=7170), "Step 3 of 9, about 2 h left"),
    ],
)
def test_the_status_bar_speaks_plainly(news: Progress, sentence: str) -> None:
    assert module("progress").sentence(news, None) == sentence


FORECAST = Forecast(4000, 3000, 6, 40, 5_100_000_000, 170.0, "cpu")


@pytest.mark.usefixtures("without_gimp")
@pytest.mark.parametrize(
    ("news", "sentence"),
    [
        (
            Progress(job="j", state=State.QUEUED, position=1),
            "Waiting for 1 other painting (4000×3000, 6 tiles, about 3 min, 5.1 GB)",
        ),
        (
            Progress(job="j", state=State.LOADING),
            "Preparing to paint (4000×3000, 6 tiles, about 3 min, 5.1 GB)",
        ),
        (Progress(job="j", state=State.LOADING, note="Fetching VGG19, 3 of 548 MB"), "Fetching VGG19, 3 of 548 MB"),
        (
            Progress(job="j", state=State.RUNNING, step=1, steps=120),
            "Step 1 of 120 (4000×3000, 6 tiles, about 3 min, 5.1 GB)",
        ),
        (
            Progress(job="j", state=State.RUNNING, step=34, steps=120, eta=40.2),
            "Step 34 of 120, about 40 s left (4000×3000, 6 tiles, 5.1 GB)",
        ),
    ],
)
def test_the_status_bar_says_what_is_foreseen_until_it_is_measured(news: Progress, sentence: str) -> None:
    assert module("progress").sentence(news, FORECAST) == sentence


@pytest.mark.usefixtures("without_gimp")
@pytest.mark.parametrize(
    ("news", "share"),
    [
        (Progress(job="j", state=State.RUNNING, step=3, steps=4, elapsed=10, eta=30), 0.25),
        (Progress(job="j", state=State.RUNNING, step=4, steps=4, elapsed=10, eta=0), 1),
        (Progress(job="j", state=State.RUNNING, step=1, steps=4, elapsed=10), 0.25),
        (Progress(job="j", state=State.RUNNING, step=1, steps=4, eta=0), 0.25),
    ],
)
def test_the_bar_goes_by_time_where_it_is_known(news: Progress, share: float) -> None:
    assert module("progress").share(news) == share


@pytest.mark.usefixtures("without_gimp")
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("starry_night.jpg", "Starry night (style transfer)"),
        ("Der Schrei.png", "Der Schrei (style transfer)"),
        ("été.webp", "Été (style transfer)"),
        ("no_extension", "No extension (style transfer)"),
        ("___.png", "Impasto (style transfer)"),
    ],
)
def test_a_layer_is_named_after_its_style_file(file: str, name: str) -> None:
    assert module("record").layer_name(file) == name


@pytest.mark.usefixtures("without_gimp")
def test_a_layer_with_several_styles_is_named_after_the_first_and_says_how_many_more() -> None:
    layer_name = module("record").layer_name
    assert layer_name("starry_night.jpg", "b.png") == "Starry night and 1 more (style transfer)"
    assert layer_name("été.webp", "b.png", "c", "d") == "Été and 3 more (style transfer)"


@pytest.mark.usefixtures("without_gimp")
def test_the_record_is_ascii_whatever_the_names_are() -> None:
    data = module("record").dump([{"style": "Ölbild — 雪.png"}], {"notes": ["“painted”"], "request": {"seed": 1}})
    assert max(data) < 0x80
    kept = json.loads(data)
    assert kept == {
        "impasto": __version__,
        "style": "Ölbild — 雪.png",
        "record": {"notes": ["“painted”"], "request": {"seed": 1}},
    }


@pytest.mark.usefixtures("without_gimp")
def test_a_file_name_that_is_no_utf_8_becomes_a_text_that_gimp_takes() -> None:
    record, name = module("record"), os.fsdecode(b"gem\xe4lde.png")
    assert record.layer_name(name) == "Gem�lde (style transfer)"
    assert json.loads(record.dump([record.named(name)], {}))["style"] == "gem�lde.png"


@pytest.mark.usefixtures("without_gimp")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_half_a_picture_file_is_known_as_such(tmp_path: Path, kind: str) -> None:
    stream = io.BytesIO()
    noise = bytes(random.Random(1).randbytes(80 * 60 * 3))
    Image.frombytes("RGB", (80, 60), noise).save(stream, kind)
    whole, path = stream.getvalue(), tmp_path / "picture"
    path.write_bytes(whole)
    assert not module("whole").is_cut_off(path)
    path.write_bytes(whole + b"what a telephone appends")
    assert not module("whole").is_cut_off(path)
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert module("whole").is_cut_off(path)


@pytest.mark.usefixtures("without_gimp")
def test_the_end_of_a_thumbnail_is_not_the_end_of_its_photograph(tmp_path: Path) -> None:
    thumbnail, photograph = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (16, 12)).save(thumbnail, "JPEG")
    Image.effect_noise((80, 60), 60).save(photograph, "JPEG", exif=b"Exif\0\0" + thumbnail.getvalue())
    path = tmp_path / "photograph.jpg"
    path.write_bytes(photograph.getvalue()[:-100])
    assert b"\xff\xd9" in path.read_bytes()
    assert module("whole").is_cut_off(path)


@pytest.mark.usefixtures("without_gimp")
@pytest.mark.parametrize("magic", [b"RIFF", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RAW!"])
def test_a_large_file_is_judged_without_being_read_into_memory(tmp_path: Path, magic: bytes) -> None:
    path, size = tmp_path / "large", 64 * 1024**2
    with path.open("wb") as file:
        file.write(magic)
        file.truncate(size)
    is_cut_off = module("whole").is_cut_off
    tracemalloc.start()
    try:
        is_cut_off(path)
        assert tracemalloc.get_traced_memory()[1] < 1024**2
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("without_gimp")
def test_a_daemon_gets_nothing_of_what_gimps_packaging_set_for_itself() -> None:
    theirs = (
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "PYTHONHOME",
        "PYTHONPATH",
        "GIMP3_DIRECTORY",
        "GI_TYPELIB_PATH",
        "APPDIR",
    )
    ours = {"HOME": "/e", "IMPASTO_ENDPOINT": "ipc:///f", "XDG_RUNTIME_DIR": "/g", "CUDA_VISIBLE_DEVICES": "0"}
    assert module("daemon_start").clean_environment(dict.fromkeys(theirs, "/a") | ours) == ours


def launcher(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Any:
    """daemon_start with a Python whose `-m impasto_daemon.launch ENDPOINT` is this shell script."""
    python = folder / "python3"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    (folder / "impasto.json").write_text(json.dumps({"version": "0", "python": str(python)}))
    daemon_start = module("daemon_start")
    monkeypatch.setattr(daemon_start, "installed_python", lambda: str(python))
    return daemon_start


@pytest.mark.usefixtures("without_gimp")
def test_the_last_sentence_of_the_launcher_is_what_the_artist_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = 'echo "a warning" >&2; echo "$4: torch is not installed" >&2; exit 1'
    start = launcher(tmp_path, monkeypatch, said)
    with pytest.raises(ImpastoError, match=r"^ipc:///a/b: torch is not installed$") as caught:
        start.launch("ipc:///a/b", Interrupt())
    assert caught.value.code is Code.UNREACHABLE


@pytest.mark.usefixtures("without_gimp")
def test_a_launcher_that_ends_well_has_warnings_that_nobody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher(tmp_path, monkeypatch, "echo 'a warning' >&2").launch("ipc:///a/b", Interrupt())


@pytest.mark.usefixtures("without_gimp")
def test_a_launcher_that_dies_without_a_word_is_told_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImpastoError, match=r"could not be started.*Type in a terminal: impasto daemon"):
        launcher(tmp_path, monkeypatch, "kill -9 $$").launch("ipc:///a/b", Interrupt())


@pytest.mark.usefixtures("without_gimp")
def test_a_python_that_is_gone_is_named_whatever_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = module("daemon_start")
    (tmp_path / "impasto.json").write_text(json.dumps({"python": "/gone/{command}/python"}))
    find = start.installed_python
    monkeypatch.setattr(start, "installed_python", lambda: find(tmp_path / "impasto.json"))
    with pytest.raises(ImpastoError) as caught:
        start.launch("ipc:///a/b", Interrupt())
    assert str(caught.value) == (
        "The Impasto daemon does not run and could not be started: /gone/{command}/python, which installed this "
        "plug-in, is gone. Type in a terminal: impasto daemon --endpoint ipc:///a/b"
    )


@pytest.mark.usefixtures("without_gimp")
def test_cancel_works_while_the_daemon_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, interrupt = launcher(tmp_path, monkeypatch, "exec sleep 60"), Interrupt()
    threading.Timer(0.2, interrupt.set).start()
    began = time.monotonic()
    with pytest.raises(ImpastoError) as caught:
        start.launch("ipc:///a/b", interrupt)
    assert caught.value.code is Code.CANCELLED
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("without_gimp")
def test_no_daemon_is_started_for_one_that_is_on_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = launcher(tmp_path, monkeypatch, "echo 'a daemon was started' >&2; exit 1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("IMPASTO_ENDPOINT", "tcp://127.0.0.1:9")
    with pytest.raises(ImpastoError, match="impasto pair CODE"):
        start.connect(lambda sentence: None, Interrupt())
    key_files.store_pairing(Pairing("studio", "tcp://127.0.0.1:9", bytes(range(32)), bytes(range(32))))
    with pytest.raises(ImpastoError, match="no daemon listens") as caught:
        start.connect(lambda sentence: None, Interrupt())
    assert caught.value.code is Code.UNREACHABLE


@pytest.mark.usefixtures("without_gimp")
def test_a_launcher_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = launcher(tmp_path, monkeypatch, "exec sleep 60")
    assert start.PATIENCE > launch.PATIENCE + launch.RACE, "the launcher gives up first, and knows why"
    monkeypatch.setattr(start, "PATIENCE", 0.2)
    with pytest.raises(ImpastoError, match=r"did not answer within 0\.2 seconds"):
        start.launch("ipc:///a/b", Interrupt())


class Handed:
    """A client whose daemon has painted already; `events` has what became of the painting, in order."""

    foreseen: Mapping[str, Any] = {}
    welcome = SimpleNamespace(heartbeat=2.0)

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def stylize(self, *_: object, on_accepted: Any, on_progress: Any, **__: object) -> Result:
        on_accepted(Accepted(re=1, job="0123456789abcdef", state=State.QUEUED, forecast=self.foreseen))
        on_progress(Progress(job="0123456789abcdef", state=State.RUNNING, step=1, steps=2, eta=1.0))
        return Result(job="0123456789abcdef", record={}, pictures=(Picture(1, 1, 3, "u8", b"abc"),))

    def offers(self, _feature: str) -> bool:
        return True

    def acknowledge(self, _job: str) -> None:
        self._events.append("acknowledged")

    def close(self) -> None:
        self._events.append("closed")


def named() -> Any:
    """An image or a layer."""
    it = MagicMock()
    it.get_name.return_value = "a name"
    return it


@pytest.fixture
def painting(without_gimp: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Any, list[str]]:
    """The plug-in's `run` with everything before and after the job left out; a GLib loop made of an event."""
    run, job, events, quitting = module("run"), module("job"), list[str](), threading.Event()
    order = module("order")
    monkeypatch.setattr(job.daemon_start, "connect", lambda *_, **__: Handed(events))
    pixel = Picture(1, 1, 3, "u8", b"abc")
    chosen = {1: order.styles.Chosen("style.png", pixel, copy=b"a copy")}
    monkeypatch.setattr(order.styles, "chosen", lambda *_: chosen)
    for name, value in (("read", pixel), ("check_visible", None)):
        monkeypatch.setattr(order.pixels, name, lambda *_, value=value: value)
    monkeypatch.setattr(module("finished").Gimp, "directory", lambda: str(tmp_path))
    monkeypatch.setattr(order.record, "origin", lambda _: {})
    for name in ("made", "keep"):
        monkeypatch.setattr(order.record, name, lambda *_: None)
    order.colours.Gimp.GroupLayer.new.return_value.get_parent.return_value = None
    loop = job.GLib.MainLoop.return_value
    loop.run.side_effect = lambda: quitting.wait(5)
    loop.quit.side_effect = quitting.set
    job.GLib.idle_add.side_effect = lambda function, *values: function(*values)
    return run, events


def test_the_painting_is_acknowledged_once_it_is_in_the_image(
    painting: tuple[Any, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, events = painting
    monkeypatch.setattr(module("pixels"), "insert_above", lambda *_: events.append("inserted"))
    run.paint(MagicMock(), named(), named(), MagicMock(), module("progress").StatusBar())
    assert events == ["inserted", "acknowledged", "closed"]


def test_a_preview_that_is_painted_when_another_one_is_begun_is_not_left_with_the_daemon(
    painting: tuple[Any, list[str]],
) -> None:
    _, events = painting
    job, preview = module("job"), object.__new__(module("preview").Preview)
    painted = threading.Event()  # GTK is busy: nobody else hears of it yet
    job.GLib.idle_add.side_effect = lambda _call: painted.set() if preview._job._result else None
    preview._timer, preview._job = 0, job.Job(MagicMock(), "preview")
    thread = preview._job._thread
    preview._job.start(MagicMock(preview_side=0), lambda: None)
    assert painted.wait(5)
    preview._stop()
    thread.join(5)
    assert events == ["acknowledged", "closed"]


def test_a_job_is_over_once_even_if_the_daemon_goes_before_it_hears_that_the_painting_is_there(
    painting: tuple[Any, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, events = painting

    def gone(_client: object, _job: str) -> None:
        raise ImpastoError(Code.DAEMON_LOST, "it is gone")

    monkeypatch.setattr(Handed, "acknowledge", gone)
    over: list[str] = []
    with module("job").Job(MagicMock(), "batch") as job:
        job.acknowledge()
        job.start(MagicMock(preview_side=0), lambda: over.append("over"))
    assert over == ["over"] and events == ["closed"]
    assert job.result().pictures


@pytest.mark.parametrize("foreseen", [FORECAST.as_map(), {}, {"of": "the future"}])
def test_the_artist_sees_what_it_will_take_as_soon_as_the_daemon_has_the_job(
    painting: tuple[Any, list[str]], monkeypatch: pytest.MonkeyPatch, foreseen: dict[str, Any]
) -> None:
    run, _ = painting
    monkeypatch.setattr(Handed, "foreseen", foreseen)
    monkeypatch.setattr(module("pixels"), "insert_above", lambda *_: None)
    run.paint(MagicMock(), named(), named(), MagicMock(), module("progress").StatusBar())
    told = [call.args[0] for call in module("progress").Gimp.progress_set_text.call_args_list]
    known = Forecast.of(foreseen) is not None
    assert told == [
        "Waiting" + " (4000×3000, 6 tiles, about 3 min, 5.1 GB)" * known,
        "Step 1 of 2, about 1 s left" + " (4000×3000, 6 tiles, 5.1 GB)" * known,
    ]


@pytest.mark.parametrize(
    ("reason", "code"), [("The image was closed meanwhile", Code.BAD_REQUEST), ("GIMP's own words.", Code.INTERNAL)]
)
def test_a_painting_that_cannot_be_inserted_is_left_with_the_daemon_and_the_way_to_it_said(
    painting: tuple[Any, list[str]], monkeypatch: pytest.MonkeyPatch, reason: str, code: Code
) -> None:
    run, events = painting
    image = named()
    image.is_valid.return_value = "image" not in reason

    def fail(*_: object) -> None:
        raise RuntimeError(reason)

    monkeypatch.setattr(module("pixels"), "insert_above", fail)
    with pytest.raises(
        ImpastoError, match=rf"{reason.rstrip('.')}\. It is not lost.*impasto fetch 01234567 -o FILE\.png"
    ) as caught:
        run.paint(MagicMock(), image, named(), MagicMock(), module("progress").StatusBar())
    assert events == ["closed"]
    assert caught.value.code is code, "nobody has cancelled it"


def test_a_layer_that_gimp_does_not_take_is_an_error(without_gimp: None) -> None:
    pixels, image, source = module("pixels"), MagicMock(), MagicMock()
    image.insert_layer.return_value, source.is_valid.return_value = False, False
    pixels.Gimp.get_pdb.return_value.get_last_error.return_value = "no room"
    with pytest.raises(ImpastoError, match="no room"):
        pixels.insert_above(image, source, MagicMock())


@pytest.mark.usefixtures("without_gimp")
def test_each_place_that_keeps_the_paths_of_styles_is_named_where_the_manual_says_how_to_forget_them() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scripting.md").read_text(encoding="utf-8")
    for place in (module("style_memory").FILE, module("last_values").PARASITE, "plug-in-settings/*impasto*"):
        assert f"`{place}`" in page, place
