"""The program that a Pod carries, in a directory instead of a container."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monopod.compiler.pod.runtime_command import install_command, module_path, run_command, run_installed_command
from monopod.entrypoint import binary
from monopod.runtime import bootstrap
from monopod.runtime.carried import ARCHITECTURES, PACKAGE, installed_runtime

HERE = bootstrap.MACHINES[os.uname().machine]
OTHER = next(name for name in ARCHITECTURES if name != HERE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What /monopod is in the coordinator's container."""
    for name in ("bin", "state"):
        (tmp_path / name).mkdir()
    return tmp_path


def execute(root: Path, command: list[str], *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of a Pod below a directory."""
    python, *flags, program, digest = command[:6]
    assert python == "python3"
    program = program.replace('main("/monopod"', f"main({str(root)!r}")
    words = [sys.executable, *flags, program, digest, *command[6:], *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", **options)


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Return the files below a directory, with which they are and their modes."""
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mode & 0o777) for path in paths}


def test_it_installs_the_entrypoint_of_this_machine_and_the_modules(root):
    done = execute(root, install_command([HERE, OTHER]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {name: mode for name, (_, mode) in files(root).items()} == {
        "bin/entrypoint": 0o755,
        "state/runtime.zip": 0o644,
    }
    assert (root / "bin/entrypoint").read_bytes() == binary.path().read_bytes()


@pytest.mark.parametrize("command", [run_command([HERE]), run_installed_command()])
def test_it_runs_the_coordinator_with_the_arguments_of_the_container(root, command):
    execute(root, install_command([HERE]))
    done = execute(root, command, "--format", "json", "--", "no Plan")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("coordinator: this is not an encoded Plan: ")


def test_what_is_there_stays_when_the_coordinator_is_started_again(root):
    execute(root, run_command([HERE]), "--", "x")
    before = files(root)
    assert before.keys() == {"bin/entrypoint", "state/runtime.zip"}
    assert "encoded Plan" in execute(root, run_command([HERE]), "--", "x").stderr
    assert files(root) == before


def test_a_file_that_was_half_written_when_it_was_killed_is_written_again(root):
    for name in ("bin/entrypoint.new", "state/runtime.zip.new"):
        (root / name).write_text("half of it" * 100_000)
    assert "encoded Plan" in execute(root, run_command([HERE]), "--", "x").stderr
    assert files(root).keys() == {"bin/entrypoint", "state/runtime.zip"}
    assert (root / "bin/entrypoint").read_bytes() == binary.path().read_bytes()


def test_requests_can_be_executed_in_the_container(root):
    execute(root, run_command([HERE]), "--", "x")
    variable = module_path()
    environment = {variable["name"]: variable["value"].replace("/monopod", str(root))}
    request = [sys.executable, "-P", "-S", "-m", "monopod.coordinator.outside_request"]
    (root / "steps/a-s").mkdir(parents=True)
    words = ["--root", str(root), "dead", "a-s", "StartError", "no such file"]
    subprocess.run([*request, *words], env=environment, check=True, cwd="/")
    assert any("no such file" in path.read_text() for path in (root / "steps/a-s").iterdir())


def test_another_architecture_is_refused_in_one_line(root):
    done = execute(root, run_command([OTHER]), "--", "x")
    assert (done.returncode, done.stdout) == (2, "")
    expected = f"the node is {HERE}, and the Pod was compiled for {OTHER}; compile it with --arch {HERE}"
    assert done.stderr == f"coordinator: {expected}\n"
    assert files(root) == {}


@pytest.fixture
def image(root: Path) -> Path:
    """A prebuilt image's /monopod/runtime, with a coordinator of its own."""
    (root / "runtime/library/monopod/coordinator").mkdir(parents=True)
    (root / "runtime/digest").write_text(installed_runtime().digest)
    (root / "runtime/entrypoint").write_text("the image's")
    for package in ("", "coordinator/"):
        (root / "runtime/library/monopod" / package / "__init__.py").touch()
    program = root / "runtime/library/monopod/coordinator/__main__.py"
    program.write_text("def main():\n    print('the image')\n    return 0\n")
    return root / "runtime"


@pytest.mark.parametrize("architecture", [HERE, OTHER])
def test_an_image_that_has_the_same_runtime_is_used_as_it_is(root, image, architecture):
    done = execute(root, run_command([architecture]), "--", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "the image\n", "")
    assert (root / "bin/entrypoint").read_text() == "the image's"
    assert list((root / "state").iterdir()) == []


def test_an_image_that_has_another_runtime_is_only_a_python(root, image):
    (image / "digest").write_text("another")
    assert "encoded Plan" in execute(root, run_command([HERE]), "--", "x").stderr
    assert (root / "bin/entrypoint").read_bytes() == binary.path().read_bytes()


def test_libraries_of_the_image_can_be_imported(root):
    (root / "runtime/library/cel").mkdir(parents=True)
    (root / "runtime/library/cel/__init__.py").touch()
    program = """
import sys
namespace = {}
exec(sys.argv[1], namespace)
namespace["prepare"](*sys.argv[2:4], tuple(sys.argv[4:]))
import cel
print(cel.__file__)
"""
    command = run_command([HERE])
    words = [sys.executable, "-I", "-S", "-c", program, command[4], str(root), *command[5:-1]]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == f"{root}/runtime/library/cel/__init__.py\n"


@pytest.fixture
def refused(root, monkeypatch, capsys):
    """Prepares in this process what is refused, and returns what is said."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))

    def refused() -> str:
        with pytest.raises(SystemExit) as ended:
            bootstrap.main(str(root), *run_command([HERE])[5:])
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("coordinator: ")

    return refused


def test_an_old_python_is_refused(refused, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert refused() == "monopod needs Python 3.11 or later; the image has 3.9"


def test_a_python_without_xz_is_refused(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "lzma", None)
    assert "lzma" in refused()


def test_a_volume_that_cannot_be_written_is_told(refused, root):
    shutil.rmtree(root / "bin")
    assert str(root / "bin/entrypoint.new") in refused()


def test_old_pythons_can_compile_it():
    ast.parse(run_command([HERE])[4], feature_version=(3, 7))


def test_the_program_is_that_of_the_package_without_words_for_linters():
    program = run_command([HERE])[4]
    assert "noqa" not in program
    assert "type: ignore" not in program
    source = (PACKAGE / "runtime/bootstrap.py").read_text()
    assert [line.split("  #")[0] for line in source.splitlines()] == [
        line.split("  #")[0] for line in program.splitlines()
    ]
