"""What setup.py adds to the package: the entrypoints, and the runtime packed with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monopod.runtime.carried import PACKAGE, installed_runtime
from monopod.runtime.packed import FILE, read

PROGRAM = """
import shutil, sys
from pathlib import Path
import setuptools
from setuptools.dist import Distribution

built = {}
setuptools.setup = built.update
namespace = {"__file__": "setup.py", "__name__": "setup"}
exec(Path("setup.py").read_text(), namespace)

class Builder:  # copies what takes the compiler a minute
    BuildError = RuntimeError
    TARGETS = [path.name.removeprefix("entrypoint-") for path in Path("entrypoint/bin").iterdir()]

    @staticmethod
    def build_all(directory, version):
        if directory.absolute() != Path("entrypoint/bin").absolute():
            shutil.copytree("entrypoint/bin", directory)

namespace["load_builder"] = lambda: Builder
distribution = Distribution({"script_name": "setup.py"})
distribution.parse_config_files()
command = built["cmdclass"]["build_py"](distribution)
command.build_lib = sys.argv[1]
command.editable_mode = sys.argv[2] == "editable"
command.ensure_finalized()
command.run()
print(*command.get_outputs(), sep="\\n")
"""


@pytest.fixture
def build(tmp_path: Path):
    """Builds the package of a copy of the sources, whose directory may have any name, and returns the outputs."""
    clone = tmp_path / "a clone"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "packed", "tests", "docs", "examples", "*.egg-info")
    shutil.copytree(PACKAGE, clone, ignore=ignored)

    def build(kind: str) -> tuple[Path, list[str]]:
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "wheel"), kind]
        environment = {**os.environ, "PYTHONPATH": ""}
        done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return (clone if kind == "editable" else tmp_path / "wheel/monopod"), done.stdout.splitlines()

    return build


def test_wheel_has_the_packed_runtime(build):
    package, outputs = build("wheel")
    assert read(package / FILE) == installed_runtime()
    assert {str(package / FILE), str(package / "entrypoint/bin/entrypoint-x86_64")} <= set(outputs)


def test_editable_installation_packs_the_runtime_of_the_clone(build):
    package, _ = build("editable")
    assert read(package / FILE) == installed_runtime()
