"""The packed runtime: all modules that the coordinator can import, without comments, packed reproducibly."""

from __future__ import annotations

import ast
import base64
import io
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from monopod.runtime.build import PROGRAMS, RARE, STEP_PROGRAMS, pack, without_comments
from monopod.runtime.carried import ARCHITECTURES, PACKAGE, installed_runtime, load_runtime
from monopod.runtime.packed import COORDINATOR, COORDINATOR_WITH_ALL, FILE, read


def imported_by(path: Path) -> set[str]:
    """Return the modules of monopod that a module imports, at any level."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                found |= {each.name for each in node.names}
            case ast.ImportFrom(module=str(module)):
                found |= {module, *(f"{module}.{each.name}" for each in node.names)}
    return {name for name in found if name.split(".")[0] == "monopod"}


def file_of(module: str) -> str | None:
    path = "/".join(module.split(".")[1:])
    names = (f"{path}.py", f"{path}/__init__.py".lstrip("/"))
    return next((name for name in names if (PACKAGE / name).is_file()), None)


def carried_in(part: str) -> dict[str, str]:
    """Return the stripped modules in a part by their paths."""
    archive = lzma.decompress(base64.b64decode(installed_runtime().parts[part]))
    with zipfile.ZipFile(io.BytesIO(archive)) as reader:
        return {name.removeprefix("monopod/"): reader.read(name).decode() for name in reader.namelist()}


@pytest.mark.parametrize(
    ("part", "programs", "without"),
    [(COORDINATOR, PROGRAMS, RARE), (COORDINATOR_WITH_ALL, (*PROGRAMS, *STEP_PROGRAMS), ())],
)
def test_modules_are_all_that_the_programs_can_import(part, programs, without):
    wanted = list(programs)
    known: set[str] = set()
    while wanted:
        module = wanted.pop()
        parents = {module.rsplit(".", count)[0] for count in range(module.count(".") + 1)}
        new = {each for each in parents if file_of(each)} - known - {*without}
        known |= new
        for each in new:
            wanted += imported_by(PACKAGE / str(file_of(each)))
    assert carried_in(part).keys() == {file_of(module) for module in known}


PROGRAM = re.compile(r"""python3"(?:, "-\w")*, "-m", (?:"monopod\.)?([\w.]+?)(?:"|\.__name__)""")

INJECTED = re.compile(r'"(coordinator\.[a-z_.]+)"')


def test_programs_run_in_the_coordinators_container_are_packed():
    paths = [*(PACKAGE / "runner/kubernetes").rglob("*.py"), *(PACKAGE / "compiler/tasks").rglob("*.py")]
    sources = [path.read_text() for path in paths]
    programs = {name.replace(".", "/") + ".py" for source in sources for name in PROGRAM.findall(source)}
    programs |= {name.replace(".", "/") + ".py" for source in sources for name in INJECTED.findall(source)}
    assert "coordinator/outside_request.py" in programs
    modules = carried_in(COORDINATOR_WITH_ALL)
    assert [name for name in programs if not any(f"/{module}".endswith(f"/{name}") for module in modules)] == []


class _WithoutDocstrings(ast.NodeTransformer):
    """Empties texts that are statements, and drops their end positions."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = ""
            node.end_lineno = node.value.end_lineno = node.end_col_offset = node.value.end_col_offset = 0
        return node


def dumped(source: str) -> str:
    tree = _WithoutDocstrings().visit(ast.parse(source))
    for node in ast.walk(tree):
        if hasattr(node, "end_lineno"):
            node.end_lineno = node.end_col_offset = 0
    return ast.dump(tree, include_attributes=True)


def test_stripped_modules_are_the_same_program_on_the_same_lines():
    files = carried_in(COORDINATOR_WITH_ALL)
    assert files.keys() == set(installed_runtime().modules)
    for name, carried in files.items():
        source = (PACKAGE / name).read_text()
        assert dumped(carried) == dumped(source), name
        assert not any(line.lstrip().startswith("#") for line in carried.splitlines()), name


COMMENTED = '''
"""A module."""
# comment
X = "# no comment"  # comment
"""What X is."""


def f(a):
    """Return it.

    Twice.
    """
    return (
        "text"
    )


class C:
    # why
    "doc"
Y = [
    "a",
    "b"
]
"é"; Z = "ü"
=====
""

X = "# no comment"
""


def f(a):
    ""



    return (
        "text"
    )


class C:

    ""
Y = [
    "a",
    "b"
]
"é"; Z = "ü"
'''


def test_only_comments_and_docstrings_are_removed():
    with_all, without = (part.strip("\n") for part in COMMENTED.split("=====\n"))
    assert without_comments(with_all).rstrip() == without


def test_packing_is_reproducible():
    program = (
        "import sys\nfrom pathlib import Path\nfrom monopod.runtime.build import pack\nprint(pack(Path(sys.argv[1])))"
    )
    packed = {
        subprocess.run(
            [sys.executable, "-c", program, PACKAGE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert packed == {f"{pack(PACKAGE)}\n"}


def test_installed_runtime_has_an_entrypoint_for_each_architecture():
    assert installed_runtime() == pack(PACKAGE)
    assert read(PACKAGE / FILE) in (installed_runtime(), None)  # None if the package is read-only
    assert {f"entrypoint-{machine}" for machine in ARCHITECTURES.values()} <= installed_runtime().parts.keys()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the sources of a runtime."""
    for name in (*installed_runtime().modules, "runtime/build.py", "runtime/bootstrap.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / name, tmp_path / name)
    shutil.copytree(PACKAGE / "entrypoint/bin", tmp_path / "entrypoint/bin")
    return tmp_path


def test_packed_runtime_is_used_until_something_changes(package):
    first = load_runtime(package)
    assert first == installed_runtime()
    (package / FILE).write_text((package / FILE).read_text().replace(first.parts["coordinator"], "mark"))
    assert load_runtime(package).parts["coordinator"] == "mark"
    for name in ("coordinator/shell.py", "runtime/build.py", "entrypoint/bin/entrypoint-x86_64"):
        with (package / name).open("a") as file:
            file.write("\n")
        changed = load_runtime(package)
        assert changed.digest != first.digest
        assert changed.parts["coordinator"] != "mark"
        assert read(package / FILE) == changed
        first = changed


def test_removed_and_added_modules_are_noticed(package):
    load_runtime(package)
    (package / "system/write_all.py").rename(package / "system/write_everything.py")
    shell = package / "coordinator/__main__.py"
    shell.write_text(shell.read_text().replace("system.write_all", "system.write_everything"))
    runtime = load_runtime(package)
    assert "system/write_everything.py" in runtime.modules
    assert "system/write_all.py" not in runtime.modules


@pytest.mark.parametrize("content", ["", "[]", '{"digest": 1}', None])
def test_file_that_is_not_a_runtime(tmp_path, content):
    if content is not None:
        (tmp_path / "runtime.json").write_text(content)
    assert read(tmp_path / "runtime.json") is None


def test_runtime_is_packed_each_time_in_a_read_only_package(package, monkeypatch):
    (package / "runtime/packed").write_text("not a directory")
    assert load_runtime(package) == installed_runtime()
    assert stat.S_ISREG((package / "runtime/packed").stat().st_mode)


def test_missing_entrypoints_are_reported_with_a_remedy(package):
    shutil.rmtree(package / "entrypoint/bin")
    with pytest.raises(FileNotFoundError, match="install monopod with pip"):
        load_runtime(package)
