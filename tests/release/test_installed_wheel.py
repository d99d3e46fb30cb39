"""The wheel, installed as users install it, in environments that hold nothing else.

These tests build a wheel for every architecture and download its dependencies: `make test-packages` runs them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from monopod import __version__
from monopod.entrypoint.build import TARGETS

pytestmark = pytest.mark.packages

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "examples/hello/pipeline.yaml"
PROGRAMS = ("monopod", "compile-pipeline", "kubectl-monopod", "kubectl_complete-monopod")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution of this checkout, as it is published."""
    directory = tmp_path_factory.mktemp("wheel")
    build = "import setuptools.build_meta as backend, sys; print(backend.build_sdist(sys.argv[1]))"
    command = [sys.executable, "-c", build, str(directory)]
    name = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    shutil.unpack_archive(directory / name, directory)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory)]
    source = directory / name.removesuffix(".tar.gz")
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, source], check=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Installed:
    """Programs that were installed into a directory, and an environment in which nothing else is set."""

    programs: Path
    environment: dict[str, str]

    def run(self, program: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [self.programs / program, *arguments],
            env=self.environment,
            cwd=self.programs,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def installer_environment() -> dict[str, str]:
    """Return this environment for an installer. uv does not read the settings of pip, so they are passed on."""
    environment = dict(os.environ)
    for key, option in (("UV_DEFAULT_INDEX", "index-url"), ("UV_INDEX", "extra-index-url"), ("SSL_CERT_FILE", "cert")):
        command = [sys.executable, "-m", "pip", "config", "get", f"global.{option}"]
        setting = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if setting and key not in environment:
            environment[key] = setting
    return environment


def with_pipx(wheel: Path, directory: Path) -> Path:
    environment = {**os.environ, "PIPX_HOME": str(directory / "home"), "PIPX_BIN_DIR": str(directory / "bin")}
    environment["PIPX_MAN_DIR"] = str(directory / "man")
    pipx = Path(sys.executable).with_name("pipx")
    subprocess.run([pipx, "install", "--python", sys.executable, wheel], check=True, env=environment)
    return directory / "bin"


def with_uv(wheel: Path, directory: Path) -> Path:
    environment = {**installer_environment(), "UV_TOOL_DIR": str(directory / "tools")}
    environment["UV_TOOL_BIN_DIR"] = str(directory / "bin")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "tool", "install", "--quiet", "--python", sys.executable, wheel], check=True, env=environment)
    return directory / "bin"


@pytest.mark.parametrize("install", [with_pipx, with_uv])
def test_the_installed_programs_work(wheel: Path, install, tmp_path: Path):
    programs = install(wheel, tmp_path / "installed")
    path = f"{programs}{os.pathsep}{os.defpath}"
    home = tmp_path / "home"
    home.mkdir()
    installed = Installed(programs, {"PATH": path, "HOME": str(home), "TMPDIR": str(tmp_path)})
    assert all((programs / program).exists() for program in PROGRAMS)
    assert installed.run("monopod", "version") == f"monopod {__version__}\n"
    assert "Succeeded" in installed.run("monopod", "run", "-f", HELLO)
    pod = installed.run("compile-pipeline", HELLO)
    assert pod == installed.run("monopod", "compile", "-f", HELLO)
    assert "commands:" in installed.run("kubectl-monopod", "--help")


def own_modules() -> list[str]:
    """Return the paths of monopod's modules in this checkout: the folders at its top that are packages hold them."""
    folders = sorted(path.parent.name for path in ROOT.glob("[a-z]*/__init__.py"))
    command = ["git", "ls-files", "__init__.py", "__main__.py", *(f"{folder}/*.py" for folder in folders)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def test_one_wheel_is_for_every_architecture(wheel: Path):
    assert wheel.name == f"monopod-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
        binaries = {f"monopod/entrypoint/bin/entrypoint-{machine}" for machine in TARGETS}
        assert binaries <= files
        assert all(archive.getinfo(each).external_attr >> 16 & 0o111 for each in binaries)
    assert {f"monopod/{name}" for name in own_modules()} <= files
    assert "monopod/py.typed" in files
    assert not {name for name in files if name.startswith(("tests/", "monopod/tests/", "monopod/setup.py"))}
