"""`impasto stylize` through the real command and a real daemon; only the painter is a quick one."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from impasto_daemon import pictures
from impasto_daemon.cli.painting import rescued
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from PIL import Image, ImageChops

from tests.cli.conftest import House, alive, finish, until
from tests.fakes.daemon import picture
from tests.fakes.painter import DEVICE


def started(process: subprocess.Popen[str]) -> str:
    """Read a command's way until the daemon has its job; the job's name."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("job "):
            return line.split()[1]
    raise AssertionError("the job never started")


def one_sentence(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    """The only line of standard error of a command that failed like this."""
    assert done.returncode == status, done
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("impasto: "), lines
    return lines[0]


def opened(path: Path) -> Image.Image:
    """The picture in a file, which is closed."""
    with Image.open(path) as image:
        image.load()
        return image


# A job


def test_the_result_has_the_contents_size_and_is_what_the_daemon_painted(house: House) -> None:
    done = house.run(*house.stylize())
    assert done.returncode == 0, done.stderr
    expected = ImageChops.invert(opened(house.content))
    assert opened(house.out).tobytes() == expected.tobytes()
    assert done.stdout.startswith(f"{house.out} (40×30, ")
    assert house.leftovers() == []


def test_what_a_painting_would_take_is_said_and_nothing_is_painted(house: House) -> None:
    (house.folder / "state" / "impasto").mkdir(parents=True)
    facts = {"device": "a large card", **DEVICE}
    (house.folder / "state" / "impasto" / "devices.json").write_text(json.dumps({"devices": {"auto": facts}}))
    done = house.run(*house.stylize("--forecast"))
    assert re.fullmatch(r"to be painted on a large card: 40×30, about \d+ s, \d+ MB\n", done.stdout), done
    assert not house.out.exists() and "worker" not in house.log.read_text()


def test_what_is_painted_from_is_not_written_over(house: House) -> None:
    before = house.content.read_bytes()
    for words in (["-o", house.content], ["--record", house.content]):
        sentence = one_sentence(house.run(*house.stylize(), *words))
        assert str(house.content) in sentence and "written over" in sentence
    assert house.content.read_bytes() == before


def test_an_empty_name_to_go_on_from_is_refused(house: House) -> None:
    done = house.run(*house.stylize(), "--resume", "")
    assert done.returncode == 2 and "is empty" in done.stderr


def test_away_from_a_terminal_the_way_is_plain_lines_on_standard_error(house: House) -> None:
    house.steer(note="painting without VGG19")
    done = house.run(*house.stylize())
    assert len(done.stdout.splitlines()) == 1
    assert "painting without VGG19" in done.stderr.splitlines()
    assert "step 5 of 5, loss 0.2" in done.stderr
    assert "\x1b" not in done.stderr


def test_what_the_record_notes_is_said_even_if_progress_missed_it(house: House) -> None:
    house.steer(steps=1, notes=["NOT painted with VGG19"])
    assert house.run(*house.stylize()).stderr.count("NOT painted with VGG19\n") == 1


def test_on_a_terminal_there_is_a_bar(house: House) -> None:
    house.steer(delay=0.1, note="painting without VGG19")
    done, seen = on_a_terminal(house)
    assert done.returncode == 0 and done.stdout.startswith(str(house.out))
    assert all(text in seen.decode() for text in ("━", "/5", "loss", "painting without VGG19", "\x1b["))


def test_on_a_terminal_a_warning_stays_above_the_bar(house: House) -> None:
    house.steer(delay=0.1, note="NOT painted with VGG19", warning=True)
    done, seen = on_a_terminal(house)
    assert done.returncode == 0
    assert 0 < seen.find(b"NOT painted with VGG19\r\n") < seen.find(b"5/5")


def on_a_terminal(house: House) -> tuple[subprocess.CompletedProcess[str], bytes]:
    """A painting whose standard error is a terminal, and what came there."""
    house.environ["TERM"] = "xterm"
    ours, theirs = pty.openpty()
    process = house.start(*house.stylize(), stderr=theirs)
    os.close(theirs)
    seen = b""
    while chunk := read_terminal(ours):
        seen += chunk
    os.close(ours)
    return finish(process), seen


def read_terminal(descriptor: int) -> bytes:
    """What is written to a terminal; nothing at its end, which Linux calls an error."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


def test_for_machines_every_line_is_an_object_and_the_last_is_the_result(house: House) -> None:
    house.steer(note="painting without VGG19", delay=0.05)
    done = house.run(*house.stylize("--json", "--seed", 7, "--set", "coarsest=64", "--strength", 30))
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert {"note", "started", "progress"} <= set(kinds) and kinds[-1] == "result" and kinds.count("result") == 1
    moves = [event for event in events if event["event"] == "progress" and event["steps"]]
    facts = {"job", "state", "position", "step", "steps", "losses", "elapsed", "eta", "note", "warning"}
    assert set(moves[-1]) == {"event", *facts}
    assert events[-1]["output"] == str(house.out) and (events[-1]["width"], events[-1]["height"]) == (40, 30)
    request = events[-1]["record"]["request"]
    assert (request["seed"], request["strength"], request["settings"]) == (7, 30.0, {"coarsest": 64})


def test_several_styles_have_their_shares(house: House) -> None:
    words = ("--style", house.content, "--style-weight", 3, "--style-weight", 0.5, "--json")
    done = house.run(*house.stylize(*words))
    styles = json.loads(done.stdout.splitlines()[-1])["record"]["request"]["styles"]
    assert [(style["width"], style["weight"]) for style in styles] == [(20, 3.0), (40, 0.5)]


def test_previews_are_files_of_their_own(house: House) -> None:
    house.steer(delay=0.05)
    done = house.run(*house.stylize("--previews", house.folder / "growing"))
    assert done.returncode == 0, done.stderr
    found = sorted((house.folder / "growing").iterdir())
    assert found and all(path.name.startswith("step-0000") for path in found)
    assert opened(found[0]).size == (40, 30)


def test_iterates_are_files_beside_the_result(house: House) -> None:
    house.steer(steps=4)
    done = house.run(*house.stylize("--iterates", "1"))
    assert done.returncode == 0, done.stderr
    beside = house.out.with_name(f"{house.out.stem}-step-00002.png")
    assert opened(beside).size == (40, 30) and f"{beside} (step 2)" in done.stderr
    assert "to collect it" not in house.run("status").stdout


def test_transparency_is_laid_on_white_for_jpeg_and_it_is_said(house: House) -> None:
    Image.new("RGBA", (8, 8), (255, 255, 255, 0)).save(house.content)
    house.out = house.folder / "out.jpg"
    done = house.run(*house.stylize())
    assert "laid on white" in done.stderr
    assert opened(house.out).getpixel((4, 4)) == (255, 255, 255)


def requested(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The request that the daemon painted, from the record."""
    assert done.returncode == 0, done
    request: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["record"]["request"]
    return request


def test_masks_pair_with_the_styles_in_order_and_a_dash_stands_for_none(house: House) -> None:
    mask = house.folder / "mask.png"
    Image.linear_gradient("L").resize((80, 60)).save(mask)
    words = ("--style", house.content, "--style-mask", "-", "--style-mask", mask, "--json")
    plain, masked = requested(house.run(*house.stylize(*words)))["styles"]
    assert "mask" not in plain
    assert (masked["mask"]["width"], masked["mask"]["height"], masked["mask"]["channels"]) == (80, 60, 1)


def test_a_content_mask_goes_along(house: House) -> None:
    Image.new("RGBA", (40, 30), (255, 255, 255, 128)).save(house.folder / "mask.png")
    mask = requested(house.run(*house.stylize("--mask", "mask.png", "--json")))["content_mask"]
    assert (mask["width"], mask["channels"], mask["dtype"]) == (40, 1, "u8")


def test_a_mask_or_a_start_of_other_proportions_is_named_before_anything_starts(house: House) -> None:
    Image.new("L", (40, 40)).save(house.folder / "square.png")
    for option in ("--mask", "--style-mask", "--start"):
        said = one_sentence(house.run(*house.stylize(option, "square.png")))
        assert "square.png has 40×40 pixels and the content 40×30" in said
    assert not house.log.exists()


def test_a_picture_to_start_with_goes_along(house: House) -> None:
    Image.new("RGBA", (80, 60), (255, 0, 0, 128)).save(house.folder / "before.png")
    start = requested(house.run(*house.stylize("--start", "before.png", "--json")))["start"]
    assert (start["width"], start["height"], start["channels"]) == (80, 60, 4)


def test_options_of_their_own_stand_for_settings(house: House) -> None:
    words = ("--colour", "luminance", "--style-size", 300, "--seamless", "--set", "steps=9", "--json")
    settings = requested(house.run(*house.stylize(*words)))["settings"]
    assert settings == {"colour": "luminance", "style_size": 300.0, "seamless": True, "steps": 9}


def test_sixteen_bits_go_in_and_come_out(house: House) -> None:
    content = deep_picture(house.content)
    assert house.run(*house.stylize()).returncode == 0
    found = pictures.load(house.out, Limits())
    assert (found.dtype, bytes(found.data)) == ("u16", bytes(255 - byte for byte in content.data))


def deep_picture(path: Path) -> Picture:
    """A picture of 16 bits a sample, saved as this file."""
    samples = bytes((7 * i) % 256 for i in range(12 * 9 * 3 * 2))
    saved = Picture(12, 9, 3, "u16", samples)
    pictures.save(saved, path)
    return saved


def test_the_record_is_written_for_whoever_wants_to_plot_it(house: House) -> None:
    done = house.run(*house.stylize("--record", "way.json", "--json"))
    told = json.loads(done.stdout.splitlines()[-1])
    assert json.loads((house.folder / "way.json").read_text()) == {"job": told["job"], **told["record"]}


def test_a_record_that_cannot_be_written_is_said_and_the_picture_is_saved(house: House) -> None:
    (house.folder / "way.json").mkdir()
    said = house.run(*house.stylize("--record", "way.json"))
    assert said.returncode == 1 and "The picture is saved, but its record way.json" in said.stderr
    assert house.out.exists()


# Going on


def test_a_job_is_gone_on_from_by_the_beginning_of_its_name(house: House) -> None:
    first = house.run(*house.stylize())
    job = next(line.split()[1] for line in first.stderr.splitlines() if line.startswith("job "))
    assert requested(house.run(*house.stylize("--resume", job[:6], "--json")))["resume"] == job


def test_the_names_of_earlier_jobs_are_in_the_status(house: House) -> None:
    house.run(*house.stylize())
    (row,) = house.status()["jobs"]
    assert row["job"] in house.run("status").stdout
    assert requested(house.run(*house.stylize("--resume", row["job"], "--json")))["resume"] == row["job"]


def test_a_job_is_ended_from_another_terminal_with_the_picture_as_it_is(house: House) -> None:
    house.steer(steps=10_000, delay=0.01)
    process = house.start(*house.stylize())
    job = started(process)
    said = house.run("cancel", "--keep", job[:8]).stdout
    assert said == f"{job} ends with the picture as it is\n"
    done = finish(process)
    assert done.returncode == 0 and house.out.exists()
    assert re.search(r"^ended early, as asked: step \d+ of 10000$", done.stderr, re.MULTILINE)


def test_a_job_that_cannot_be_gone_on_from_is_a_sentence_and_no_fresh_start(house: House) -> None:
    done = house.run(*house.stylize("--resume", "nobody"))
    assert done.returncode == 1 and "nobody" in done.stderr.splitlines()[-1] and "[unknown_job]" in done.stderr
    assert not house.out.exists()


def test_the_beginning_of_several_names_is_refused_and_of_none_it_is_said_that_the_whole_is_needed(
    house: House,
) -> None:
    seen: dict[str, str] = {}
    while True:  # seventeen names at most: two of them begin alike
        house.run(*house.stylize())
        jobs = [row["job"] for row in house.status()["jobs"]]
        seen = {job[0]: job for job in jobs}
        if len(seen) < len(jobs):
            break
    twice = next(job[0] for job in jobs if job not in seen.values())
    assert f"names that begin with {twice}" in house.run(*house.stylize("--resume", twice)).stderr
    assert "the beginning of a name, give all of it" in house.run(*house.stylize("--resume", "nobody")).stderr


# Textures


def test_a_texture_is_painted_on_grey_from_noise_at_full_strength(house: House) -> None:
    done = house.run("texture", "--style", house.style, "-o", house.out, "--size", "24x16", "--seamless", "--json")
    request = requested(done)
    assert (request["content"]["width"], request["content"]["height"], request["strength"]) == (24, 16, 100.0)
    assert request["settings"]["init"] == "noise" and request["settings"]["seamless"] is True
    assert opened(house.out).size == (24, 16) and len(opened(house.out).convert("RGB").getcolors() or ()) == 1


def test_a_texture_may_start_otherwise_and_has_the_depth_of_its_style(house: House) -> None:
    deep_picture(house.style)
    words = ("--size", "9×8", "--set", "noise=0.01", "--style-weight", 2, "--json")
    request = requested(house.run("texture", "--style", house.style, "-o", house.out, *words))
    assert (request["settings"]["noise"], request["styles"][0]["weight"]) == (0.01, 2.0)
    assert request["content"]["dtype"] == "u16" and pictures.load(house.out, Limits()).dtype == "u16"


@pytest.mark.parametrize(
    ("words", "settings", "size"),
    [
        ((), {"init": "noise", "noise": 0.2}, 0),
        (("--recipe", "gatys"), {}, 0),
        (("--max-size", 300), {"init": "noise", "noise": 0.2}, 300),
    ],
    ids=str,
)
def test_a_texture_has_its_recipe_s_noise_where_there_is_one_and_is_painted_at_its_own_size(
    house: House, words: tuple[object, ...], settings: dict[str, object], size: int
) -> None:
    request = requested(
        house.run("texture", "--style", house.style, "-o", house.out, "--size", "9x8", "--json", *words)
    )
    assert (request["settings"], request["max_size"]) == (settings, size)


def test_a_texture_goes_on_from_an_earlier_one(house: House) -> None:
    words = ("texture", "--style", house.style, "-o", house.out, "--size", "9x8", "--json")
    job = json.loads(house.run(*words).stdout.splitlines()[-1])["job"]
    request = requested(house.run(*words, "--resume", job[:8]))
    assert (request["resume"], request["settings"]) == (job, {})


def test_a_texture_has_no_content_to_have_colours_from(house: House) -> None:
    done = house.run("texture", "--style", house.style, "-o", house.out, "--set", "colour=oklab")
    assert done.returncode == 2 and "no content" in done.stderr and not house.log.exists()


def test_a_number_that_is_nought_is_not_taken_for_an_option_that_was_left_out(house: House) -> None:
    assert requested(house.run(*house.stylize("--style-size", 0, "--json")))["settings"] == {"style_size": 0.0}


@pytest.mark.parametrize("size", ["512", "0x10", "ax3", "-1x3", "99999x2", "30000x30000", "1x2x3"])
def test_a_size_that_cannot_be_is_wrong_usage(house: House, size: str) -> None:
    done = house.run("texture", "--style", house.style, "-o", house.out, "--size", size)
    assert done.returncode == 2 and "Usage:" in done.stderr and not house.log.exists()


# Ctrl-C, and other ends


def test_ctrl_c_cancels_the_job_and_leaves_no_file(house: House) -> None:
    house.steer(steps=600, delay=0.05)
    process = house.start(*house.stylize())
    started(process)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.returncode == 130 and done.stderr.splitlines()[-1] == "impasto: cancelled [cancelled]"
    assert not house.out.exists() and house.leftovers() == []
    assert house.states() == ["cancelled"]


def test_ctrl_c_for_machines_is_an_error_object(house: House) -> None:
    house.steer(steps=600, delay=0.05)
    process = house.start(*house.stylize("--json"))
    assert process.stdout is not None
    until(lambda: process.stdout is not None and "started" in process.stdout.readline())
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.returncode == 130
    assert json.loads(done.stdout.splitlines()[-1])["code"] == "cancelled"


def test_a_second_ctrl_c_does_not_wait_for_a_worker_that_hangs(house: House) -> None:
    house.steer(hang=1, note="hanging now")
    process = house.start(*house.stylize())
    until(lambda: process.stderr is not None and "hanging" in process.stderr.readline())
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.send_signal(signal.SIGINT)
    assert finish(process).returncode == 130


def test_a_job_that_somebody_else_cancels_ends_with_a_sentence(house: House) -> None:
    house.steer(steps=600, delay=0.05)
    process = house.start(*house.stylize())
    job = started(process)
    assert house.run("cancel", job[:8]).returncode == 0
    done = finish(process)
    assert done.returncode == 1 and "cancelled" in done.stderr.splitlines()[-1].lower()
    assert not house.out.exists()


def test_a_result_that_cannot_be_saved_is_kept_by_the_daemon_and_can_be_fetched(house: House) -> None:
    house.steer(steps=20, delay=0.05)
    folder = house.folder / "gone"
    folder.mkdir()
    house.out = folder / "out.png"
    process = house.start(*house.stylize("--iterates", "1"))
    job = started(process)
    folder.rmdir()
    done = finish(process)
    assert done.returncode == 1 and f"impasto fetch {job} -o" in done.stderr
    assert "to collect it" in house.run("status").stdout
    early = house.run("fetch", job, "--step", "10", "-o", house.folder / "early.png")
    assert early.returncode == 0 and opened(house.folder / "early.png").getpixel((0, 0)) == (10, 10, 10)
    assert "those that are have the steps 10" in one_sentence(
        house.run("fetch", job, "--step", "9", "-o", house.folder / "early.png")
    )
    again = house.run("fetch", job, "-o", house.folder / "late.png")
    assert again.returncode == 0, again.stderr
    assert opened(house.folder / "late.png").size == (40, 30)
    assert one_sentence(house.run("fetch", job, "-o", house.folder / "late.png"))


@pytest.mark.parametrize("beside", [True, False])
def test_a_result_of_a_daemon_of_ones_own_that_cannot_be_saved_is_put_elsewhere(house: House, beside: bool) -> None:
    house.steer(steps=20, delay=0.05)
    house.folder.joinpath("my.pth").write_bytes(b"weights")
    folder = house.folder / "folder"
    folder.mkdir()
    house.out = folder / "out.png"
    process = house.start(*house.stylize("--weights", "my.pth"))
    started(process)
    house.out.mkdir() if beside else folder.rmdir()
    done = finish(process)
    assert done.returncode == 1, done
    last = done.stderr.splitlines()[-1]
    saved = Path(last.partition("not lost: it is ")[2].partition(" [")[0])
    assert saved.parent == (folder if beside else house.folder)
    assert opened(saved).tobytes() == ImageChops.invert(opened(house.content)).tobytes()


def test_a_picture_that_finds_no_place_anywhere_is_said_to_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert "it is lost" in rescued(picture(), tmp_path / "nowhere" / "out.png")


def test_a_daemon_that_dies_in_mid_job_is_a_sentence(house: House) -> None:
    house.steer(steps=600, delay=0.05)
    process = house.start(*house.stylize())
    started(process)
    os.kill(house.status()["daemon"]["pid"], signal.SIGKILL)
    done = finish(process)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("impasto: ")
    assert not house.out.exists()


def test_a_worker_that_dies_is_a_sentence(house: House) -> None:
    house.steer(crash=3)
    done = house.run(*house.stylize("--json"))
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1])["code"] == "worker_died"


