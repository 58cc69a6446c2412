"""The house rules that a machine can hold: which room may import which, and what each may know."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from impasto_daemon.executor import EXECUTORS

ROOT = Path(__file__).parents[1]
PROTOCOL = ROOT / "protocol" / "impasto_protocol"
DAEMON = ROOT / "daemon" / "impasto_daemon"
PLUGIN = ROOT / "gimp_plugin" / "impasto"

STANDARD = set(sys.stdlib_module_names)
TORCHLESS = ("recipe", "recipes", "settings", "idle", "architectures", "levels", "cost", "plan", "host_memory")
"""Modules of the engine that can be asked before a painting, by whoever has no torch."""

OUR_MODULES = {
    ".".join(path.relative_to(room.parent).with_suffix("").parts)
    for room in (PROTOCOL, DAEMON)
    for path in room.rglob("*.py")
}


def imports(path: Path) -> set[str]:
    """Every module that this file names in an import, relative ones by their full names."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[1:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from . import painter` imports a module as well.
            parts = {f"{module}.{alias.name}" for alias in node.names} & OUR_MODULES
            found |= parts or {module}
    return found


def reached(*names: str) -> list[Path]:
    """The daemon's own modules that these load, wherever they name them, and what those load in turn; with these."""
    found, waiting = set[str](), {f"impasto_daemon.{name}" for name in names}
    while waiting:
        found.add(name := waiting.pop())
        waiting |= {each for each in imports(path_of(name)) & OUR_MODULES if each.startswith("impasto_daemon.")} - found
    return [path for path in sorted(map(path_of, found)) if path.parent == DAEMON]


def path_of(name: str) -> Path:
    """The file of a module of the daemon's."""
    return DAEMON.parent.joinpath(*name.split(".")).with_suffix(".py")


EXECUTED = tuple(name.partition(":")[0].removeprefix("impasto_daemon.") for name in EXECUTORS.values())
"""What the supervisor loads by name."""

MAY_IMPORT: list[tuple[str, list[Path], set[str]]] = [
    (
        "the protocol knows msgpack alone",
        [path for path in PROTOCOL.glob("*.py") if path.name != "zmq_transport.py"],
        {"msgpack", "impasto_protocol"},
    ),
    ("one of its transports knows ZeroMQ", [PROTOCOL / "zmq_transport.py"], {"zmq", "impasto_protocol"}),
    (
        "the engine is pure torch",
        sorted((DAEMON / "engine").glob("*.py")),
        {"torch", "torchvision", "numpy", "impasto_protocol", "impasto_daemon.engine"},
    ),
    (
        "recipes can be read without torch",
        [DAEMON / "engine" / f"{name}.py" for name in TORCHLESS],
        {"impasto_protocol", *(f"impasto_daemon.engine.{name}" for name in TORCHLESS)},
    ),
    (
        "whoever owns sockets and queues knows no torch",
        reached("supervisor", "worker", *EXECUTED),
        {"zmq", "filelock", "platformdirs", "impasto_protocol", "impasto_daemon"},
    ),
    (
        "the plug-in knows GIMP and the protocol",
        sorted(PLUGIN.glob("*.py")),
        {"gi", "impasto_protocol", "zmq", "msgpack", "fcntl", "msvcrt", *(path.stem for path in PLUGIN.glob("*.py"))},
    ),
]


@pytest.mark.parametrize(("rule", "files", "allowed"), MAY_IMPORT, ids=[rule for rule, _, _ in MAY_IMPORT])
def test_imports_point_one_way(rule: str, files: list[Path], allowed: set[str]) -> None:
    assert files, "the rule speaks of files that are there"
    for path in files:
        for name in imports(path):
            known = name.split(".")[0] in STANDARD or any(name == a or name.startswith(f"{a}.") for a in allowed)
            assert known, f"{path.relative_to(ROOT)} imports {name}: {rule}"


OWNS_THE_DEVICE = {"painter", "networks", "resuming", "checkpoints", "tensors", "device"}
"""Modules of the daemon that know torch, beside the engine: the worker alone loads them, by name."""


def test_no_two_files_of_the_plug_in_need_each_other() -> None:
    """Not even inside functions: whoever reads one knows what to read before."""
    files = {path.stem: path for path in PLUGIN.glob("*.py")}
    needs = {name: {each.split(".")[0] for each in imports(path)} & set(files) - {name} for name, path in files.items()}
    assert list(TopologicalSorter(needs).static_order())


