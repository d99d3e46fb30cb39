"""The layers of the packages: allowed imports between packages, and imports forbidden in the engine."""

import ast
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).parents[1]
LAYERS = {
    "system": set(),
    "entrypoint": set(),
    "schemas": {"system"},
    "coordinator": {"schemas", "system"},
    "runtime": {"coordinator"},
    "compiler": {"runtime", "schemas", "system"},
    "runner": {"compiler", "entrypoint", "runtime", "schemas", "system"},
}
"""What each package may import beside itself."""
BACKENDS = {"host", "podman", "kubernetes"}
IO = {
    "fcntl",
    "multiprocessing",
    "os",
    "pathlib",
    "select",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "threading",
    "time",
}
LOOSE = 12
"""How many modules may be in the root of a package."""
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in LAYERS
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports; modules of monopod without the prefix ``monopod.``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                found |= {each.name for each in node.names}
            case ast.ImportFrom(module=str(module)):
                names = {f"{module}.{each.name}".removeprefix("monopod.") for each in node.names}
                found |= {name if name in MODULES else module for name in names}
    return {name.removeprefix("monopod.") for name in found}


IMPORTS = {name: imports_of(path) for name, path in MODULES.items()}
PAIRS = [(name, other) for name, imported in IMPORTS.items() for other in imported if other in MODULES]


def test_packages_import_downwards_only():
    wrong = [
        (name, other)
        for name, other in PAIRS
        if other.partition(".")[0] not in {name.partition(".")[0], *LAYERS[name.partition(".")[0]]}
    ]
    assert wrong == []


def test_backends_do_not_import_each_other():
    backend = {name: name.split(".")[1] for name in MODULES if name.startswith("runner.") and name.count(".") > 1}
    wrong = [
        (name, other)
        for name, other in PAIRS
        if {backend.get(name), backend.get(other)} <= BACKENDS | {"kubelet"}
        and backend[other] not in {backend[name], "kubelet"}
    ]
    assert wrong == []


def test_engine_imports_no_io():
    wrong = [
        (name, other)
        for name, imported in IMPORTS.items()
        if name.startswith("coordinator.engine")
        for other in imported
        if other.partition(".")[0] in IO
    ]
    assert wrong == []


def test_no_import_cycles():
    circles = [each for each in nx.strongly_connected_components(nx.DiGraph(PAIRS)) if len(each) > 1]
    assert circles == []


def test_package_roots_have_few_modules():
    loose = {package: [path for path in (ROOT / package).glob("*.py") if path.stem != "__init__"] for package in LAYERS}
    assert {package: len(paths) for package, paths in loose.items() if len(paths) > LOOSE} == {}