# What is wrong is said before anything starts


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-o", "out.xcf"], ".png"),
        (["-o", "nowhere/out.png"], "no folder"),
        (["--style", "nowhere.png"], "there is no file"),
        (["--previews", "content.png"], "cannot be made"),
        (["--weights", "nowhere.pth"], "there is no weights file"),
        (["--weights", "."], "is a folder"),
        (["--mask", "nowhere.png"], "there is no file"),
        (["--start", "nowhere.png"], "there is no file"),
        (["--style-mask", "run"], "there is no file"),
        (["--record", "nowhere/way.json"], "There is no folder nowhere"),
        (["--endpoint", "tcp://127.0.0.1:5555"], "impasto pair"),
        (["--endpoint", "daemon.sock"], "ipc://"),
        (["--style", "style.png"] * 8, "9 styles"),
    ],
)
def test_a_request_that_cannot_be_is_refused_in_one_sentence(house: House, words: list[str], sentence: str) -> None:
    assert sentence in one_sentence(house.run(*house.stylize(*words)))
    assert not house.socket.exists() and not house.log.exists() and not house.out.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--strength", "abc"], "'abc' is not a valid number."),
        (["--strength", "nan"], "nan is not a finite number."),
        (["--max-size", "1.5"], "'1.5' is not a valid whole number."),
        (["--seed", "-1"], "-1 is not in the range 0<=x<="),
    ],
)
def test_what_is_no_number_is_said_to_be_none(house: House, words: list[str], sentence: str) -> None:
    done = house.run(*house.stylize(*words))
    assert done.returncode == 2 and sentence in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence", "code"),
    [
        (["--recipe", "impast"], "“impasto”", "unknown_recipe"),
        (["--set", "style_wait=3"], "“style_weight”", "unknown_setting"),
        (["--set", "style_weight=nan"], "style_weight", "bad_request"),
        (["--set", "style_weight=much"], "style_weight", "bad_request"),
        (["--recipe", "no recipe"], "no recipe", "bad_request"),
        (["--colour", "sepia"], "colour", "bad_request"),
        (["--resume", "no job"], "resume", "bad_request"),
        (["--set", f"content_layers={'x' * 300}"], "content_layers", "bad_request"),
    ],
)
def test_a_recipe_is_judged_by_the_daemon_before_the_job_is_queued(
    house: House, words: list[str], sentence: str, code: str
) -> None:
    del house.environ["IMPASTO_PAINTER"]  # the real daemon knows the recipes; its worker never starts
    daemon = house.start("daemon", "--idle-exit", 60)
    until(house.socket.exists)
    said = one_sentence(house.run(*house.stylize(*words)))
    assert sentence in said and said.endswith(f"[{code}]")
    assert house.states() == [] and not house.out.exists()
    daemon.terminate()
    finish(daemon)