def test_the_map_has_every_file_of_the_plug_in() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("### The plug-in")[2].partition("\n## ")[0]
    files = {path.stem for path in PLUGIN.glob("*.py")}
    assert set(re.findall(r"`(\w+)`", table)) >= files


@pytest.mark.parametrize(
    "path",
    [p for p in DAEMON.rglob("*.py") if p.stem not in OWNS_THE_DEVICE and p.parent.name != "engine"],
    ids=lambda path: path.stem,
)
def test_nobody_but_the_painter_knows_the_engine(path: Path) -> None:
    torchless = {"impasto_daemon.engine", *(f"impasto_daemon.engine.{name}" for name in TORCHLESS)}
    known = imports(path)
    assert not known & {f"impasto_daemon.{name}" for name in OWNS_THE_DEVICE}
    assert {n for n in known if n.startswith("impasto_daemon.engine")} <= torchless


def test_the_test_of_imports_sees_every_form_of_them(tmp_path: Path) -> None:
    assert "impasto_daemon.weights" in imports(DAEMON / "networks.py"), "from . import weights"
    assert "impasto_daemon.engine.stylize" in imports(DAEMON / "painter.py"), "from .engine import stylize"
    assert "impasto_daemon.executor" in imports(DAEMON / "supervisor.py"), "from .executor import is_end"


def test_the_rule_of_the_two_processes_reaches_whatever_they_load() -> None:
    found = {path.stem for path in reached("supervisor", "worker", *EXECUTED)}
    assert found >= {"executor", "slot", "iterates", "course", "records"}, "and what only those load that they load"
    assert not found & OWNS_THE_DEVICE, "the painter is loaded by name"


@pytest.mark.parametrize(
    ("module", "not_loaded"),
    [
        ("impasto_protocol.server_core", {"zmq", "torch", "PIL", "numpy"}),
        ("impasto_protocol.codec", {"zmq", "torch", "PIL", "numpy"}),
        ("impasto_protocol.zmq_client", {"torch", "PIL", "numpy"}),
        ("impasto_daemon.supervisor", {"torch", "torchvision", "numpy"}),
        ("impasto_daemon.worker", {"torch", "torchvision", "numpy"}),
        ("impasto_daemon.cli", {"torch", "torchvision", "numpy"}),
        ("impasto_daemon.engine.recipes", {"torch", "torchvision", "numpy", "zmq"}),
    ],
)
def test_importing_a_room_does_not_load_what_it_must_not_know(module: str, not_loaded: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert module in loaded
    assert not not_loaded & set(loaded)


def test_every_module_opens_by_saying_what_it_is_for() -> None:
    files = [
        path for room in (PROTOCOL, DAEMON, PLUGIN) for path in room.rglob("*.py") if "__pycache__" not in path.parts
    ]
    assert len(files) > 30
    for path in files:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"


def test_the_light_install_has_no_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    light = " ".join(project["dependencies"])
    assert "torch" not in light and "numpy" not in light
    assert {"torch", "torchvision"} <= {name.split(">")[0] for name in project["optional-dependencies"]["daemon"]}


def test_every_dependency_earns_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {
        line.split("`")[1]
        for line in (ROOT / "docs" / "dependencies.md").read_text().splitlines()
        if line.startswith("| `")
    }
    needed = [*project["dependencies"], *(n for extra in project["optional-dependencies"].values() for n in extra)]
    assert {name.split(">")[0].split("=")[0].split("~")[0] for name in needed} == named


def test_the_protocol_names_every_error_code_that_travels() -> None:
    from impasto_protocol.errors import RETRYABLE, Code

    spec = (ROOT / "protocol" / "SPEC.md").read_text(encoding="utf-8").split("## 9. Errors")[1].split("## 10.")[0]
    local = {Code.UNREACHABLE, Code.DAEMON_LOST, Code.TIMED_OUT, Code.NOT_PAIRED}
    rows = {line for line in spec.splitlines() if line.startswith("| `")}
    for code in Code:
        named = [row for row in rows if f"`{code.value}`" in row.split("|")[1]]
        assert bool(named) != (code in local)
        assert not named or (code in RETRYABLE) == ("yes" in named[0].split("|")[3])
