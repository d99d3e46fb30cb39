"""Adds what pyproject.toml cannot say: that the entrypoint is compiled for every machine (entrypoint/build.py)."""

import importlib.util
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError

ROOT = Path(__file__).parent


def load_builder():
    """Return the module entrypoint/build.py, by its path: monopod is not installed yet."""
    spec = importlib.util.spec_from_file_location("build_entrypoint", ROOT / "entrypoint" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildWithEntrypoint(build_py):
    """Puts `bin/entrypoint-<machine>` beside the package: into the wheel, or into the source tree if that is used."""

    def run(self):
        """Copy the packages, then build the binaries, which replace any that lay in the source tree."""
        super().run()
        builder = load_builder()
        try:
            builder.build_all(self.binaries(), self.distribution.get_version())
        except builder.BuildError as error:
            raise CompileError(str(error)) from error

    def binaries(self):
        """Return the folder that the binaries belong into."""
        root = ROOT if self.editable_mode else Path(self.build_lib, "monopod")
        return root / "entrypoint" / "bin"

    def get_outputs(self, include_bytecode=True):
        """Return the files of the package, with the binaries."""
        if self.editable_mode:
            return super().get_outputs(include_bytecode)
        binaries = [str(self.binaries() / f"entrypoint-{machine}") for machine in load_builder().TARGETS]
        return list(dict.fromkeys([*super().get_outputs(include_bytecode), *binaries]))


setup(cmdclass={"build_py": BuildWithEntrypoint})