@pytest.mark.parametrize(
    "words",
    [
        ["--strength", "101"],
        ["--strength", "nan"],
        ["--strength", "inf"],
        ["--max-size", "-1"],
        ["--seed", "4294967296"],
        ["--style-weight", "1", "--style-weight", "2"],
        ["--style-mask", "-", "--style-mask", "-"],
        ["--start", "content.png", "--resume", "9e27"],
        ["--seamless", "--set", "seamless=true"],
        ["--style-size", "0.5", "--set", "style_size=3"],
        ["--style-weight", "0"],
        ["--style-weight", "-1"],
        ["--set", "steps"],
        ["--set", "=3"],
        ["--weights", "w.pth", "--endpoint", "ipc:///x.sock"],
        ["--no-such-option"],
    ],
)
def test_wrong_usage_has_status_2(house: House, words: list[str]) -> None:
    done = house.run(*house.stylize(*words))
    assert done.returncode == 2 and "Usage:" in done.stderr
    assert not house.log.exists()


# Which daemon


def test_a_daemon_is_started_once_and_used_again(house: House) -> None:
    first, second = (house.run(*house.stylize("--json")) for _ in range(2))
    pids = [json.loads(done.stdout.splitlines()[-1])["record"]["daemon"] for done in (first, second)]
    assert "no daemon runs" in first.stdout and "no daemon runs" not in second.stdout
    assert pids[0] == pids[1] == house.status()["daemon"]["pid"]
    assert house.log.stat().st_size


