"""The bootstrap program of a Pod, run in a directory instead of a container."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monopod.compiler.pod.runtime_command import (
    holding_command,
    install_command,
    module_path,
    run_command,
    run_installed_command,
)
from monopod.entrypoint import binary
from monopod.runtime import bootstrap
from monopod.runtime.carried import ARCHITECTURES, PACKAGE, installed_runtime

HERE = bootstrap.MACHINES[os.uname().machine]
OTHER = next(name for name in ARCHITECTURES if name != HERE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory that serves as /monopod of the coordinator's container."""
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
    """Return the files below a directory with their identities and modes."""
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mode & 0o777) for path in paths}


def test_entrypoint_of_this_machine_and_modules_are_installed(root):
    done = execute(root, install_command([HERE, OTHER]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {name: mode for name, (_, mode) in files(root).items()} == {
        "bin/entrypoint": 0o755,
        "state/runtime.zip": 0o644,
    }
    assert (root / "bin/entrypoint").read_bytes() == binary.path().read_bytes()


def test_holding_container_ends_once_a_coordinator_runs(root):
    (root / "state/journal").touch()
    done = execute(root, holding_command(install_command([HERE])))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (root / "bin/entrypoint").exists()


def test_holding_container_ends_on_sigterm(root):
    _, *flags, program, digest = (command := holding_command(install_command([HERE])))[:6]
    program = program.replace('main("/monopod"', f"main({str(root)!r}")
    program = program.replace("    while not os.path.exists(journal):", "    print(flush=True)\n    while True:")
    words = [sys.executable, *flags, program, digest, *command[6:]]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd="/") as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == b"\n"  # it holds
        holding.terminate()
        assert holding.wait(60) == 0


@pytest.mark.parametrize("command", [run_command([HERE]), run_installed_command()])
def test_coordinator_gets_the_arguments_of_the_container(root, command):
    execute(root, install_command([HERE]))
    done = execute(root, command, "--format", "json", "--", "no Plan")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("coordinator: this is not an encoded Plan: ")


def test_restarted_coordinator_keeps_the_installed_files(root):
    execute(root, run_command([HERE]), "--", "x")
    before = files(root)
    assert before.keys() == {"bin/entrypoint", "state/runtime.zip"}
    assert "encoded Plan" in execute(root, run_command([HERE]), "--", "x").stderr
    assert files(root) == before


def test_half_written_file_is_written_again(root):
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


def test_other_architecture_is_refused_with_one_line(root):
    done = execute(root, run_command([OTHER]), "--", "x")
    assert (done.returncode, done.stdout) == (2, "")
    expected = f"the node is {HERE}, and the Pod was compiled for {OTHER}; compile it with --arch {HERE}"
    assert done.stderr == f"coordinator: {expected}\n"
    assert files(root) == {}


@pytest.fixture
def image(root: Path) -> Path:
    """The /monopod/runtime of a prebuilt image, with its own coordinator."""
    (root / "runtime/library/monopod/coordinator").mkdir(parents=True)
    (root / "runtime/digest").write_text(installed_runtime().digest)
    (root / "runtime/entrypoint").write_text("the image's")
    for package in ("", "coordinator/"):
        (root / "runtime/library/monopod" / package / "__init__.py").touch()
    program = root / "runtime/library/monopod/coordinator/__main__.py"
    program.write_text("def main():\n    print('the image')\n    return 0\n")
    return root / "runtime"


@pytest.mark.parametrize("architecture", [HERE, OTHER])
def test_runtime_of_the_image_is_used_if_equal(root, image, architecture):
    done = execute(root, run_command([architecture]), "--", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "the image\n", "")
    assert (root / "bin/entrypoint").read_text() == "the image's"
    assert list((root / "state").iterdir()) == []


def test_other_runtime_of_the_image_is_ignored(root, image):
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
    """Prepares a runtime that must be refused, in this process, and returns the message."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))

    def refused() -> str:
        with pytest.raises(SystemExit) as ended:
            bootstrap.main(str(root), *run_command([HERE])[5:])
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("coordinator: ")

    return refused


def test_old_python_is_refused(refused, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert refused() == "monopod needs Python 3.11 or later; the image has 3.9"


def test_python_without_xz_is_refused(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "lzma", None)
    assert "lzma" in refused()


def test_unwritable_volume_is_reported(refused, root):
    shutil.rmtree(root / "bin")
    assert str(root / "bin/entrypoint.new") in refused()


def test_program_compiles_in_old_pythons():
    ast.parse(run_command([HERE])[4], feature_version=(3, 7))


def test_program_has_no_linter_comments():
    program = run_command([HERE])[4]
    assert "noqa" not in program
    assert "type: ignore" not in program
    source = (PACKAGE / "runtime/bootstrap.py").read_text()
    assert [line.split("  #")[0] for line in source.splitlines()] == [
        line.split("  #")[0] for line in program.splitlines()
    ]
