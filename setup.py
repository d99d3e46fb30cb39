"""Builds what pyproject.toml cannot express: the entrypoint for every machine, and the runtime that Pods carry.

It also finds the packages: a folder at the top of the repository with an ``__init__.py``, and every package in it.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError

ROOT = Path(__file__).parent
PACK = """
import sys
from pathlib import Path
from monopod.runtime import build, packed
package = Path(sys.argv[1])
packed.write(package / packed.FILE, build.pack(package))
"""


def find_packages():
    """Return the names of all packages."""
    roots = [path.parent for path in ROOT.glob("[a-z]*/__init__.py")]
    folders = sorted(path.parent.relative_to(ROOT) for root in roots for path in root.rglob("__init__.py"))
    return ["monopod", *(".".join(("monopod", *folder.parts)) for folder in folders)]


def load_builder():
    """Load entrypoint/build.py by its path: monopod is not installed yet."""
    spec = importlib.util.spec_from_file_location("build_entrypoint", ROOT / "entrypoint" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pack_runtime(package):
    """Pack the runtime with the modules of the package itself."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "monopod").symlink_to(package.resolve())  # for any name of the clone's directory
        environment = {**os.environ, "PYTHONPATH": directory, "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([sys.executable, "-c", PACK, package.resolve()], env=environment, check=True)


class BuildWithRuntime(build_py):
    """Builds the binaries and packs the runtime in the wheel, or in the source tree of an editable install."""

    def run(self):
        """Copy the packages, then build, replacing what was copied from the source tree."""
        super().run()
        builder = load_builder()
        try:
            builder.build_all(self.package_directory() / "entrypoint" / "bin", self.distribution.get_version())
        except builder.BuildError as error:
            raise CompileError(str(error)) from error
        pack_runtime(self.package_directory())

    def find_package_modules(self, package, package_dir):
        """Return the modules of a package, without this file, which lies beside those of the root package."""
        return [each for each in super().find_package_modules(package, package_dir) if each[:2] != ("monopod", "setup")]

    def package_directory(self):
        """Return the directory of the package that is built."""
        return ROOT if self.editable_mode else Path(self.build_lib, "monopod")

    def get_outputs(self, include_bytecode=True):
        """Return the files of the package, including what is built."""
        if self.editable_mode:
            return super().get_outputs(include_bytecode)
        built = [f"entrypoint/bin/entrypoint-{machine}" for machine in load_builder().TARGETS]
        paths = [str(self.package_directory() / name) for name in (*built, "runtime/packed/runtime.json")]
        return list(dict.fromkeys([*super().get_outputs(include_bytecode), *paths]))


setup(packages=find_packages(), cmdclass={"build_py": BuildWithRuntime})