def test_two_commands_at_once_end_with_one_daemon(house: House) -> None:
    outs = [house.folder / f"{i}.png" for i in range(2)]
    both = [house.start("stylize", house.content, "--style", house.style, "-o", out, "--json") for out in outs]
    done = [finish(process) for process in both]
    assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
    assert len({json.loads(each.stdout.splitlines()[-1])["record"]["daemon"] for each in done}) == 1
    assert house.log.read_text().count(" ready:") == 1


def test_a_socket_that_a_killed_daemon_left_is_no_obstacle(house: House) -> None:
    house.run(*house.stylize())
    pid = house.status()["daemon"]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    assert house.socket.exists()
    assert house.run(*house.stylize()).returncode == 0


def test_a_daemon_that_cannot_start_is_one_sentence_with_its_reason(house: House) -> None:
    house.socket.parent.mkdir(mode=0o755)
    house.socket.parent.chmod(0o755)
    done = house.run(*house.stylize())
    assert done.returncode == 1
    assert "none could be started" in done.stderr and "chmod 700" in done.stderr


def test_weights_of_ones_own_are_painted_with_by_a_daemon_that_ends_with_the_command(house: House) -> None:
    house.folder.joinpath("my.pth").write_bytes(b"weights")
    done = house.run(*house.stylize("--weights", "my.pth", "--json"))
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])["record"]
    assert record["weights"] == str(house.folder / "my.pth")
    assert not alive(record["daemon"]) and not alive(record["worker"])
    assert house.leftovers() == [] and not house.socket.exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_daemon_of_ones_own_ends_however_the_command_ends(house: House, number: signal.Signals, status: int) -> None:
    house.steer(steps=600, delay=0.05)
    house.folder.joinpath("my.pth").write_bytes(b"weights")
    process = house.start(*house.stylize("--weights", "my.pth"))
    started(process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 1
    process.send_signal(number)
    assert finish(process).returncode == status
    assert not alive(int(children[0]))
    assert house.leftovers() == []
